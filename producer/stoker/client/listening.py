"""News of jobs for all who wait for any: one reader for their many streams, over one connection.

A listener tells only that there is something new; whoever waits reads it then, from where he is. So nothing can be lost
between the two, and nothing piles up where somebody reads slowly.
"""

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from .. import ledger
from ..errors import ClientClosed, StokerError
from ..redis.connection import AsyncConnection, Call, Connection
from ..redis.reading import TaskReader, ThreadReader, Waiter, settle

W = TypeVar("W", bound=Waiter)
EventId = tuple[int, int]

# How long a stream is still read when nobody waits for it: whoever follows a job is back soon.
_LINGER_S = 5.0
_NEVER: EventId = (2**64, 0)


@dataclass
class _Stream(Generic[W]):
    """A job's events.

    Attributes:
        newest: the newest event that has been read and not been waited for since; None if none has been read.
        waiting: who waits, and behind which event.
        until: when it is no longer read unless somebody waits, by the monotonic clock.
    """

    newest: EventId | None = None
    waiting: dict[W, EventId] = field(default_factory=dict)
    until: float = 0.0

    def position(self) -> EventId:
        """Behind which event to read on."""
        return max(self.newest or (0, 0), min(self.waiting.values(), default=(0, 0)))


class Streams(Generic[W]):
    """Who waits for news of which job, as `reading.Desk`: does no I/O and takes no lock.

    Attributes:
        name: names the stream in Redis that interrupts the reader.
    """

    def __init__(self) -> None:
        self.name = uuid.uuid4().hex
        self._streams: dict[str, _Stream[W]] = {}
        self._interrupted: EventId = (0, 0)
        # Where the reader is waiting now, by job.
        self._asked: dict[str, EventId] | None = None

    def add(self, job_id: str, after: str | None, waiter: W) -> bool:
        """Wait for an event behind `after`; tells whether the reader must be interrupted for it."""
        stream, position = self._streams.setdefault(job_id, _Stream()), event_id(after)
        if stream.newest is not None and stream.newest > position:
            # Told once: Redis may have lost that event since, and who finds nothing waits for what is really there.
            stream.newest = position
            settle([(waiter, True)])
            return False
        stream.waiting[waiter] = position
        stream.until = time.monotonic() + _LINGER_S
        if self._asked is None or self._asked.get(job_id, _NEVER) <= position:
            return False
        # Who comes next is interrupted for already.
        self._asked = None
        return True

    def forget(self, job_id: str, waiter: W) -> None:
        """Nobody waits there any more."""
        if stream := self._streams.get(job_id):
            stream.waiting.pop(waiter, None)

    @property
    def waits(self) -> bool:
        """Whether anybody waits."""
        return any(stream.waiting for stream in self._streams.values())

    def next_call(self, block_s: float) -> Call[dict[str, str]]:
        """Waits for news of all jobs that somebody waits for."""
        now = time.monotonic()
        self._streams = {
            job_id: stream
            for job_id, stream in self._streams.items()
            if stream.waiting or (stream.newest and stream.until > now)
        }
        self._asked = {job_id: stream.position() for job_id, stream in self._streams.items()}
        positions = {job_id: _text(position) for job_id, position in self._asked.items()}
        return ledger.news(self.name, _text(self._interrupted), positions, round(block_s * 1000))

    def answered(self, newest: dict[str, str]) -> Iterator[tuple[W, bool]]:
        """There is news: who has waited for it."""
        self._asked = None
        for job_id, latest in newest.items():
            if job_id == "":
                self._interrupted = event_id(latest)
            elif stream := self._streams.get(job_id):
                stream.newest = event_id(latest)
                for waiter in [waiter for waiter, after in stream.waiting.items() if after < stream.newest]:
                    del stream.waiting[waiter]
                    yield waiter, True

    def give_up(self, error: StokerError) -> Iterator[tuple[W, StokerError | bool]]:
        """Nothing can be read: each looks for himself, for only one of the streams may be to blame."""
        self._asked = None
        for stream in self._streams.values():
            for waiter in stream.waiting:
                yield waiter, error if isinstance(error, ClientClosed) else False
            stream.waiting.clear()


class Listener:
    """For threads: waits for news of a job. It serves the process that made it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._streams: Streams[Future[bool]] = Streams()
        self._lock = threading.Lock()
        self._reader = ThreadReader(connection, self._streams, self._lock, "stoker-events")

    def wait(self, job_id: str, after: str | None, seconds: float) -> bool:
        """Wait until a job has an event behind `after`; False if it has none after so long.

        Raises:
            ClientClosed: after `close`, or by it.
        """
        news: Future[bool] = Future()
        with self._lock:
            self._reader.begin()
            must_interrupt = self._streams.add(job_id, after, news)
        if must_interrupt:
            # Without it the reader goes on by itself, a little later.
            with suppress(StokerError):
                self._connection.run(ledger.interrupt(self._streams.name))
        try:
            return news.result(seconds)
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._streams.forget(job_id, news)

    def close(self) -> None:
        """Stop reading; whoever still waits is told."""
        self._reader.close(ledger.interrupt(self._streams.name))


class AsyncListener:
    """For asyncio: what `Listener` does, within one event loop."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._streams: Streams[asyncio.Future[bool]] = Streams()
        self._reader = TaskReader(connection, self._streams)

    async def wait(self, job_id: str, after: str | None, seconds: float) -> bool:
        """Wait until a job has an event behind `after`; see `Listener.wait`."""
        self._reader.begin()
        news: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        try:
            if self._streams.add(job_id, after, news):
                with suppress(StokerError):
                    await self._connection.run(ledger.interrupt(self._streams.name))
            async with asyncio.timeout(seconds):
                return await news
        except TimeoutError:
            return False
        finally:
            self._streams.forget(job_id, news)

    async def close(self) -> None:
        """Stop reading; whoever still waits is told."""
        await self._reader.close()


def event_id(text: str | None) -> EventId:
    """An event's id, in an order that Redis has for them: by milliseconds, then by number."""
    milliseconds, _, number = (text or "0-0").partition("-")
    return int(milliseconds), int(number or 0)


def _text(position: EventId) -> str:
    return "{}-{}".format(*position)
