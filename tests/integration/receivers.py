"""Receivers of webhooks: web servers of a few lines that answer as they are told, and keep what they were sent."""

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook as Verifier

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(frozen=True)
class Received:
    """A request; headers by their names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_signed_by(self, secret: str) -> bool:
        """Whether one of the signatures is what the package of the standard itself makes with a secret."""
        at = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
        signature = Verifier(secret).sign(self.id, at, self.body.decode())
        return signature in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """A receiver.

    Attributes:
        answer: what is sent back to a request, bytes or blocks of them.
        received: every request, in the order in which they came.
    """

    port: int
    answer: Callable[[Received], bytes | Iterator[bytes]] = lambda _: OK
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.received]


@contextmanager
def running_receiver(port: int = 0, *, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver, for the length of a with block, on a port of its own unless one is given."""
    receiver = Receiver(port)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().decode().split()[1]
            headers = {}
            while line := self.rfile.readline().decode().strip():
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            request = Received(path, headers, self.rfile.read(int(headers["content-length"])))
            receiver.received.append(request)
            answer = receiver.answer(request)
            try:
                for block in [answer] if isinstance(answer, bytes) else answer:
                    self.wfile.write(block)
            except OSError:
                pass  # whoever asked has heard enough

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

        def get_request(self) -> Any:
            connection, address = super().get_request()
            return (tls.wrap_socket(connection, server_side=True) if tls else connection), address

    with Server(("127.0.0.1", port), Handler) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()
