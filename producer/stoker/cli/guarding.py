"""`stoker models guard`: what requests and answers of a model must be, and what was refused."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from ..client.blocking import Client
from ..errors import InvalidArgument
from ..ledger.guards import Guarded
from ..models.guard import Guard
from ..terminal.amounts import ago
from .model_keeping import Name, models
from .output import AsJson, draw, print_json, say
from .table import Table

__all__ = ["models"]


@models.command()
def guard(
    name: Name,
    file: Annotated[
        Path | None,
        typer.Option("--set", help="A JSON file: ranges, categories, most_rows, longest_text, most_a_minute, outputs."),
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Take the guard away, and what it has refused.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="How many refused rows to list.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show or set what the requests and answers of a model must be, and list what was refused."""
    with Client() as client:
        if drop:
            guarded = client.guard_model(name, None)
        elif file:
            guarded = client.guard_model(name, _read(file))
        else:
            guarded = client.guarded(name, limit)
    if as_json:
        print_json(guarded)
    else:
        _say(guarded)


def _read(file: Path) -> Guard:
    try:
        return Guard.model_validate_json(file.expanduser().read_bytes())
    except OSError as error:
        raise InvalidArgument(f"{file} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise InvalidArgument(f"{file} is no guard: {where}: {first['msg']}") from None


def _say(guarded: Guarded) -> None:
    if guarded.guard is None:
        say(f"{guarded.model} has no guard; `stoker models guard {guarded.model} --set FILE` gives it one")
        return
    say((guarded.model, "bold"), f" {guarded.guard.model_dump_json(exclude_defaults=True)}")
    say(
        ", ".join(f"{count:,} refused for an {what}" for what, count in sorted(guarded.counts.items()))
        or "none refused"
    )
    if guarded.rows:
        cells = [[ago(row.at), row.version, row.why, row.row] for row in guarded.rows]
        draw(Table(["when", "version", "why", "row"], cells, cut=["why", "row"]))
