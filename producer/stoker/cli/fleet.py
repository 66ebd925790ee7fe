"""`stoker fleet status`, `scale`: the load and size of fleets, the autoscaler's decisions, and bounds set by hand."""

import re
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live

from ..client.blocking import Client
from ..client.fleets import Environment, FleetStatus
from ..errors import InvalidJob
from ..fleet.bounds import Bounds
from ..fleet.topology import DEVICES, WorkDevice
from ..terminal.amounts import ago, duration
from .output import AsJson, Styled, console, draw, line, print_json, say
from .table import Table

_EVERY_S = 1.0

fleet = typer.Typer(name="fleet", help="See how fleets are scaled and why, and set their bounds.", no_args_is_help=True)


@fleet.command()
def status(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show it again every second, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show queues, oldest wait, slots and what the autoscaler decided, and why."""
    with Client() as client:
        if as_json:
            print_json(client.fleets())
            while follow:
                time.sleep(_EVERY_S)
                print_json(client.fleets())
        elif follow:
            with Live(_shown(client.fleets()), console=console(), auto_refresh=False) as live:
                while True:
                    time.sleep(_EVERY_S)
                    live.update(_shown(client.fleets()), refresh=True)
        else:
            draw(_shown(client.fleets()))


@fleet.command()
def scale(
    ranges: Annotated[
        list[str], typer.Argument(metavar="DEVICE=SLOTS", help="cpu=4, a range such as cpu=2:8, or cpu=auto.")
    ],
    target_wait: Annotated[float | None, typer.Option(help="Seconds within which a queued job shall start.")] = None,
    cooldown: Annotated[float | None, typer.Option(help="Seconds for which slots are kept that were needed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set how many slots fleets have, or between which numbers; `auto` lets the settings hold again.

    What is set here beats the settings file until then, and takes effect within seconds. It needs a controller.
    """
    wanted = dict(_bounds(text, target_wait, cooldown) for text in ranges)
    with Client() as client:
        for device, new in wanted.items():
            client.scale(device, new)
    if as_json:
        print_json({device: new.model_dump(exclude_none=True) if new else None for device, new in wanted.items()})
        return
    for device, bounds in wanted.items():
        say((device, "bold"), f": {_as_text(bounds)}")


def _bounds(text: str, target_wait_s: float | None, cooldown_s: float | None) -> tuple[WorkDevice, Bounds | None]:
    device, _, slots = text.partition("=")
    known = next((known for known in DEVICES if known == device), None)
    numbers = re.fullmatch(r"(\d{1,6})(?::(\d{1,6}))?", slots)
    if known is None or not (numbers or slots == "auto"):
        raise InvalidJob(f"{text!r} is no fleet and its slots: expected, for example, cpu=4, cpu=2:8 or cpu=auto")
    if numbers is None:
        return known, None
    least, most = int(numbers[1]), int(numbers[2] or numbers[1])
    if least > most:
        raise InvalidJob(f"{text!r}: the first number is the least and must not be above the second")
    return known, Bounds.model_validate(
        {"min": least, "max": most, "target_wait_s": target_wait_s, "cooldown_s": cooldown_s}
    )


def _described(environment: Environment) -> str:
    parts = {
        "labels": [f"{name}={value}" for name, value in environment.labels.items()],
        "functions": environment.functions,
        "custom objects": environment.custom_objects,
        "packages": [f"{name} {version}" for name, version in environment.packages.items()],
    }
    return "; ".join(f"{name} {', '.join(values)}" for name, values in parts.items() if values) or "nothing special"


def _shown(fleets: Sequence[FleetStatus]) -> Group:
    if not fleets:
        return Group("no fleets: no worker runs, and nothing is queued")
    rows: list[list[Styled]] = [
        [
            (fleet.device, "bold"),
            str(fleet.workers),
            f"{fleet.busy} busy, {max(0, fleet.slots - fleet.busy)} idle of {max(fleet.offered, fleet.slots)}",
            "  ".join(f"{q.queue} {q.jobs}" for q in fleet.queues if q.jobs) or ("nothing", "dim"),
            duration(max(q.oldest_s for q in fleet.queues)),
            str(fleet.decisions[0].wanted) if fleet.decisions else ("not scaled", "dim"),
        ]
        for fleet in fleets
    ]
    columns = ["fleet", "workers", "slots", "queued", "oldest", "wanted"]
    lines: list[RenderableType] = [Table(columns, rows, cut=["queued"])]
    for fleet in fleets:
        for environment in fleet.environments:
            who = environment.workers[0] if len(environment.workers) == 1 else f"{len(environment.workers)} workers"
            lines.append(line((fleet.device, "bold"), f" {who}: {_described(environment)}"))
        if fleet.bounds:
            lines.append(line((fleet.device, "bold"), f" by hand: {_as_text(fleet.bounds)}"))
        for decision in fleet.decisions:
            nodes = "" if decision.nodes is None else f" on {decision.nodes} nodes"
            what = f"  {fleet.device} {decision.slots} → {decision.wanted}{nodes}: {'; '.join(decision.reasons)}"
            lines.append(line((f"{ago(decision.at):>8}", "dim"), what))
    return Group(*lines)


def _as_text(bounds: Bounds | None) -> str:
    if bounds is None:
        return "as the settings say"
    values: dict[str, Any] = bounds.model_dump(exclude_none=True)
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
