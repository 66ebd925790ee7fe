"""The first page: what runs, what waits and why, what is away, and what has happened lately."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from ... import Worker
from ...client.aio import AsyncClient
from ...events import JobState
from ...foresight.eta import Eta
from ...status import JobStatus
from ...terminal.html import Html, tag
from ..auth.keys import ApiKey
from ..auth.scopes import sees_model
from ..jobs.listing import Wanted, found_jobs
from ..routes import Caller, Client, needs
from .page import ROOT, console_router, link, listed, page, section
from .words import job_link, model_link, moment, progress_bar, state_badge, took

ROUTES = console_router()
_SHOWN = 10
_HEAD = ("Job", "Kind", "Model", "State", "Submitted", "Progress")


@ROUTES.get("", openapi_extra=needs("read"))
async def overview(request: Request, client: Client, key: Caller) -> Response:
    """The first page."""
    workers = await client.workers()
    running = await _newest(client, key, JobState.RUNNING)
    waiting = await _newest(client, key, JobState.QUEUED, JobState.WAITING)
    ended = await _newest(client, key, JobState.SUCCEEDED, JobState.FAILED, JobState.DEAD)
    etas = await client.etas(running + waiting)
    return page(
        request,
        "Overview",
        *_away(workers),
        _slots(workers),
        section("Running", _jobs("Jobs that run", running, etas, none="Nothing runs.")),
        section("Waiting", _jobs("Jobs that wait", waiting, etas, none="Nothing waits.")),
        section("Ended lately", _ended(ended)),
        await _happened(client, key),
        follows="jobs",
    )


async def _newest(client: AsyncClient, key: ApiKey, *states: JobState) -> list[JobStatus]:
    pages = [await found_jobs(client, key, Wanted(state), _SHOWN, None) for state in states]
    statuses = [status for each in pages for status in each.jobs]
    return sorted(statuses, key=lambda status: status.submitted_at, reverse=True)[:_SHOWN]


def _away(workers: Sequence[Worker]) -> list[Html]:
    """What workers depend on and cannot reach."""
    away = {outage.of: outage for worker in workers for outage in worker.outages}
    return [_alert(tag("b", f"{of} is away"), " since ", moment(it.since), f": {it.reason}") for of, it in away.items()]


def _alert(*content: str) -> Html:
    return tag("p", *content, class_="alert", role="alert")


def _slots(workers: Sequence[Worker]) -> Html:
    """How busy each fleet is."""
    if not workers:
        return tag(
            "p",
            "No worker is running: jobs wait until one is started by ",
            tag("code", "stoker worker"),
            ".",
            class_="alert",
        )
    cards = []
    for device in sorted({worker.device for worker in workers}):
        fleet = [worker for worker in workers if worker.device == device]
        slots, busy = sum(worker.slots for worker in fleet), sum(worker.busy for worker in fleet)
        name = f"{device.upper()}: {busy} of {slots} slot{'s' if slots != 1 else ''} busy"
        meter = tag("meter", "", min="0", max=str(slots or 1), value=str(busy), aria_label=name)
        many = f"{len(fleet)} worker{'s' if len(fleet) > 1 else ''}"
        cards.append(tag("li", link(f"{ROOT}/fleets", name), meter, tag("small", many)))
    return tag("ul", *cards, class_="cards")


def _jobs(caption: str, statuses: Sequence[JobStatus], etas: dict[str, Eta], *, none: str) -> Html:
    rows = [
        (
            job_link(status.id),
            status.kind,
            model_link(status.model),
            state_badge(status.state, paused=status.paused is not None),
            moment(status.submitted_at),
            progress_bar(status, etas.get(status.id)),
        )
        for status in statuses
    ]
    return listed(caption, _HEAD, rows, none=none)


def _ended(statuses: Sequence[JobStatus]) -> Html:
    newest = sorted(statuses, key=lambda status: status.finished_at or status.submitted_at, reverse=True)
    rows = [
        (
            job_link(status.id),
            status.kind,
            model_link(status.model),
            state_badge(status.state),
            moment(status.finished_at),
            took(status),
            status.reason or "",
        )
        for status in newest
    ]
    head = ("Job", "Kind", "Model", "State", "Ended", "Took", "Why")
    none = "Nothing has ended yet: submit a job with `stoker submit FILE`."
    return listed("Jobs that have ended lately", head, rows, none=none)


async def _happened(client: AsyncClient, key: ApiKey) -> Html:
    """What happened to models lately."""
    seen = [alarm for alarm in await client.alarms(limit=_SHOWN) if sees_model(key, alarm.model.partition("@")[0])]
    if not seen:
        return Html("")
    rows = [(moment(alarm.at), alarm.what, model_link(alarm.model), alarm.text) for alarm in reversed(seen)]
    return section("Models", listed("What happened to models", ("When", "What", "Model", "In words"), rows, none=""))
