"""Waiting for many jobs at once: the caller itself looks at all of them, so that no job costs a thread or a stream."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from ..errors import InvalidArgument, Timeout
from ..kinds.base import R_co
from ..kinds.problems import short
from ..kinds.result import JobResult
from ..ledger import ends
from ..redis.calls import Call
from .arguments import timeout_or_none
from .async_job import AsyncJob
from .calls import AsyncCalls, Calls
from .following import Deadline
from .job import Job

R = TypeVar("R", bound=JobResult)
# Between two looks: a little of the time since the last job ended, and of what a look takes.
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0
_PAUSE_SHARE, _PAUSE_LOOKS = 0.05, 5


class _HasId(Protocol):
    id: str


J = TypeVar("J", bound=_HasId)


class Watch(Generic[J]):
    """The jobs that are waited for: run `calls`, pass each result to `take`, pause for `pause_s`. Does no I/O.

    Args:
        jobs: one that is named twice is given back once.
        timeout: seconds to wait; None for ever.

    Attributes:
        open: those that have not ended, by id.

    Raises:
        InvalidArgument: `timeout` is not a number of seconds, or `jobs` are no jobs.
    """

    def __init__(self, jobs: Iterable[J], timeout: float | None, patience_s: float) -> None:
        self.deadline = Deadline(timeout_or_none(timeout), patience_s)
        if isinstance(jobs, Job | AsyncJob) or not isinstance(jobs, Iterable):
            raise InvalidArgument(f"jobs must be a list of jobs, got {short(jobs)}")
        self.open: dict[str, J] = {}
        for job in jobs:
            if not isinstance(job, Job | AsyncJob):
                raise InvalidArgument(f"jobs must be a list of jobs, and one of them is {short(job)}")
            self.open[job.id] = job
        self._count = len(self.open)
        self._news_at = self._look_began = time.monotonic()

    def calls(self) -> Iterator[Call[list[str]]]:
        """One look at all jobs that are open."""
        self._look_began = time.monotonic()
        ids = list(self.open)
        for first in range(0, len(ids), ends.LOOK):
            yield ends.ended(ids[first : first + ends.LOOK])

    def take(self, ended: list[str]) -> list[J]:
        """The jobs that have ended."""
        if ended:
            self._news_at = time.monotonic()
        return [self.open.pop(job_id) for job_id in ended]

    def pause_s(self) -> float:
        """How long to pause before the next look.

        Raises:
            Timeout: the time is up.
        """
        now, left_s = time.monotonic(), self.deadline.left_s()
        if left_s <= 0:
            raise Timeout(
                f"{len(self.open)} of {self._count} jobs have not ended after {self.deadline.timeout_s or 0:g} s of "
                "waiting; they go on, ask again later"
            )
        pause_s = max(_PAUSE_SHARE * (now - self._news_at), _PAUSE_LOOKS * (now - self._look_began))
        return min(max(pause_s, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S, left_s)


class CompletionCalls(Calls):
    """A part of the blocking client."""

    def as_completed(self, jobs: Iterable[Job[R]], timeout: float | None = None) -> Iterator[Job[R]]:
        """Give jobs back as they end, however they end, those that have ended first. For any number of jobs.

            for job in client.as_completed(client.submit_many(specs)):
                print(job.id, job.state)

        Args:
            timeout: seconds to wait for all of them; None for ever.

        Raises:
            Timeout: some have not ended in time.
            JobNotFound: one of them has no record any more.
            Unavailable: Redis is away when the time is up or, without a timeout, has been for a minute.
            InvalidArgument: these are no jobs, or `timeout` is no number of seconds.
        """
        return self._ended(Watch(jobs, timeout, self._connection.patience_s))

    def wait_all(self, jobs: Iterable[Job[R]], timeout: float | None = None) -> list[Job[R]]:
        """Wait until all of these jobs have ended, however they end; gives them in their order.

        `job.state` says how one has ended, and `job.result()` gives what came of it. Raises what `as_completed` does.
        """
        listed = list(jobs) if isinstance(jobs, Iterable) else jobs
        for _ in self.as_completed(listed, timeout):
            pass
        return listed

    def _ended(self, watch: Watch[Job[R_co]]) -> Iterator[Job[R_co]]:
        while watch.open:
            for call in watch.calls():
                yield from watch.take(self._connection.run(call, patience_s=watch.deadline.patience_s()))
            if watch.open:
                time.sleep(watch.pause_s())


class AsyncCompletionCalls(AsyncCalls):
    """A part of the asyncio client."""

    def as_completed(self, jobs: Iterable[AsyncJob[R]], timeout: float | None = None) -> AsyncIterator[AsyncJob[R]]:
        """See `Client.as_completed`."""
        return self._ended(Watch(jobs, timeout, self._connection.patience_s))

    async def wait_all(self, jobs: Iterable[AsyncJob[R]], timeout: float | None = None) -> list[AsyncJob[R]]:
        """See `Client.wait_all`."""
        listed = list(jobs) if isinstance(jobs, Iterable) else jobs
        async for _ in self.as_completed(listed, timeout):
            pass
        return listed

    async def _ended(self, watch: Watch[AsyncJob[R_co]]) -> AsyncIterator[AsyncJob[R_co]]:
        while watch.open:
            for call in watch.calls():
                for job in watch.take(await self._connection.run(call, patience_s=watch.deadline.patience_s())):
                    yield job
            if watch.open:
                await asyncio.sleep(watch.pause_s())
