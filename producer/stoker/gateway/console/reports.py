"""Reports of jobs, opened in the browser: pages that others have written, which can do nothing there."""

from starlette.requests import Request
from starlette.responses import Response

from ..auth.scopes import visible
from ..files.sending import readable
from ..problems import Problem
from ..routes import Caller, Client, needs, state_of
from .page import console_router

ROUTES = console_router()
MOST_BYTES = 32 << 20
# As if from a site of its own, without scripts, forms and requests.
_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"


@ROUTES.get("/jobs/{job_id}/files/{name}", openapi_extra=needs("read"))
async def report(request: Request, client: Client, key: Caller, job_id: str, name: str) -> Response:
    """A report that a job has written."""
    job, _ = await visible(key, client, job_id)
    file = (await job.files()).get(name)
    if file is None or not file.artifact.name.endswith(".html") or file.artifact.size > MOST_BYTES:
        raise Problem(404, "NotFound", f"job {job_id} has no report of this name")
    with state_of(request).gate.stream(key), readable():
        content = await file.read()
    return Response(content, 200, {"Content-Security-Policy": _POLICY}, "text/html; charset=utf-8")
