"""Waiting for events of jobs: one reader watches the streams of all jobs that somebody waits for.

A listener says only that a job has new events, or has ended; the waiter then reads them, from its own position. So no
event is lost between the two, and none pile up for a slow reader.
"""

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from ..errors import ClientClosed, StokerError
from ..ledger import waiting
from ..ledger.waiting import News
from ..redis.calls import Call
from ..redis.connection import AsyncConnection, Connection
from ..redis.reading import TaskReader, ThreadReader, Waiter, deliver

W = TypeVar("W", bound=Waiter)
EventId = tuple[int, int]

# How long the stream of a job that goes on is watched after the last wait: a caller that follows it soon waits again.
_LINGER_S = 5.0
_NEVER: EventId = (2**64, 0)


class _Wait(NamedTuple):
    """What somebody waits for: an event after another one, or the one that says how the job has ended."""

    after: EventId
    for_end: bool

    def is_over(self, newest: EventId, end: EventId | None) -> bool:
        return end is not None and end > self.after if self.for_end else newest > self.after


@dataclass
class _Stream(Generic[W]):
    """A job's event stream.

    Attributes:
        newest: the newest event that the reader has seen and no waiter has been told of since; None for none yet.
        end: of these, the last one that says how the job has ended; None for none.
        waiting: the waiters.
        until: how long the stream is watched without a waiter, by the monotonic clock.
    """

    newest: EventId | None = None
    end: EventId | None = None
    waiting: dict[W, _Wait] = field(default_factory=dict)
    until: float = 0.0

    def position(self) -> EventId:
        """The event after which to read."""
        return max(self.newest or (0, 0), min((wait.after for wait in self.waiting.values()), default=(0, 0)))


class Streams(Generic[W]):
    """Who waits for which job's events: a `reading.Dispatcher`. Does no I/O and takes no lock.

    Attributes:
        name: names the stream in Redis that interrupts the reader.
    """

    def __init__(self) -> None:
        self.name = uuid.uuid4().hex
        self._streams: dict[str, _Stream[W]] = {}
        self._interrupted: EventId = (0, 0)
        # The positions of the read that is under way, by job.
        self._reading: dict[str, EventId] | None = None

    def add(self, job_id: str, after: str | None, waiter: W, *, for_end: bool = False) -> bool:
        """Wait for an event after `after`, or for the job's end; gives whether the reader must be interrupted for it.

        Args:
            for_end: whether only the event counts that says how the job has ended.
        """
        stream, position = self._streams.setdefault(job_id, _Stream()), event_id(after)
        wait, newest = _Wait(position, for_end), stream.newest or position
        if wait.is_over(newest, stream.end):
            # Reported once: Redis may have lost the event since, and a waiter that does not find it must wait anew.
            stream.newest, stream.end = position, None
            deliver([(waiter, _text(newest))])
            return False
        stream.waiting[waiter] = wait
        stream.until = time.monotonic() + _LINGER_S
        if self._reading is None or self._reading.get(job_id, _NEVER) <= max(position, newest):
            return False
        # One interrupt is enough for all waiters that come before the next read.
        self._reading = None
        return True

    def forget(self, job_id: str, waiter: W) -> None:
        """Drop a waiter."""
        if stream := self._streams.get(job_id):
            stream.waiting.pop(waiter, None)

    @property
    def has_waiters(self) -> bool:
        """Whether anybody waits."""
        return any(stream.waiting for stream in self._streams.values())

    def next_call(self, block_s: float) -> Call[dict[str, News]]:
        """Waits for new events of all jobs that are watched."""
        now = time.monotonic()
        self._streams = {
            job_id: stream
            for job_id, stream in self._streams.items()
            if stream.waiting or (stream.newest and stream.until > now)
        }
        self._reading = {job_id: stream.position() for job_id, stream in self._streams.items()}
        positions = {job_id: _text(position) for job_id, position in self._reading.items()}
        return waiting.news(self.name, _text(self._interrupted), positions, round(block_s * 1000))

    def dispatch(self, read: dict[str, News]) -> Iterator[tuple[W, str]]:
        """The waiters whose wait is over, each with the newest event's id, given what is new of each job."""
        self._reading = None
        for job_id, news in read.items():
            if job_id == "":
                self._interrupted = event_id(news.newest)
            elif stream := self._streams.get(job_id):
                stream.newest, stream.end = event_id(news.newest), event_id(news.end) if news.end else stream.end
                for waiter in [
                    each for each, wait in stream.waiting.items() if wait.is_over(stream.newest, stream.end)
                ]:
                    del stream.waiting[waiter]
                    yield waiter, news.newest
                if stream.end and not stream.waiting:
                    del self._streams[job_id]

    def fail(self, error: StokerError) -> Iterator[tuple[W, StokerError | str]]:
        """All waiters: each reads for itself, because only one of the streams may be unreadable."""
        self._reading = None
        for stream in self._streams.values():
            for waiter in stream.waiting:
                yield waiter, error if isinstance(error, ClientClosed) else ""
            stream.waiting.clear()


class Listener:
    """Waits for events, for threads. A listener belongs to the process that made it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._streams: Streams[Future[str]] = Streams()
        self._lock = threading.Lock()
        self._reader = ThreadReader(connection, self._streams, self._lock, "stoker-events")

    def wait(self, job_id: str, after: str | None, seconds: float, *, for_end: bool = False) -> str:
        """Wait until a job has an event after `after`; gives the newest one's id, "" if it has none after `seconds`.

        Args:
            for_end: whether only an event counts that says how the job has ended.

        Raises:
            ClientClosed: after `close`, or during the wait.
        """
        news: Future[str] = Future()
        with self._lock:
            self._reader.wake()
            must_interrupt = self._streams.add(job_id, after, news, for_end=for_end)
        if must_interrupt:
            # If that fails, the reader's call times out a little later.
            with suppress(StokerError):
                self._connection.run(waiting.interrupt(self._streams.name))
        try:
            return news.result(seconds)
        except TimeoutError:
            return ""
        finally:
            with self._lock:
                self._streams.forget(job_id, news)

    def close(self) -> None:
        """Stop reading; whoever still waits gets `ClientClosed`."""
        self._reader.close(waiting.interrupt(self._streams.name))


class AsyncListener:
    """`Listener` for asyncio, within one event loop."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._streams: Streams[asyncio.Future[str]] = Streams()
        self._reader = TaskReader(connection, self._streams)

    async def wait(self, job_id: str, after: str | None, seconds: float, *, for_end: bool = False) -> str:
        """See `Listener.wait`."""
        self._reader.wake()
        news: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            if self._streams.add(job_id, after, news, for_end=for_end):
                with suppress(StokerError):
                    await self._connection.run(waiting.interrupt(self._streams.name))
            async with asyncio.timeout(seconds):
                return await news
        except TimeoutError:
            return ""
        finally:
            self._streams.forget(job_id, news)

    async def close(self) -> None:
        """Stop reading; whoever still waits gets `ClientClosed`."""
        await self._reader.close()


def event_id(text: str | None) -> EventId:
    """An event's id as Redis orders them: milliseconds, then number."""
    milliseconds, _, number = (text or "0-0").partition("-")
    return int(milliseconds), int(number or 0)


def _text(position: EventId) -> str:
    return "{}-{}".format(*position)
