"""Dead letters: jobs that were given up, with their attempts."""

from starlette.requests import Request
from starlette.responses import Response

from ... import PastAttempt
from ...events import JobState
from ...terminal.html import Html, tag
from ..auth.scopes import actable
from ..jobs.listing import Wanted, found_jobs
from ..routes import Caller, Client, needs
from .forms import button
from .page import ROOT, back_to, console_router, listed, may, page
from .words import job_link, model_link, moment

ROUTES = console_router()
_SHOWN = 100


@ROUTES.get("/dead", openapi_extra=needs("read"))
async def dead(request: Request, client: Client, key: Caller) -> Response:
    """Jobs that lost too many workers."""
    rows = []
    for status in (await found_jobs(client, key, Wanted(JobState.DEAD), _SHOWN, None)).jobs:
        attempts = await (await client.job(status.id)).attempts()
        rows.append(
            (
                job_link(status.id),
                status.kind,
                model_link(status.model),
                moment(status.finished_at),
                status.reason or "",
                _attempts(attempts),
                _acts(status.id) if may(request, "submit") else "",
            )
        )
    head = ("Job", "Kind", "Model", "Given up", "Why", "Attempts", "Act")
    none = "No job was given up."
    return page(
        request, "Dead letters", listed("Dead letters, the newest first", head, rows, none=none), follows="jobs"
    )


@ROUTES.post("/dead/{job_id}/requeue", openapi_extra=needs("submit"))
async def requeue(client: Client, key: Caller, job_id: str) -> Response:
    """Give a dead job its attempts once more."""
    await (await actable(key, client, job_id)).requeue()
    return back_to(f"{ROOT}/jobs/{job_id}", "Queued again, from its last checkpoint.")


@ROUTES.post("/dead/{job_id}/drop", openapi_extra=needs("submit"))
async def drop(client: Client, key: Caller, job_id: str) -> Response:
    """Forget a dead job."""
    await (await actable(key, client, job_id)).drop()
    return back_to(f"{ROOT}/dead", f"Forgotten: {job_id}.")


def _attempts(attempts: list[PastAttempt]) -> Html:
    parts = [tag("li", f"{past.worker}: {past.how}" + (f", {past.reason}" if past.reason else "")) for past in attempts]
    return tag("ol", *parts)


def _acts(job_id: str) -> Html:
    place = f"{ROOT}/dead/{job_id}"
    again = button(f"{place}/requeue", "Queue again")
    return tag("span", again, button(f"{place}/drop", "Forget", sure="Forget this job for good?", kind="danger"))
