"""What can be done with a job: cancel, pause, resume, retry, resubmit."""

from starlette.responses import Response

from ...status import JobStatus
from ..routes import Caller, Client, document, needs, router
from .acts import act
from .documents import Changes
from .submitting import status_of

ROUTES = router("jobs")


@ROUTES.post("/jobs/{job_id}/cancel", operation_id="cancelJob", response_model=JobStatus, openapi_extra=needs("submit"))
async def cancel(client: Client, key: Caller, job_id: str) -> Response:
    """Stop a job: at once if it is queued, at its next step if it runs."""
    return document(await (await act(client, key, "cancel", job_id)).status())


@ROUTES.post("/jobs/{job_id}/pause", operation_id="pauseJob", response_model=JobStatus, openapi_extra=needs("submit"))
async def pause(client: Client, key: Caller, job_id: str) -> Response:
    """Pause a job: one that runs saves a checkpoint, and leaves its slot."""
    return document(await (await act(client, key, "pause", job_id)).status())


@ROUTES.post("/jobs/{job_id}/resume", operation_id="resumeJob", response_model=JobStatus, openapi_extra=needs("submit"))
async def resume(client: Client, key: Caller, job_id: str) -> Response:
    """Let a paused job go on."""
    return document(await (await act(client, key, "resume", job_id)).status())


@ROUTES.post(
    "/jobs/{job_id}/retry",
    operation_id="retryJob",
    status_code=202,
    response_model=JobStatus,
    openapi_extra=needs("submit"),
)
async def retry(client: Client, key: Caller, job_id: str) -> Response:
    """Submit a job again that has ended without a result; a repeat gives the same new job."""
    return await status_of(key, await act(client, key, "retry", job_id))


@ROUTES.post(
    "/jobs/{job_id}/resubmit",
    operation_id="resubmitJob",
    status_code=202,
    response_model=JobStatus,
    openapi_extra=needs("submit"),
)
async def resubmit(client: Client, key: Caller, job_id: str, new: Changes) -> Response:
    """Submit a job's spec again, with other values of some fields."""
    return await status_of(key, await act(client, key, "resubmit", job_id, new.changes))
