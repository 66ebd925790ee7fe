"""Acting on all jobs that match and that a key may act on: told first, and so many at most."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Body
from starlette.responses import Response

from ...client.aio import AsyncClient
from ...client.async_job import AsyncJob
from ...client.many import UNSUCCESSFUL
from ...errors import InvalidArgument, StokerError
from ...events import OPEN
from ...status import JobStatus
from ..auth.keys import ApiKey
from ..problems import Problem, of_error
from ..routes import Caller, Client, document, needs, router
from .acts import AGAIN, Act, act
from .documents import ActedOn, Many, ManyChanged
from .listing import Wanted, found_jobs

ROUTES = router("jobs")
# So many are asked of Redis at once, for one caller.
_AT_ONCE = 8
_MOST_REASONS = 10
_PAGE = 500
_EXAMPLE: dict[str, Any] = {"tests": {"value": {"kind": "describe", "tags": {"team": "a"}, "dry_run": True}}}

ManyBody = Annotated[Many, Body(openapi_examples=_EXAMPLE)]


@ROUTES.post("/jobs/cancel", operation_id="cancelJobs", response_model=ActedOn, openapi_extra=needs("submit"))
async def cancel(client: Client, key: Caller, many: ManyBody) -> Response:
    """Stop all jobs that match; see `dry_run`."""
    return await _answer(client, key, "cancel", many)


@ROUTES.post("/jobs/pause", operation_id="pauseJobs", response_model=ActedOn, openapi_extra=needs("submit"))
async def pause(client: Client, key: Caller, many: ManyBody) -> Response:
    """Pause all jobs that match; see `dry_run`."""
    return await _answer(client, key, "pause", many)


@ROUTES.post("/jobs/resume", operation_id="resumeJobs", response_model=ActedOn, openapi_extra=needs("submit"))
async def resume(client: Client, key: Caller, many: ManyBody) -> Response:
    """Let all paused jobs that match go on; see `dry_run`."""
    return await _answer(client, key, "resume", many)


@ROUTES.post("/jobs/retry", operation_id="retryJobs", response_model=ActedOn, openapi_extra=needs("submit"))
async def retry(client: Client, key: Caller, many: ManyBody) -> Response:
    """Submit all jobs that match and ended without success again; a repeat gives the same new jobs. See `dry_run`."""
    return await _answer(client, key, "retry", many)


@ROUTES.post("/jobs/resubmit", operation_id="resubmitJobs", response_model=ActedOn, openapi_extra=needs("submit"))
async def resubmit(client: Client, key: Caller, many: ManyChanged) -> Response:
    """Submit all jobs that match again, with other values of some fields; see `dry_run`."""
    return await _answer(client, key, "resubmit", many, many.changes)


async def _answer(
    client: AsyncClient, key: ApiKey, what: Act, many: Many, changes: Mapping[str, Any] | None = None
) -> Response:
    if not any((many.state, many.kind, many.model, many.tags, many.since, many.until)):
        raise InvalidArgument(
            "name at least one of state, kind, model, tags, since and until: all jobs at once is rarely meant"
        )
    found = await _found(client, key, what, many)
    answer = ActedOn(matching=[status.id for status in found[: many.limit]], more=len(found) > many.limit)
    if not many.dry_run:
        slots = asyncio.Semaphore(_AT_ONCE)
        tries = (_tried(client, key, what, job_id, changes, slots) for job_id in answer.matching)
        for outcome in await asyncio.gather(*tries):
            if isinstance(outcome, str):
                answer.refused += 1
                answer.reasons = [*answer.reasons, outcome][:_MOST_REASONS]
            else:
                answer.done += 1
                answer.ids += [outcome.id] if what in AGAIN else []
    return document(answer)


async def _found(client: AsyncClient, key: ApiKey, what: Act, many: Many) -> list[JobStatus]:
    """The newest jobs that match, and one more than may be acted on, if there are."""
    found: list[JobStatus] = []
    states = (many.state,) if many.state else UNSUCCESSFUL if what in AGAIN else OPEN
    for state in states:
        is_paused = what == "resume"
        wanted = Wanted(state, many.kind, many.model, many.tags, None, many.since, many.until, is_paused)
        cursor, count = None, 0
        while count <= many.limit:
            page = await found_jobs(client, key, wanted, _PAGE, cursor)
            found += page.jobs
            cursor, count = page.next, count + len(page.jobs)
            if cursor is None:
                break
    return sorted(found, key=lambda status: status.submitted_at, reverse=True)[: many.limit + 1]


async def _tried(
    client: AsyncClient,
    key: ApiKey,
    what: Act,
    job_id: str,
    changes: Mapping[str, Any] | None,
    slots: asyncio.Semaphore,
) -> str | AsyncJob[Any]:
    """What came of acting on a job: it or the new one, or the reason of a refusal."""
    async with slots:
        try:
            return await act(client, key, what, job_id, changes)
        except StokerError as error:
            # Redis may have gone away after a part of them: the answer tells what became of each.
            return str(of_error(error).detail)
        except Problem as problem:
            return str(problem.detail)
