"""`stoker doctor`: is everything there that jobs need, and what to do about what is not.

Each topic's module ends in its list of checks. One that fails is a line of the report, and the others go on.
"""

from contextlib import closing

import typer
from pydantic import BaseModel

from ...errors import Unauthorized, Unavailable
from ...redis.connection import Call
from ...settings import Settings
from ..output import AsJson, print_json, say
from . import damage, jobs, models, server, store, workers
from .check import Check, Finding, System, Verdict, fail

_WITHOUT_REDIS = store.CHECKS
_WITH_REDIS = (*server.CHECKS, *damage.CHECKS, *workers.CHECKS, *jobs.CHECKS, *models.CHECKS)
_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}
_UNREACHABLE = 3


class Entry(Finding):
    """A finding with the name of its check."""

    name: str


class Report(BaseModel):
    """All findings, and the worst verdict among them."""

    verdict: Verdict
    checks: list[Entry]


def doctor(as_json: AsJson = False) -> None:
    """Check Redis, the controller, the workers, the queues and the store, and say what to do about what is wrong.

    Exit status: 0 all is well or only warned of, 1 a check failed, 3 Redis is out of reach.
    """
    entries, status = _entries(System(Settings()))
    worst = max((entry.verdict for entry in entries), key=list(Verdict).index)
    if as_json:
        print_json(Report(verdict=worst, checks=entries))
    else:
        for entry in entries:
            label = f"{entry.verdict:<4}", _STYLES[entry.verdict]
            say(label, "  ", (f"{entry.name:<10}", "bold"), f"  {entry.told}")
    raise typer.Exit(status or int(worst is Verdict.FAIL))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Running Stoker")(doctor)


def _entries(system: System) -> tuple[list[Entry], int]:
    """All findings, and the exit status that they leave open: 3 if Redis cannot be asked, else 0."""
    entries = _examined(_WITHOUT_REDIS, system)
    try:
        system.connection.run(Call(("PING",), bool))
    except (Unavailable, Unauthorized) as error:
        return [*entries, Entry(name="redis", **dict(fail(error.message)))], _UNREACHABLE
    with closing(system.connection):
        return entries + _examined(_WITH_REDIS, system), 0


def _examined(checks: tuple[Check, ...], system: System) -> list[Entry]:
    return [Entry(name=check.name, **dict(check.finding(system))) for check in checks]
