"""Acting on all jobs that match and that a key may act on: told first, and so many at most."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Body
from starlette.responses import Response

from ...client.aio import AsyncClient
from ...client.async_job import AsyncJob
from ...client.many import UNSUCCESSFUL, changed
from ...errors import InvalidArgument, InvalidJob, JobNotFound, ModelNotFound
from ...events import OPEN, JobState
from ...status import JobStatus
from ..auth.keys import ApiKey
from ..auth.scopes import actable, own_changes, require_submits, visible
from ..problems import Problem
from ..routes import Caller, Client, document, needs, router
from .documents import ActedOn, Many, ManyChanged
from .listing import Wanted, found_jobs

ROUTES = router("jobs")
# So many are asked of Redis at once, for one caller.
_AT_ONCE = 8
_MOST_REASONS = 10
_PAGE = 500
_EXAMPLE: dict[str, Any] = {"tests": {"value": {"kind": "describe", "tags": {"team": "a"}, "dry_run": True}}}

Act = Callable[[str], Awaitable[AsyncJob[Any] | None]]
"""Acts on a job by its id; gives a new one, if it makes one."""
ManyBody = Annotated[Many, Body(openapi_examples=_EXAMPLE)]


@ROUTES.post("/jobs/cancel", operation_id="cancelJobs", response_model=ActedOn, openapi_extra=needs("submit"))
async def cancel(client: Client, key: Caller, many: ManyBody) -> Response:
    """Stop all jobs that match; see `dry_run`."""

    async def act(job_id: str) -> None:
        await (await actable(key, client, job_id)).cancel()

    return await _acted(client, key, many, OPEN, act)


@ROUTES.post("/jobs/pause", operation_id="pauseJobs", response_model=ActedOn, openapi_extra=needs("submit"))
async def pause(client: Client, key: Caller, many: ManyBody) -> Response:
    """Pause all jobs that match; see `dry_run`."""

    async def act(job_id: str) -> None:
        await (await actable(key, client, job_id)).pause()

    return await _acted(client, key, many, OPEN, act)


@ROUTES.post("/jobs/resume", operation_id="resumeJobs", response_model=ActedOn, openapi_extra=needs("submit"))
async def resume(client: Client, key: Caller, many: ManyBody) -> Response:
    """Let all paused jobs that match go on; see `dry_run`."""

    async def act(job_id: str) -> None:
        await (await actable(key, client, job_id)).resume()

    return await _acted(client, key, many, OPEN, act, paused=True)


@ROUTES.post("/jobs/retry", operation_id="retryJobs", response_model=ActedOn, openapi_extra=needs("submit"))
async def retry(client: Client, key: Caller, many: ManyBody) -> Response:
    """Submit all jobs that match and ended without success again; a repeat gives the same new jobs. See `dry_run`."""

    async def act(job_id: str) -> AsyncJob[Any]:
        job, _ = await visible(key, client, job_id)
        await require_submits(key, client, await job.spec())
        return await job.retry()

    return await _acted(client, key, many, UNSUCCESSFUL, act)


@ROUTES.post("/jobs/resubmit", operation_id="resubmitJobs", response_model=ActedOn, openapi_extra=needs("submit"))
async def resubmit(client: Client, key: Caller, many: ManyChanged) -> Response:
    """Submit all jobs that match again, with other values of some fields; see `dry_run`."""

    async def act(job_id: str) -> AsyncJob[Any]:
        job, _ = await visible(key, client, job_id)
        spec = changed(await job.spec(), many.changes)
        await require_submits(key, client, spec)
        return await client.resubmit(job_id, **own_changes(key, spec, many.changes))

    return await _acted(client, key, many, UNSUCCESSFUL, act)


async def _acted(
    client: AsyncClient, key: ApiKey, many: Many, states: tuple[JobState, ...], act: Act, *, paused: bool = False
) -> Response:
    if not any((many.state, many.kind, many.model, many.tags, many.since, many.until)):
        raise InvalidArgument(
            "name at least one of state, kind, model, tags, since and until: all jobs at once is rarely meant"
        )
    found = await _found(client, key, many, (many.state,) if many.state else states, paused=paused)
    answer = ActedOn(matching=[status.id for status in found[: many.limit]], more=len(found) > many.limit)
    if not many.dry_run:
        slots = asyncio.Semaphore(_AT_ONCE)
        came = await asyncio.gather(*(_tried(act, status, slots) for status in found[: many.limit]))
        for outcome in came:
            _count(answer, outcome)
    return document(answer)


async def _found(
    client: AsyncClient, key: ApiKey, many: Many, states: tuple[JobState, ...], *, paused: bool
) -> list[JobStatus]:
    """The newest jobs that match, and one more than may be acted on, if there are."""
    found: list[JobStatus] = []
    for state in states:
        wanted = Wanted(state, many.kind, many.model, many.tags, None, many.since, many.until, paused)
        cursor, count = None, 0
        while count <= many.limit:
            page = await found_jobs(client, key, wanted, _PAGE, cursor)
            found += page.jobs
            cursor, count = page.next, count + len(page.jobs)
            if cursor is None:
                break
    return sorted(found, key=lambda status: status.submitted_at, reverse=True)[: many.limit + 1]


async def _tried(act: Act, status: JobStatus, slots: asyncio.Semaphore) -> str | AsyncJob[Any] | None:
    """What came of acting on a job: a new one, or the reason of a refusal."""
    async with slots:
        try:
            return await act(status.id)
        except (InvalidArgument, InvalidJob, JobNotFound, ModelNotFound) as error:
            return error.message
        except Problem as problem:
            return str(problem.detail)


def _count(answer: ActedOn, outcome: str | AsyncJob[Any] | None) -> None:
    if isinstance(outcome, str):
        answer.refused += 1
        answer.reasons = [*answer.reasons, outcome][:_MOST_REASONS]
    else:
        answer.done += 1
        answer.ids += [outcome.id] if outcome else []
