"""What jobs and models have in the store: reports, predictions, weights."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ...errors import WITHOUT_RESULT, Timeout
from ...models.manifest import Artifact
from ..auth.scopes import require_model, visible
from ..problems import Problem
from ..routes import Caller, Client, document, needs, router, state_of
from . import sending
from .documents import FileList

ROUTES = router("files")


@ROUTES.get("/jobs/{job_id}/files", operation_id="listJobFiles", response_model=FileList, openapi_extra=needs("read"))
async def list_of_job(client: Client, key: Caller, job_id: str) -> Response:
    """List the files that a job has made; of one that has not ended, those that it has so far."""
    return document(FileList(files=await _of_job(client, key, job_id)))


@ROUTES.get(
    "/jobs/{job_id}/files/{name}",
    operation_id="getJobFile",
    response_class=Response,
    responses=sending.RESPONSES,
    openapi_extra=needs("read"),
)
async def get_of_job(request: Request, client: Client, key: Caller, job_id: str, name: str) -> Response:
    """Read a file that a job has made, or a part of it: `Range`, `If-None-Match` and `HEAD` work."""
    return await _send(request, client, key, await _of_job(client, key, job_id), name)


@ROUTES.get("/models/{ref}/files", operation_id="listModelFiles", response_model=FileList, openapi_extra=needs("read"))
async def list_of_model(client: Client, key: Caller, ref: str) -> Response:
    """List the files of a version, by their formats."""
    require_model(key, ref)
    return document(FileList(files=dict((await client.model(ref)).files)))


@ROUTES.get(
    "/models/{ref}/files/{name}",
    operation_id="getModelFile",
    response_class=Response,
    responses=sending.RESPONSES,
    openapi_extra=needs("read"),
)
async def get_of_model(request: Request, client: Client, key: Caller, ref: str, name: str) -> Response:
    """Read a file of a version, or a part of it: `Range`, `If-None-Match` and `HEAD` work."""
    require_model(key, ref)
    return await _send(request, client, key, (await client.model(ref)).files, name)


async def _of_job(client: Client, key: Caller, job_id: str) -> dict[str, Artifact]:
    job, _ = await visible(key, client, job_id)
    try:
        return {name: file.artifact for name, file in (await job.files()).items()}
    except Timeout:
        why = f"job {job_id} has not ended, and has no files yet: GET /v1/jobs/{job_id}/result waits"
        raise Problem(409, "NotEnded", why, headers={"Retry-After": "1"}) from None
    except WITHOUT_RESULT:
        return {}


async def _send(request: Request, client: Client, key: Caller, files: Mapping[str, Artifact], name: str) -> Response:
    if name not in files:
        listed = ", ".join(files) or "none"
        raise Problem(404, "NotFound", f"there is no such file; there are: {listed}")
    return sending.answer(request, await client.stored(files[name]), state_of(request).gate.stream(key))
