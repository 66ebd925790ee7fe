"""Models that are watched: how each is, what its monitor has found, and what that draws."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from ... import Alarm
from ...client.aio import AsyncClient
from ...errors import JobNotFound
from ...events import Event, WindowTested
from ...kinds import Monitor
from ...status import JobStatus
from ...terminal.html import Html, tag
from ..auth.keys import ApiKey
from ..auth.scopes import require_model, sees, sees_model
from ..jobs.listing import Wanted, found_jobs
from ..routes import Caller, Client, needs
from .alarms import alarms_table
from .page import ROOT, console_router, facts, link, listed, page, section
from .reports import plots
from .words import job_link, model_link, moment, state_badge

ROUTES = console_router()
_ALARMS, _WINDOWS = 500, 50
_OF_MONITORS = ("drift", "performance")
_HEAD = ("Model", "State", "In words", "Last alarm", "Since", "Job")
_NOBODY = "No model is watched: a Monitor job watches one."


@ROUTES.get("/drift", openapi_extra=needs("read"))
async def drift(request: Request, client: Client, key: Caller) -> Response:
    """All models that are watched."""
    alarms = {alarm.model.partition("@")[0]: alarm for alarm in await _alarms(client)}
    rows = []
    for name, job_id in sorted((await client.monitors()).items()):
        status = await _status(client, job_id)
        if status is None or not sees(key, status) or not sees_model(key, name):
            continue
        alarm = alarms.get(name)
        rows.append(
            (
                link(f"{ROOT}/drift/{name}", name),
                state_badge(status.state, paused=status.paused is not None),
                status.reason or "",
                tag("span", f"{alarm.text} ", moment(alarm.at)) if alarm else "none",
                moment(status.submitted_at),
                job_link(job_id),
            )
        )
    return page(request, "Drift", listed("Models that are watched", _HEAD, rows, none=_NOBODY), follows="jobs")


@ROUTES.get("/drift/{name}", openapi_extra=needs("read"))
async def of_model(request: Request, client: Client, key: Caller, name: str) -> Response:
    """What is known of one model in service."""
    require_model(key, name)
    # Raises for a name that is none.
    await client.model(f"{name}@latest")
    status = await _monitor(client, key, name)
    alarms = [alarm for alarm in await _alarms(client) if alarm.model.partition("@")[0] == name]
    told = section("Alarms", alarms_table(alarms, none="None was raised."))
    if status is None:
        return page(request, f"Drift of {name}", _how_to_watch(name), told, follows="jobs")
    handle = await client.job(status.id)
    events, spec = await handle.events_so_far(), await handle.spec()
    tested = [event for event in events if isinstance(event, WindowTested)]
    return page(
        request,
        f"Drift of {name}",
        _summary(status, spec if isinstance(spec, Monitor) else None, tested),
        section("History", await plots(request, handle)),
        told,
        section("Windows", _windows(tested)),
        follows=status.id,
    )


async def _alarms(client: AsyncClient) -> list[Alarm]:
    """What monitors have raised, the oldest first."""
    return [alarm for alarm in await client.alarms(limit=_ALARMS) if alarm.what in _OF_MONITORS]


async def _monitor(client: AsyncClient, key: ApiKey, name: str) -> JobStatus | None:
    """The job that watches a model, or has done last; None if none has, of those that a key sees."""
    if job_id := (await client.monitors()).get(name):
        status = await _status(client, job_id)
        return status if status and sees(key, status) else None
    last = (await found_jobs(client, key, Wanted(kind="monitor", model=name), 1, None)).jobs
    return last[0] if last else None


async def _status(client: AsyncClient, job_id: str) -> JobStatus | None:
    """How a job is; None if it is known no more, whatever still names it."""
    try:
        return await (await client.job(job_id)).status()
    except JobNotFound:
        return None


def _how_to_watch(name: str) -> Html:
    said = f"echo '{{kind: monitor, model: {name}}}' | stoker submit -"
    return tag("p", "No job watches it. This command has one do so: ", tag("code", said))


def _summary(status: JobStatus, spec: Monitor | None, tested: Sequence[WindowTested]) -> Html:
    last = tested[-1] if tested else None
    return facts(
        [
            ("State", state_badge(status.state, paused=status.paused is not None)),
            ("In words", status.reason or ""),
            ("Last window", last.words() if last else "none yet"),
            ("Rows of a window", f"{spec.window:,}" if spec else ""),
            ("Watched version", model_link(last.model) if last else ""),
            ("Since", moment(status.submitted_at)),
            ("Ended", moment(status.finished_at)),
            ("Job", job_link(status.id)),
        ]
    )


def _windows(tested: Sequence[WindowTested]) -> Html:
    rows = [
        (str(each.number), _when(each), model_link(each.model), f"{each.rows:,}", ", ".join(each.differs) or "nothing")
        for each in reversed(tested[-_WINDOWS:])
    ]
    head = ("Window", "Tested", "Version", "Rows", "What differs from the reference")
    none = "None has been tested: too few requests came."
    return listed("Windows, the newest first", head, rows, none=none)


def _when(event: Event) -> Html:
    return moment(event.at)
