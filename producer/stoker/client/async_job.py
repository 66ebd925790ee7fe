"""An app's handle of a job, for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Generic

from ..events import Event, JobState
from ..foresight.eta import Eta
from ..kinds import Spec
from ..kinds.base import R_co
from ..ledger import dead_jobs, pauses, records, waits
from ..ledger.dead_jobs import PastAttempt
from ..ledger.logs import kept
from ..redis.connection import AsyncConnection
from ..redis.scopes import PerLoop
from ..settings import Settings
from ..status import JobStatus
from . import arguments
from .calls import AsyncCalls
from .following import AwaitedEnd, Deadline, Follower, Pause, check_end, check_time
from .foreseeing import etas_of
from .history import so_far
from .job_files import AsyncJobFile, artifacts_of
from .listening import AsyncListener
from .logs import LogFile, Printed, lines_of, printed
from .retrying import retry


class AsyncJob(AsyncCalls, Generic[R_co]):
    """`Job` for asyncio; attributes that would read from Redis are coroutines."""

    def __init__(
        self,
        connection: AsyncConnection,
        listener: PerLoop[AsyncListener],
        job_id: str,
        settings: Settings,
        spec: str = "",
    ) -> None:
        self.settings = settings
        self._connection = connection
        self._listener = listener
        self.id = job_id
        # The digest of what was submitted; "" for a job that somebody else has.
        self._spec = spec

    def __repr__(self) -> str:
        return f"AsyncJob({self.id!r})"

    async def state(self) -> JobState:
        """Where the job stands now."""
        return (await self.status()).state

    async def status(self) -> JobStatus:
        """See `Job.status`."""
        return await self._connection.run(records.status(self.id))

    async def spec(self) -> Spec:
        """See `Job.spec`."""
        return await self._connection.run(records.spec(self.id))

    def events(self, after: str | None = None) -> AsyncIterator[Event]:
        """See `Job.events`."""
        return self._events(arguments.event_id(after), self._deadline(None))

    async def events_so_far(self, after: str | None = None) -> list[Event]:
        """See `Job.events_so_far`."""
        return await self._drive(so_far(self.id, arguments.event_id(after)))

    async def attempts(self) -> list[PastAttempt]:
        """See `Job.attempts`."""
        return await self._run(dead_jobs.history(self.id))

    async def requeue(self) -> None:
        """See `Job.requeue`."""
        await self._run(dead_jobs.requeue(self.id))

    async def drop(self) -> None:
        """See `Job.drop`."""
        await self._run(dead_jobs.drop(self.id))

    async def wait(self, timeout: float | None = None) -> JobState:
        """See `Job.wait`."""
        end = self._end(timeout)
        while not end.has_come(state := (await self._status(end)).state):
            await self._await(end)
        return state

    async def result(self, timeout: float | None = None) -> R_co:
        """See `Job.result`."""
        end, call = self._end(timeout), self._result_of(self.id, self._spec)
        while True:
            result = await self._connection.run(call, patience_s=end.deadline.patience_s())
            if result is not None:
                return result  # type: ignore[return-value]  # the kind of the spec has made it
            if end.was_told:
                check_end(self.id, (await self._status(end)).state)
            await self._await(end)

    async def files(self) -> Mapping[str, AsyncJobFile]:
        """See `Job.files`."""
        if so_far := await self._run(waits.kept_files(self.id)):
            return {name: AsyncJobFile(file, self.settings.store_place) for name, file in so_far.items()}
        files = artifacts_of(await self.result(timeout=0), await self._run(kept(self.id)))
        return {name: AsyncJobFile(file, self.settings.store_place) for name, file in files.items()}

    async def cancel(self) -> None:
        """See `Job.cancel`."""
        await self._connection.run(records.cancel(self.id))

    async def logs(self) -> list[str]:
        """See `Job.logs`."""
        return (await self._printed()).lines

    async def follow_logs(self) -> AsyncIterator[str]:
        """See `Job.follow_logs`."""
        printed = await self._printed()
        for line in printed.lines:
            yield line
        async for event in self.events(printed.last):
            for line in lines_of(event):
                yield line

    async def _printed(self) -> Printed:
        file = await asyncio.to_thread(LogFile, await self._run(kept(self.id)), self.settings.store_place)
        return await self._drive(printed(self.id, file))

    async def pause(self) -> None:
        """See `Job.pause`."""
        await self._connection.run(pauses.pause(self.id))

    async def resume(self) -> None:
        """See `Job.resume`."""
        await self._connection.run(pauses.resume(self.id))

    async def eta(self) -> Eta:
        """See `Job.eta`."""
        return (await self._drive(etas_of([self.id])))[self.id]

    async def retry(self) -> "AsyncJob[R_co]":
        """See `Job.retry`."""
        new = await self._drive(retry(self.id, self._signatures))
        return AsyncJob(self._connection, self._listener, new.id, self.settings, new.spec)

    def _deadline(self, timeout: float | None) -> Deadline:
        return Deadline(arguments.timeout_or_none(timeout), self._connection.patience_s)

    def _end(self, timeout: float | None) -> AwaitedEnd:
        return AwaitedEnd(self._deadline(timeout), self._connection.longest_block_s)

    async def _status(self, end: AwaitedEnd) -> JobStatus:
        return await self._connection.run(records.status(self.id), patience_s=end.deadline.patience_s())

    async def _await(self, end: AwaitedEnd) -> None:
        if pause := end.pause():
            newest = await self._listener.get().wait(self.id, pause.after, pause.seconds, for_end=True)
            if not newest:
                # Who waits for events that cannot be read is told, and holds up the one reader no longer.
                own = records.events(self.id, pause.after, limit=1)
                await self._connection.run(own, patience_s=end.deadline.patience_s())
            end.waited(newest)
        else:
            check_time(await self._status(end), end.deadline)

    async def _events(self, after: str | None, deadline: Deadline) -> AsyncIterator[Event]:
        follower = Follower(self.id, after, deadline, self._connection.longest_block_s)
        while step := follower.next_step():
            if isinstance(step, Pause):
                news = await self._listener.get().wait(self.id, step.after, step.seconds)
                follower.waited(bool(news))
                continue
            for event in follower.take(await self._connection.run(step, patience_s=deadline.patience_s())):
                yield event
