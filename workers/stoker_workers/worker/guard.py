"""kombu's Redis transport with a door: what is no message for this worker goes into quarantine.

kombu decodes whatever it takes from a queue and looks into it unchecked, so that one wrong byte would end a worker.
Here each answer of Redis is looked at first, and kombu sees only what is right.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import redis
from kombu.connection import Connection as KombuConnection
from kombu.transport.redis import Channel, SentinelChannel, SentinelTransport, Transport
from redis.exceptions import ResponseError

from stoker import ledger
from stoker.errors import StokerError
from stoker.fleet.topology import KOMBU_SEPARATOR
from stoker.ledger import QuarantineReason
from stoker.redis.connection import Call, Connection

from .message import Unwelcome, check_command, doorbell

_log = logging.getLogger(__name__)


class GuardedConnection(KombuConnection):
    """A connection to the broker whose transport has a door, whatever the URL: redis://, rediss:// or sentinel://.

    Attributes:
        leaves: tells whether the messages of a queue are to stay there for now.
    """

    leaves: Callable[[str], bool] = staticmethod(lambda _queue: False)

    def get_transport_cls(self) -> type[Transport]:
        """The class of the transport; kombu asks again whenever it moves on to another URL."""
        return _GUARDED[super().get_transport_cls()]  # type: ignore[no-untyped-call]

    def ensure_connection(self, *arguments: Any, **options: Any) -> KombuConnection:
        """Connect, again every second or two: by default kombu waits longer and longer, up to half a minute."""
        intervals = {"interval_start": 1, "interval_step": 1, "interval_max": 2}
        super().ensure_connection(*arguments, **intervals, **options)  # type: ignore[no-untyped-call]
        return self


def guarded(leaves: Callable[[str], bool]) -> type[GuardedConnection]:
    """Connections of a worker that does not always want the messages of all its queues."""
    return type("GuardedConnection", (GuardedConnection,), {"leaves": staticmethod(leaves)})


class _OpenQueues:
    """The order in which kombu reads its queues, without those whose messages are to stay there for now."""

    def __init__(self, order: Any, leaves: Callable[[str], bool]) -> None:
        self._order = order
        self._leaves = leaves

    def update(self, queues: Iterable[str]) -> None:
        self._order.update(queues)

    def consume(self, count: int) -> list[str]:
        return [queue for queue in self._order.consume(count) if not self._leaves(queue)]

    def rotate(self, last_used: str) -> None:
        self._order.rotate(last_used)


class _Door:
    """Decides what comes in, and puts aside what does not."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def admit(self, key: bytes, item: bytes) -> tuple[bytes, bytes] | None:
        """The list and the message to deliver from it, or None."""
        queue, _, step = key.decode().partition(KOMBU_SEPARATOR)
        try:
            return key, doorbell(item, queue, int(step or 0))
        except Unwelcome as refusal:
            self._put_aside(refusal.reason, queue, item)
            return None

    def admits_command(self, topic: bytes, item: bytes) -> bool:
        """Whether what was broadcast is to be delivered."""
        try:
            check_command(item)
        except Unwelcome as refusal:
            self._put_aside(refusal.reason, topic.decode(), item)
            return False
        return True

    def clear(self) -> None:
        """Take away what is no list where a list should be: it keeps every queue from being read."""
        steps, queues = self._channel.priority_steps, self._channel.active_queues
        self._run(ledger.evict([self._channel._q_for_pri(queue, step) for queue in queues for step in steps]))  # noqa: SLF001
        _log.warning("what lay under a queue's key was no list: put aside")

    def _put_aside(self, reason: QuarantineReason, queue: str, item: bytes) -> None:
        _log.warning("a message of %d bytes on %s is put aside: %s", len(item), queue, reason)
        self._run(ledger.quarantine(reason, queue, item))

    def _run(self, call: Call[Any]) -> None:
        with self._channel.conn_or_acquire() as client:
            try:
                Connection(lambda: client, "the broker").run(call)
            except (StokerError, ResponseError) as error:
                # The message is gone from its queue all the same, and the worker must go on.
                _log.warning("not counted: %s", error)


class _Client(redis.Redis):
    """What a channel reads from Redis with: tasks by BRPOP, commands by subscription."""

    def __init__(self, door: _Door, **options: Any) -> None:
        super().__init__(**options)
        self._door = door

    def parse_response(self, connection: Any, command_name: str | bytes, **options: Any) -> Any:
        """Read an answer; None, as if the time were up, where nothing in it may come in."""
        if command_name != "BRPOP":
            return super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        try:
            answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            self._door.clear()
            return None
        return self._door.admit(*answer) if answer else None

    def pubsub(self, **options: Any) -> redis.client.PubSub:
        """A subscription with the same door."""
        return _Subscription(self._door, connection_pool=self.connection_pool, **options)


class _Subscription(redis.client.PubSub):
    def __init__(self, door: _Door, **options: Any) -> None:
        super().__init__(**options)
        self._door = door

    def parse_response(self, block: bool = True, timeout: float = 0) -> Any:
        """Read what was published; None, as if there were nothing, where it may not come in."""
        answer = super().parse_response(block, timeout)  # type: ignore[no-untyped-call]
        if answer and answer[0] in (b"message", b"pmessage") and not self._door.admits_command(*answer[-2:]):
            return None
        return answer


class _Guarded:
    """What both kinds of channel have in common."""

    connection: Any
    _queue_cycle: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._queue_cycle = _OpenQueues(self._queue_cycle, self.connection.client.leaves)

    def _get_client(self) -> partial[_Client]:
        assert isinstance(self, Channel)
        return partial(_Client, _Door(self))


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
