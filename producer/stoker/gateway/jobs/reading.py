"""What can be read of jobs: lists, one, its spec, its result, what it printed, its events."""

from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any

from fastapi import Header, Query
from starlette.requests import Request
from starlette.responses import Response

from ...client.async_job import AsyncJob
from ...errors import WITHOUT_RESULT, Timeout
from ...events import JobState
from ...foresight.eta import Eta
from ...kinds import Result, Spec
from ...status import JobStatus
from ..auth.scopes import visible
from ..preferences import Prefer, applied, wait_s
from ..problems import Problem, of_error
from ..routes import Caller, Client, document, needs, router, state_of
from ..sse.of_job import frames
from ..sse.stream import MEDIA_TYPE, EventStream
from .documents import JobPage, Lines
from .listing import Wanted, found_jobs, tag_of

ROUTES = router("jobs")
_MOST = 500

Tags = Annotated[list[str] | None, Query(alias="tag", max_length=32, description="NAME=VALUE; all have to fit.")]
Cursor = Annotated[str | None, Query(description="The `next` of the page before.")]


@ROUTES.get("/jobs", operation_id="listJobs", response_model=JobPage, openapi_extra=needs("read"))
async def list_jobs(
    client: Client,
    key: Caller,
    state: JobState | None = None,
    kind: str | None = None,
    model: str | None = None,
    tags: Tags = None,
    parent: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    paused: bool = False,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 100,
    cursor: Cursor = None,
) -> Response:
    """List jobs, the newest first."""
    wanted = Wanted(state, kind, model, dict(map(tag_of, tags or ())), parent, since, until, paused)
    return document(await found_jobs(client, key, wanted, limit, cursor))


@ROUTES.get("/jobs/{job_id}", operation_id="getJob", response_model=JobStatus, openapi_extra=needs("read"))
async def get(client: Client, key: Caller, job_id: str) -> Response:
    """The status of a job."""
    _, status = await visible(key, client, job_id)
    return document(status, headers={} if status.state.final else {"Retry-After": "1"})


@ROUTES.get("/jobs/{job_id}/spec", operation_id="getJobSpec", response_model=Spec, openapi_extra=needs("read"))
async def get_spec(client: Client, key: Caller, job_id: str) -> Response:
    """What a job was submitted as, with its data's references made absolute."""
    job, _ = await visible(key, client, job_id)
    return document(await job.spec())


@ROUTES.get(
    "/jobs/{job_id}/result",
    operation_id="getJobResult",
    response_model=Result,
    responses={202: {"model": JobStatus, "description": "It has not ended: its status."}},
    openapi_extra=needs("read"),
)
async def get_result(request: Request, client: Client, key: Caller, job_id: str, prefer: Prefer = None) -> Response:
    """The result of a job that has succeeded; 409 with its reason for one that has ended otherwise."""
    job, _ = await visible(key, client, job_id)
    try:
        with state_of(request).gate.wait(key, wait_s(prefer)) as seconds:
            result = await job.result(seconds)
    except Timeout:
        headers = {"Retry-After": "1", "Location": f"/v1/jobs/{job_id}", **applied(prefer)}
        return document(await job.status(), 202, headers)
    except WITHOUT_RESULT as error:
        fields = {"state": str(await job.state()), "traceback": error.traceback}
        told = of_error(error)
        raise Problem(told.status_code, told.code, told.detail, fields=fields) from None
    return document(result, headers=applied(prefer))


@ROUTES.get("/jobs/{job_id}/logs", operation_id="getJobLogs", response_model=Lines, openapi_extra=needs("read"))
async def get_logs(client: Client, key: Caller, job_id: str) -> Response:
    """What a job has printed and logged so far, in all its attempts."""
    job, _ = await visible(key, client, job_id)
    return document(Lines(lines=await job.logs()))


@ROUTES.get("/jobs/{job_id}/eta", operation_id="getJobEta", response_model=Eta, openapi_extra=needs("read"))
async def get_eta(client: Client, key: Caller, job_id: str) -> Response:
    """When a job will start and end, as far as that can be foreseen."""
    job, _ = await visible(key, client, job_id)
    return document(await job.eta())


@ROUTES.get(
    "/jobs/{job_id}/events",
    operation_id="followJob",
    status_code=200,
    response_class=EventStream,
    responses={
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "Server-sent events."},
        204: {"description": "The job has ended, and there is nothing behind `Last-Event-ID`."},
    },
    openapi_extra=needs("read"),
)
async def follow(
    request: Request,
    client: Client,
    key: Caller,
    job_id: str,
    after: Annotated[str | None, Query(description="The id of the event to start after.")] = None,
    last_event_id: Annotated[str | None, Header(description="The same; browsers send it themselves.")] = None,
) -> Response:
    """Follow a job's events, from the first or behind one of them, until it has ended.

    Each has its position as `id`, its type as `event`, and its fields as JSON in `data`; the last is `finished`. A
    `resync` comes first if some behind `Last-Event-ID` are no longer kept. Who has had the last event is answered by
    204, which ends the asking of browsers.
    """
    job, status = await visible(key, client, job_id)
    state = state_of(request)
    place = last_event_id or after
    if place and status.state.final and await _ends_at(job, place):
        # A browser that has had the last one asks again, until it is told that there is nothing.
        return Response(status_code=204)
    events = job.events(place)
    told = frames(job, events, place)
    return EventStream(told, state.gate.stream(key), state.ending, lambda: state.gate.holds(request.scope, key))


async def _ends_at(job: AsyncJob[Any], place: str) -> bool:
    """Whether an ended job has no event behind a place."""
    async with aclosing(job.events(place)) as events:  # type: ignore[type-var]  # it is an async generator
        return await anext(events, None) is None
