"""What can be done with jobs, held to what a key may: for all that lets callers act."""

from collections.abc import Mapping
from typing import Any, Literal

from ...client.aio import AsyncClient
from ...client.async_job import AsyncJob
from ...client.many import changed
from ...status import JobStatus
from ..auth.keys import ApiKey
from ..auth.scopes import actable, own_changes, require_submits, sees, visible
from ..problems import Problem

Act = Literal["cancel", "pause", "resume", "retry", "resubmit"]
AGAIN: frozenset[Act] = frozenset(("retry", "resubmit"))
"""What makes a new job."""


async def act(
    client: AsyncClient, key: ApiKey, what: Act, job_id: str, changes: Mapping[str, Any] | None = None
) -> AsyncJob[Any]:
    """Act on a job; gives it, or the new one.

    Args:
        changes: other values of some fields of its spec, for "resubmit".

    Raises:
        JobNotFound: there is none that the key sees.
        Problem: 403, it may not; 409, what was given back for a new job is one that the key does not see.
        InvalidArgument, InvalidJob, ModelNotFound: it cannot be done.
    """
    match what:
        case "retry":
            job = await _retried(client, key, job_id)
        case "resubmit":
            job = await _resubmitted(client, key, job_id, changes or {})
        case "cancel" | "pause" | "resume":
            job = await actable(key, client, job_id)
            await getattr(job, what)()
            return job
    require_seen(key, await job.status())
    return job


def require_seen(key: ApiKey, status: JobStatus) -> None:
    """Check that a key sees the job that was given back for a new one.

    Raises:
        Problem: 409: it is an older one, and does not.
    """
    if not sees(key, status):
        why = "a job that this key does not see has this singleton key, or is identical: choose another, or no reuse"
        raise Problem(409, "OthersJob", why)


async def _retried(client: AsyncClient, key: ApiKey, job_id: str) -> AsyncJob[Any]:
    job, _ = await visible(key, client, job_id)
    await require_submits(key, client, await job.spec())
    return await job.retry()


async def _resubmitted(client: AsyncClient, key: ApiKey, job_id: str, changes: Mapping[str, Any]) -> AsyncJob[Any]:
    job, _ = await visible(key, client, job_id)
    spec = changed(await job.spec(), changes)
    await require_submits(key, client, spec)
    return await client.resubmit(job_id, **own_changes(key, spec, changes))
