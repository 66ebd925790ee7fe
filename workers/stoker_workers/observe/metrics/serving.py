"""The HTTP server that Prometheus scrapes, and the connection behind it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.registry import Collector

from stoker.errors import InvalidSettings
from stoker.redis.connection import Connection
from stoker.settings import Settings

_log = logging.getLogger(__name__)

# Prometheus gives a scrape ten seconds by default; it must have been told by then that Redis is away.
_ANSWER_S = 3.0


@contextmanager
def served(collector: Collector, host: str, port: int) -> Iterator[None]:
    """Serve a collector's metrics over HTTP, from a thread of their own, for the length of a with block.

    Raises:
        InvalidSettings: the address is taken or not this machine's.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise InvalidSettings(
            f"metrics cannot be served on {host}:{port} ({error.strerror}): choose another metrics_host and port"
        ) from error
    _log.info("metrics are at http://%s:%d/metrics", host, port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hurried(settings: Settings, redis_url: str) -> Connection:
    """A connection whose calls fail before a scrape times out."""
    limits = {
        "connect_timeout_s": min(settings.connect_timeout_s, _ANSWER_S),
        "socket_timeout_s": min(settings.socket_timeout_s, _ANSWER_S),
    }
    return Connection.open(settings.model_copy(update=limits), redis_url, patience_s=0)
