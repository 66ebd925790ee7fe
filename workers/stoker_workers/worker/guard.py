"""kombu's Redis transport with a filter: invalid messages go into quarantine.

kombu decodes whatever it takes from a queue without checks, so that one wrong byte would end a worker. Here each reply
of Redis is validated first, and kombu sees valid messages only.
"""

import logging
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any

import redis
from kombu.connection import Connection as KombuConnection
from kombu.transport.redis import Channel, SentinelChannel, SentinelTransport, Transport
from redis.exceptions import ResponseError

from stoker.errors import StokerError
from stoker.fleet.topology import KOMBU_SEPARATOR
from stoker.ledger import quarantine
from stoker.ledger.quarantine import QuarantineReason
from stoker.redis.calls import Call
from stoker.redis.connection import Connection

from .message import InvalidMessage, check_command, doorbell

_log = logging.getLogger(__name__)


class GuardedConnection(KombuConnection):
    """A connection to the broker with a filtered transport, for any URL: redis://, rediss:// or sentinel://.

    Attributes:
        open_queues: gives those queues whose messages are not left unread for now.
    """

    open_queues: Callable[[list[str]], list[str]] = staticmethod(lambda queues: queues)

    def get_transport_cls(self) -> type[Transport]:
        """The class of the transport for the current URL; kombu may switch to another URL."""
        return _GUARDED[super().get_transport_cls()]  # type: ignore[no-untyped-call]

    def ensure_connection(self, *arguments: Any, **options: Any) -> KombuConnection:
        """Connect, with a retry every second or two: by default kombu's pauses grow up to half a minute."""
        intervals = {"interval_start": 1, "interval_step": 1, "interval_max": 2}
        super().ensure_connection(*arguments, **intervals, **options)  # type: ignore[no-untyped-call]
        return self


def guarded(open_queues: Callable[[list[str]], list[str]]) -> type[GuardedConnection]:
    """A class of connections that leave the messages of some queues unread for now."""
    return type("GuardedConnection", (GuardedConnection,), {"open_queues": staticmethod(open_queues)})


class _OpenQueues:
    """kombu's order of queues, without those whose messages are left unread for now."""

    def __init__(self, order: Any, open_queues: Callable[[list[str]], list[str]]) -> None:
        self._order = order
        self._open_queues = open_queues

    def update(self, queues: Iterable[str]) -> None:
        self._order.update(queues)

    def consume(self, count: int) -> list[str]:
        return self._open_queues(self._order.consume(count))

    def rotate(self, last_used: str) -> None:
        self._order.rotate(last_used)


class _Filter:
    """Validates messages; puts invalid ones into quarantine."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def task(self, key: bytes, raw: bytes) -> tuple[bytes, bytes] | None:
        """The list and the message to deliver from it; None for an invalid message."""
        queue, _, step = key.decode().partition(KOMBU_SEPARATOR)
        try:
            return key, doorbell(raw, queue, int(step or 0))
        except InvalidMessage as invalid:
            self._quarantine(invalid.reason, queue, raw)
            return None

    def passes_command(self, topic: bytes, raw: bytes) -> bool:
        """Whether to deliver a broadcast message."""
        try:
            check_command(raw)
        except InvalidMessage as invalid:
            self._quarantine(invalid.reason, topic.decode(), raw)
            return False
        return True

    def clear_keys(self) -> None:
        """Delete queues' keys of a wrong type: one of them keeps all queues from being read."""
        steps, queues = self._channel.priority_steps, self._channel.active_queues
        self._run(quarantine.evict([self._channel._q_for_pri(queue, step) for queue in queues for step in steps]))  # noqa: SLF001
        _log.warning("what lay under a queue's key was no list: put aside")

    def _quarantine(self, reason: QuarantineReason, queue: str, raw: bytes) -> None:
        _log.warning("a message of %d bytes on %s is put aside: %s", len(raw), queue, reason)
        self._run(quarantine.put_aside(reason, queue, raw))

    @cached_property
    def _connection(self) -> Connection:
        """One for all messages: it keeps what it has opened in kombu's pool, which has few."""
        with self._channel.conn_or_acquire() as client:
            return Connection(lambda: client, "the broker")

    def _run(self, call: Call[Any]) -> None:
        try:
            self._connection.run(call)
        except (StokerError, ResponseError) as error:
            # The message has left its queue all the same, and the worker must go on.
            _log.warning("not counted: %s", error)


class _Client(redis.Redis):
    """The redis-py client of a channel: it reads tasks by BRPOP, commands by subscription."""

    def __init__(self, message_filter: _Filter, **options: Any) -> None:
        super().__init__(**options)
        self._filter = message_filter

    def parse_response(self, connection: Any, command_name: str | bytes, **options: Any) -> Any:
        """Read a reply; None, as after a timeout, for an invalid message."""
        if command_name != "BRPOP":
            return super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        try:
            reply = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            self._filter.clear_keys()
            return None
        return self._filter.task(*reply) if reply else None

    def pubsub(self, **options: Any) -> redis.client.PubSub:
        """A subscription with the same filter."""
        return _Subscription(self._filter, connection_pool=self.connection_pool, **options)


class _Subscription(redis.client.PubSub):
    def __init__(self, message_filter: _Filter, **options: Any) -> None:
        super().__init__(**options)
        self._filter = message_filter

    def parse_response(self, block: bool = True, timeout: float = 0) -> Any:
        """Read a published message; None for an invalid one."""
        reply = super().parse_response(block, timeout)  # type: ignore[no-untyped-call]
        if reply and reply[0] in (b"message", b"pmessage") and not self._filter.passes_command(*reply[-2:]):
            return None
        return reply


class _Guarded:
    """Makes a channel of either kind filter its messages."""

    connection: Any
    _queue_cycle: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._queue_cycle = _OpenQueues(self._queue_cycle, self.connection.client.open_queues)

    def _get_client(self) -> partial[_Client]:
        assert isinstance(self, Channel)
        return partial(_Client, _Filter(self))


class _GuardedChannel(_Guarded, Channel):
    pass


class _GuardedSentinelChannel(_Guarded, SentinelChannel):
    pass


class _GuardedTransport(Transport):
    Channel = _GuardedChannel


class _GuardedSentinelTransport(SentinelTransport):
    Channel = _GuardedSentinelChannel


_GUARDED: dict[type[Transport], type[Transport]] = {
    Transport: _GuardedTransport,
    SentinelTransport: _GuardedSentinelTransport,
}
