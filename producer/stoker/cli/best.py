"""`stoker models best`."""

from functools import partial
from typing import Annotated

import typer

from ..client import choosing, rounds
from ..client.blocking import Client
from ..client.candidates import MOST, MOST_EVER, Candidates
from ..kinds import Compare
from ..models.store import Store
from ..redis.calls import drive
from .asking import Yes, ask
from .guarding import models
from .jobs import name_and_value
from .live import result_of, show_result
from .output import AsJson, print_json

__all__ = ["models"]

# More than these are a matter of minutes.
_WITHOUT_ASKING = 8
_NAMED = 3


@models.command()
def best(
    rule: Annotated[
        str,
        typer.Argument(
            metavar="RULE", help="Such as 'max accuracy where p99_ms < 2 on cpu and bytes < 1MB'.", show_default=False
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="DATA",
            help="What to measure on, which no model should have seen: a file, pattern, URL or sample://… set.",
            show_default=False,
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Only this model: shop for all its versions, shop@3 for itself; again for more."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Only versions whose jobs have this tag; again for more."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The column to predict; if left out, the one that the models were trained on.")
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_EVER,
            help=f"Measure so many versions at most, without asking: champions first, then other aliases, then the "
            f"newest. {MOST} if left out.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or gpu; the rule may say it, too.")] = "auto",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Choose the best of all registered versions that fit some data, by a rule.

    Conditions are about how good a model is and what it costs; they may have units: 1MB, 512KiB, 2 ms, 95 %.

        stoker models best --data later.csv "max accuracy where p99_ms < 2 on cpu and bytes < 1MB"

    Versions whose columns or target the data lacks, or that are too large, are left out before anything is loaded. All
    others are measured on the same rows. The exit status is 1 if none is chosen. The same from Python:
    client.best("later.csv", "max accuracy").
    """
    among: choosing.Among = {
        "models": model or (),
        "tags": dict(map(name_and_value, tag or ())),
        "target": target,
        "most": most or MOST,
        "device": device,
    }
    with Client() as client:
        found = client.candidates(data, rule, **among)
        if most is None and len(found.versions) > _WITHOUT_ASKING:
            ask(_question(found, data), yes=yes)

        def compared(specs: list[Compare]) -> list[rounds.Ended]:
            jobs = client.submit_many(specs)
            try:
                return [rounds.outcome(partial(result_of, client, job, quiet=as_json)) for job in jobs]
            except typer.Exit:  # whoever stops one means all
                for job in jobs:
                    job.cancel()
                raise

        result = drive(rounds.rounds(choosing.question(data, rule, among), found), compared)
        if as_json:
            print_json(result)
        else:
            show_result(result, Store(client.settings.store_place))
    if result.chosen is None:
        raise typer.Exit(1)


def _question(found: Candidates, data: str) -> str:
    names = ", ".join(version.ref for version in found.versions[:_NAMED])
    return f"Measure {len(found.versions)} versions, such as {names}, on {data}?"
