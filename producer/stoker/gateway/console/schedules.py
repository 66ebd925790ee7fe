"""Schedules: jobs that are submitted by themselves."""

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from ...schedules.schedule import ScheduleName, ScheduleStatus
from ...terminal.html import Html, tag
from ..routes import Caller, Client, needs
from ..schedules.listing import require_actable, visible_schedules
from .forms import button
from .page import ROOT, back_to, console_router, listed, may, page
from .words import job_link, moment

ROUTES = console_router()
_HEAD = ("Name", "When", "Jobs", "Next (UTC)", "Last", "Started", "Skipped", "Act")
_NONE = "Nothing is scheduled: `stoker schedule add WHEN FILE` adds a schedule."


@ROUTES.get("/schedules", openapi_extra=needs("read"))
async def schedules(request: Request, client: Client, key: Caller) -> Response:
    """The schedules of which the key sees all jobs."""
    rows = [
        (
            schedule.name,
            f"{schedule.when} ({schedule.zone})",
            ", ".join(str(job.get("kind", "")) for job in schedule.jobs),
            _next(schedule),
            _last(schedule),
            str(schedule.started),
            str(schedule.skipped),
            _acts(schedule) if may(request, "submit") else "",
        )
        for schedule in await visible_schedules(key, client)
    ]
    return page(request, "Schedules", listed("Schedules", _HEAD, rows, none=_NONE), follows="jobs")


@ROUTES.post("/schedules/{name}/{what}", openapi_extra=needs("submit"))
async def change(
    client: Client, key: Caller, name: ScheduleName, what: Literal["pause", "resume", "remove"]
) -> Response:
    """Pause, resume or remove a schedule."""
    await require_actable(key, client, name)
    match what:
        case "pause":
            await client.pause_schedule(name)
        case "resume":
            await client.resume_schedule(name)
        case "remove":
            await client.remove_schedule(name)
    return back_to(f"{ROOT}/schedules", f"{name}: {what}d.")


def _next(schedule: ScheduleStatus) -> str:
    if schedule.paused:
        return "paused"
    return f"{schedule.next_at:%Y-%m-%d %H:%M}" if schedule.next_at else "on an alarm"


def _last(schedule: ScheduleStatus) -> Html:
    if schedule.problem:
        return tag("span", schedule.problem, class_="why")
    if schedule.last is None:
        return Html("")
    return tag("span", moment(schedule.last.at), " ", *(job_link(job) for job in schedule.last.jobs))


def _acts(schedule: ScheduleStatus) -> Html:
    place = f"{ROOT}/schedules/{schedule.name}"
    pause = button(f"{place}/resume", "Resume") if schedule.paused else button(f"{place}/pause", "Pause")
    return tag("span", pause, button(f"{place}/remove", "Remove", sure=f"Remove {schedule.name}?", kind="danger"))
