"""`stoker alarms`: what happened to models."""

from typing import Annotated

import typer

from ..client.blocking import Client
from ..ledger.alarms import Alarm
from ..terminal.amounts import ago
from .moments import moment
from .output import AsJson, Styled, draw, print_json, say
from .table import Table


def alarms(
    since: Annotated[str | None, typer.Option("--since", help="A time such as 2h, 7d or 2026-01-31T08:00.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many to list.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what happened to models, the newest last: drift, a loss of performance, promotions, new versions."""
    with Client() as client:
        raised = client.alarms(moment("--since", since), limit)
    if as_json:
        print_json(raised)
    elif raised:
        draw(Table(["when", "what", "model", "text"], map(_row, raised), cut=["text"]))
    else:
        say("nothing has happened to any model" + (" since then" if since else ""))


def _row(alarm: Alarm) -> list[Styled]:
    return [ago(alarm.at), (alarm.what, "bold"), alarm.model, alarm.text]
