"""`stoker doctor`: checks everything that jobs need, and says what to do about what is wrong.

Each module is a topic and ends in its list of checks. A check that fails is a line of the report; the others go on.
"""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from ...errors import Unauthorized, Unavailable
from ...redis.calls import Call
from ...settings import Settings
from ..output import AsJson, print_json, say
from . import audit, damage, encryption, jobs, keys, models, schedules, server, store, users, webhooks, workers
from .bundle import write_bundle
from .check import Check, Finding, System, Verdict, fail

_WITHOUT_REDIS = (*store.CHECKS, *keys.CHECKS)
_WITH_REDIS = (
    *server.CHECKS,
    *users.CHECKS,
    *damage.CHECKS,
    *workers.CHECKS,
    *jobs.CHECKS,
    *schedules.CHECKS,
    *webhooks.CHECKS,
    *models.CHECKS,
    *audit.CHECKS,
    *encryption.CHECKS,
)
_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}
_UNREACHABLE = 3


class NamedFinding(Finding):
    """A finding with the name of its check."""

    name: str


class DoctorReport(BaseModel):
    """All findings, and the worst verdict among them."""

    verdict: Verdict
    checks: list[NamedFinding]


def doctor(
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", help="Write a zip file for whoever helps: findings, settings, versions, logs; no secrets."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check Redis, the controller, the workers, the queues and the store, and say what to do about what is wrong.

    Exit status: 0 all is well or only warned of, 1 a check failed, 3 Redis is out of reach.
    """
    system = System(Settings())
    entries, status = _entries(system)
    worst = max((entry.verdict for entry in entries), key=list(Verdict).index)
    report = DoctorReport(verdict=worst, checks=entries)
    names = write_bundle(bundle, system, report, reachable=not status) if bundle else []
    if as_json:
        print_json(report)
    else:
        for entry in entries:
            label = f"{entry.verdict:<4}", _STYLES[entry.verdict]
            say(label, "  ", (f"{entry.name:<10}", "bold"), f"  {entry.told}")
        if names:
            say(
                f"{bundle} has {', '.join(names)}: no passwords, specs, rows or results; look through the logs yourself"
            )
    raise typer.Exit(status or int(worst is Verdict.FAIL))


def _entries(system: System) -> tuple[list[NamedFinding], int]:
    """All findings, and the exit status: 3 if Redis is out of reach, else 0."""
    entries = _findings(_WITHOUT_REDIS, system)
    try:
        system.connection.run(Call(("PING",), bool))
    except (Unavailable, Unauthorized) as error:
        return [*entries, NamedFinding(name="redis", **dict(fail(error.message)))], _UNREACHABLE
    with closing(system.connection):
        return entries + _findings(_WITH_REDIS, system), 0


def _findings(checks: tuple[Check, ...], system: System) -> list[NamedFinding]:
    return [NamedFinding(name=check.name, **dict(check.finding(system))) for check in checks]
