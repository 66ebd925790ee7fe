"""Approving deployments that wait for it."""

from typing import Any

from ..ledger import approvals
from . import arguments
from .async_job import AsyncJob
from .calls import AsyncCalls, Calls
from .job import Job

_LONGEST_NOTE = 1000


class ApproveCalls(Calls):
    """A part of the blocking client."""

    def approve(self, job: Job[Any] | str, *, refuse: bool = False, note: str = "") -> str:
        """Let a deployment go on that waits for an approval (`Deploy(approval=…)`), or refuse it.

        What is said is kept with the job's events and the model's log. The controller goes on within a second.

        Args:
            job: the deployment, or its id.
            refuse: whether it is to end instead.
            note: why, in a sentence.

        Returns:
            The Redis user who has said it: that of this client.

        Raises:
            JobNotFound: no job has this id.
            InvalidJob: it does not wait for an approval.
            Unauthorized: the client's user has not the role.
        """
        said, refuse = arguments.text(note, "a note", _LONGEST_NOTE), arguments.flag(refuse, "refuse")
        return self._drive(approvals.say(_id(job), is_granted=not refuse, note=said))


class AsyncApproveCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def approve(self, job: AsyncJob[Any] | str, *, refuse: bool = False, note: str = "") -> str:
        """See `Client.approve`."""
        said, refuse = arguments.text(note, "a note", _LONGEST_NOTE), arguments.flag(refuse, "refuse")
        return await self._drive(approvals.say(_id(job), is_granted=not refuse, note=said))


def _id(job: Job[Any] | AsyncJob[Any] | str) -> str:
    return job.id if isinstance(job, Job | AsyncJob) else arguments.job_id(job)
