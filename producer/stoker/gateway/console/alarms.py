"""What happened to models, and who watches them."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from ... import Alarm
from ...terminal.html import Html
from ..auth.scopes import sees_model
from ..routes import Caller, Client, needs
from .page import ROOT, console_router, link, listed, page, section
from .words import job_link, model_link, moment

ROUTES = console_router()
_SHOWN = 200
_HEAD = ("When", "What", "Model", "In words", "Figures", "Job")


@ROUTES.get("/alarms", openapi_extra=needs("read"))
async def alarms(request: Request, client: Client, key: Caller) -> Response:
    """Drift, losses of performance, promotions, new versions."""
    watched = [
        (model_link(name), link(f"{ROOT}/drift/{name}", "What it has found"), job_link(job))
        for name, job in (await client.monitors()).items()
        if sees_model(key, name)
    ]
    told = [alarm for alarm in await client.alarms(limit=_SHOWN) if sees_model(key, alarm.model.partition("@")[0])]
    nobody = "No model is watched: a Monitor job watches one."
    return page(
        request,
        "Alarms",
        section("Watched", listed("Monitors", ("Model", "Drift", "Job"), watched, none=nobody)),
        section("What happened", alarms_table(told, none="Nothing has happened yet.")),
        follows="jobs",
    )


def alarms_table(alarms: Sequence[Alarm], *, none: str) -> Html:
    """Alarms, given with the oldest first, each in a row."""
    rows = [
        (
            moment(alarm.at),
            alarm.what,
            model_link(alarm.model),
            alarm.text,
            _figures(alarm),
            job_link(alarm.job) if alarm.job else "",
        )
        for alarm in reversed(alarms)
    ]
    return listed("Alarms, the newest first", _HEAD, rows, none=none)


def _figures(alarm: Alarm) -> str:
    known = {name: value for name, value in alarm.figures.items() if value is not None}
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in known.items()
    )
