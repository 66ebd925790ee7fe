"""Submitting jobs."""

from collections.abc import Iterable
from typing import TypeVar

from ..kinds.base import JobSpec, Reuse
from ..kinds.result import JobResult
from ..redis.scopes import PerLoop, PerProcess
from . import arguments, submission
from .async_job import AsyncJob
from .calls import AsyncCalls, Calls
from .job import Job
from .listening import AsyncListener, Listener
from .placement import Seen
from .tracing import submitting

R = TypeVar("R", bound=JobResult)


class SubmitCalls(Calls):
    """A part of the blocking client."""

    _listener: PerProcess[Listener]
    _seen: Seen

    def submit(
        self,
        spec: JobSpec[R],
        *,
        idempotency_key: str | None = None,
        singleton: str | None = None,
        debounce: float | None = None,
        reuse: Reuse | None = None,
    ) -> Job[R]:
        """Queue a job. When this returns, the job is stored and will reach a final state.

        Args:
            idempotency_key: submits with the same key give the same job, as long as its record is kept.
            singleton, debounce: as those of `JobSpec`: one job with a key at a time, and seconds until it starts.
            reuse: as that of `JobSpec`: "identical" gives an identical job back that has succeeded, with its result.

        Raises:
            InvalidJob: the spec or its data is wrong, or the key was used with another spec.
            ModelNotFound: it names a model that does not exist.
            Unavailable, Unauthorized: Redis cannot take it. Nothing was queued, or a repeat with the key finds it.
            Untrusted: `trusted_keys` is set, and Redis names an older job that none of these arguments leads to.
        """
        listed = [arguments.with_terms(spec, singleton=singleton, debounce=debounce, reuse=reuse)]
        key = arguments.idempotency_key(idempotency_key)
        with submitting(1):
            [new] = self._drive(submission.submit(listed, key, signatures=self._signatures, seen=self._seen))
        return Job(self._connection, self._listener, new.id, self.settings, new.spec)

    def submit_many(self, specs: Iterable[JobSpec[R]]) -> list[Job[R]]:
        """Queue several jobs: all of them or, on an error, none.

        A spec may run `after` an earlier one of the list, or use the model that it trains: "#0" names the first. So a
        pipeline is a list of plain specs.

        Raises:
            InvalidJob, ModelNotFound: as `submit` does, for the first spec that is wrong.
            Unavailable, Unauthorized: Redis cannot take them. Nothing was queued or, if it went away at the very
                end, all will be.
        """
        listed = arguments.specs(specs)
        with submitting(len(listed)):
            jobs = self._drive(submission.submit(listed, signatures=self._signatures, seen=self._seen))
        return [Job(self._connection, self._listener, new.id, self.settings, new.spec) for new in jobs]


class AsyncSubmitCalls(AsyncCalls):
    """A part of the asyncio client."""

    _listener: PerLoop[AsyncListener]
    _seen: Seen

    async def submit(
        self,
        spec: JobSpec[R],
        *,
        idempotency_key: str | None = None,
        singleton: str | None = None,
        debounce: float | None = None,
        reuse: Reuse | None = None,
    ) -> AsyncJob[R]:
        """See `Client.submit`."""
        listed = [arguments.with_terms(spec, singleton=singleton, debounce=debounce, reuse=reuse)]
        key = arguments.idempotency_key(idempotency_key)
        with submitting(1):
            [new] = await self._drive(submission.submit(listed, key, signatures=self._signatures, seen=self._seen))
        return AsyncJob(self._connection, self._listener, new.id, self.settings, new.spec)

    async def submit_many(self, specs: Iterable[JobSpec[R]]) -> list[AsyncJob[R]]:
        """See `Client.submit_many`."""
        listed = arguments.specs(specs)
        with submitting(len(listed)):
            jobs = await self._drive(submission.submit(listed, signatures=self._signatures, seen=self._seen))
        return [AsyncJob(self._connection, self._listener, new.id, self.settings, new.spec) for new in jobs]
