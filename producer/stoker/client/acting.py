"""Acting on all jobs that match a filter, and submitting jobs again with changes."""

from collections.abc import Mapping
from typing import Unpack

from ..redis.scopes import PerLoop, PerProcess
from . import arguments, many
from .approving import ApproveCalls, AsyncApproveCalls
from .async_job import AsyncJob
from .job import Job
from .listening import AsyncListener, Listener
from .many import Act, Acted, Filters, Matching


class ActCalls(ApproveCalls):
    """A part of the blocking client."""

    _listener: PerProcess[Listener]

    def matching(self, what: Act = "cancel", /, **filters: Unpack[Filters]) -> Matching:
        """Count the jobs that `cancel_many`, or another of these methods, would act on."""
        return self._drive(many.matching(what, filters))

    def cancel_many(self, **filters: Unpack[Filters]) -> Acted:
        """Cancel all jobs that match and have not ended; children end with their parents.

        They are taken page by page, the newest first: neither the server nor this process has all of them in hand at
        once. What is submitted meanwhile is left alone. A job that ends meanwhile is counted, and is no error.

        Args:
            filters: `state`, `kind`, `model`, `tags`, `since` and `until` as in `Client.jobs`; at least one.

        Raises:
            InvalidArgument: there is no filter, or one is wrong.
        """
        return self._drive(many.act("cancel", filters))

    def pause_many(self, **filters: Unpack[Filters]) -> Acted:
        """Pause all jobs that match and have not ended; see `cancel_many`, and `Job.pause` for which are refused."""
        return self._drive(many.act("pause", filters))

    def resume_many(self, **filters: Unpack[Filters]) -> Acted:
        """Let all paused jobs that match go on; see `cancel_many`."""
        return self._drive(many.act("resume", filters))

    def resubmit(self, job_id: str, **changes: object) -> Job:
        """Submit a job's spec again, with other values of some fields: `client.resubmit(id, epochs=20)`.

        It is checked like a new one. It comes after no job and waits for no time unless the changes say so. The new
        job's status names the old one in `resubmits`.

        Raises:
            JobNotFound: no job has this id.
            InvalidJob, ModelNotFound: the changed spec is wrong.
        """
        new = self._drive(many.resubmit(arguments.job_id(job_id), changes, self._signatures))
        return Job(self._connection, self._listener, new.id, self.settings, new.spec)

    def resubmit_many(self, changes: Mapping[str, object] | None = None, **filters: Unpack[Filters]) -> Acted:
        """Submit all jobs that match again, those that ended without success if no state is named.

        See `resubmit` for the changes and `cancel_many` for the rest.
        """
        return self._drive(many.act("resubmit", filters, changes, self._signatures))


class AsyncActCalls(AsyncApproveCalls):
    """A part of the asyncio client."""

    _listener: PerLoop[AsyncListener]

    async def matching(self, what: Act = "cancel", /, **filters: Unpack[Filters]) -> Matching:
        """See `Client.matching`."""
        return await self._drive(many.matching(what, filters))

    async def cancel_many(self, **filters: Unpack[Filters]) -> Acted:
        """See `Client.cancel_many`."""
        return await self._drive(many.act("cancel", filters))

    async def pause_many(self, **filters: Unpack[Filters]) -> Acted:
        """See `Client.pause_many`."""
        return await self._drive(many.act("pause", filters))

    async def resume_many(self, **filters: Unpack[Filters]) -> Acted:
        """See `Client.resume_many`."""
        return await self._drive(many.act("resume", filters))

    async def resubmit(self, job_id: str, **changes: object) -> AsyncJob:
        """See `Client.resubmit`."""
        new = await self._drive(many.resubmit(arguments.job_id(job_id), changes, self._signatures))
        return AsyncJob(self._connection, self._listener, new.id, self.settings, new.spec)

    async def resubmit_many(self, changes: Mapping[str, object] | None = None, **filters: Unpack[Filters]) -> Acted:
        """See `Client.resubmit_many`."""
        return await self._drive(many.act("resubmit", filters, changes, self._signatures))
