"""What can be done with jobs: cancel, pause, resume, retry, resubmit."""

from starlette.responses import Response

from ...client.many import changed
from ...status import JobStatus
from ..auth.scopes import actable, own_changes, require_submits, visible
from ..routes import Caller, Client, document, needs, router
from .documents import Changes
from .submitting import status_of

ROUTES = router("jobs")


@ROUTES.post("/jobs/{job_id}/cancel", operation_id="cancelJob", response_model=JobStatus, openapi_extra=needs("submit"))
async def cancel(client: Client, key: Caller, job_id: str) -> Response:
    """Stop a job: at once if it is queued, at its next step if it runs."""
    job = await actable(key, client, job_id)
    await job.cancel()
    return document(await job.status())


@ROUTES.post("/jobs/{job_id}/pause", operation_id="pauseJob", response_model=JobStatus, openapi_extra=needs("submit"))
async def pause(client: Client, key: Caller, job_id: str) -> Response:
    """Pause a job: one that runs saves a checkpoint, and leaves its slot."""
    job = await actable(key, client, job_id)
    await job.pause()
    return document(await job.status())


@ROUTES.post("/jobs/{job_id}/resume", operation_id="resumeJob", response_model=JobStatus, openapi_extra=needs("submit"))
async def resume(client: Client, key: Caller, job_id: str) -> Response:
    """Let a paused job go on."""
    job = await actable(key, client, job_id)
    await job.resume()
    return document(await job.status())


@ROUTES.post(
    "/jobs/{job_id}/retry",
    operation_id="retryJob",
    status_code=202,
    response_model=JobStatus,
    openapi_extra=needs("submit"),
)
async def retry(client: Client, key: Caller, job_id: str) -> Response:
    """Submit a job again that has ended without a result; a repeat gives the same new job."""
    job, _ = await visible(key, client, job_id)
    await require_submits(key, client, await job.spec())
    return await status_of(key, await job.retry())


@ROUTES.post(
    "/jobs/{job_id}/resubmit",
    operation_id="resubmitJob",
    status_code=202,
    response_model=JobStatus,
    openapi_extra=needs("submit"),
)
async def resubmit(client: Client, key: Caller, job_id: str, new: Changes) -> Response:
    """Submit a job's spec again, with other values of some fields."""
    job, _ = await visible(key, client, job_id)
    spec = changed(await job.spec(), new.changes)
    await require_submits(key, client, spec)
    return await status_of(key, await client.resubmit(job_id, **own_changes(key, spec, new.changes)))
