"""`stoker usage`."""

from datetime import timedelta
from typing import Annotated, Literal

import typer

from ..client.blocking import Client
from ..terminal.amounts import size_text
from .moments import moment
from .output import AsJson, draw, print_json, say
from .table import Table


def usage(
    by: Annotated[
        Literal["tenant", "kind", "model"], typer.Option(help="What is summed up: tenant, kind or model.")
    ] = "tenant",
    since: Annotated[
        str, typer.Option(help="From the day of a time on: 30m, 12h, 7d, or a time such as 2026-01-31.")
    ] = "7d",
    as_json: AsJson = False,
) -> None:
    """Show what jobs and predictions have used: slot hours, bytes put into the store, and predictions."""
    with Client() as client:
        rows = client.usage(by, moment("--since", since) or timedelta(days=7))
    if as_json:
        print_json(rows)
    elif not rows:
        say("nothing has been used")
    else:
        cells = [
            (
                row.name or "-",
                f"{row.slot_s / 3600:,.2f}",
                f"{row.jobs:,}",
                size_text(row.stored_bytes),
                f"{row.predictions:,}",
            )
            for row in rows
        ]
        draw(Table([by, "slot hours", "jobs", "stored", "predictions"], cells, cut=[by]))
