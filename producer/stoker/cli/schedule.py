"""`stoker schedule add`, `list`, `next`, `pause`, `resume`, `rm`: jobs that are submitted by themselves."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ..client.blocking import Client
from ..errors import InvalidArgument
from ..schedules.schedule import CatchUp, ScheduleStatus
from ..schedules.times import zone_of
from ..terminal.amounts import ago
from .job_file import read_specs
from .moments import seconds
from .output import SHORT_ID, AsJson, Styled, draw, print_json, say
from .table import Table

schedule = typer.Typer(
    name="schedule", help="Submit jobs at times or on alarms; list, pause and remove that.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="A schedule's name.", show_default=False)]
_AT_MOST = re.compile(r"([0-9]{1,3})(?:/day)?")
# How many of its next times a schedule shows when it is added.
_SHOWN = 3


@schedule.command()
def add(
    when: Annotated[
        str,
        typer.Argument(help="'0 3 * * *', 'every 15m', 'daily', or an alarm: 'drift of digits'.", show_default=False),
    ],
    file: Annotated[Path, typer.Argument(help="The jobs to submit, as for `stoker submit`; - reads stdin.")],
    name: Annotated[str | None, typer.Option(help="What it is called; the file's name if left out.")] = None,
    tz: Annotated[str, typer.Option(help="The time zone, such as Europe/Berlin.")] = "UTC",
    catch_up: Annotated[
        str, typer.Option(help="Of times missed while no controller ran: latest, none or all.")
    ] = "latest",
    cool_down: Annotated[str, typer.Option(help="On alarms: how long after a start none starts anything.")] = "1h",
    at_most: Annotated[str, typer.Option(help="On alarms: how many starts there are in 24 hours.")] = "2/day",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a schedule of this name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have the jobs of a file submitted at times, or on alarms."""
    specs = read_specs(file)
    most = _AT_MOST.fullmatch(at_most)
    if most is None:
        raise InvalidArgument(f"--at-most is a number of starts a day, such as 2/day; got {at_most!r}")
    with Client() as client:
        added = client.schedule(
            when,
            specs,
            name=file.stem if name is None else name,
            zone=tz,
            catch_up=_catch_up(catch_up),
            cool_down_s=seconds("--cool-down", cool_down),
            at_most=int(most[1]),
            replace=replace,
        )
    if as_json:
        print_json(added)
        return
    say((added.name, "bold"), f": {len(added.jobs)} job(s), {added.when}")
    _say_times(added, _SHOWN)


@schedule.command("list")
def list_schedules(as_json: AsJson = False) -> None:
    """List all schedules."""
    with Client() as client:
        listed = client.schedules()
    if as_json:
        print_json(listed)
    elif not listed:
        say("no schedules; add one with `stoker schedule add WHEN FILE`")
    else:
        columns = ["name", "when", "next", "started", "skipped", "last start", "jobs"]
        draw(Table(columns, map(_row, listed), cut=["when", "jobs"]))
        for each in listed:
            if each.problem:
                say((f"{each.name}: ", "yellow"), f"its last start was left out: {each.problem}")


@schedule.command("next")
def show_next(
    name: Name,
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the next times of a schedule, in its time zone."""
    with Client() as client:
        named = next((each for each in client.schedules() if each.name == name), None)
    if named is None:
        raise InvalidArgument(f"there is no schedule {name!r}: `stoker schedule list` shows all")
    if as_json:
        print_json({"times": [time.isoformat() for time in named.next_times(datetime.now(UTC), count)]})
    else:
        _say_times(named, count)


@schedule.command()
def pause(name: Name, as_json: AsJson = False) -> None:
    """Let a schedule start nothing until it is resumed."""
    with Client() as client:
        _tell(client.pause_schedule(name), "is paused", as_json)


@schedule.command()
def resume(name: Name, as_json: AsJson = False) -> None:
    """Let a paused schedule go on from now."""
    with Client() as client:
        _tell(client.resume_schedule(name), "goes on", as_json)


@schedule.command()
def rm(name: Name, as_json: AsJson = False) -> None:
    """Remove a schedule; what it has started goes on."""
    with Client() as client:
        _tell(client.remove_schedule(name), "is removed", as_json)


def _catch_up(text: str) -> CatchUp:
    match text:
        case "latest" | "none" | "all":
            return text
    raise InvalidArgument(f"--catch-up is latest, none or all; got {text!r}")


def _say_times(status: ScheduleStatus, count: int) -> None:
    zone = zone_of(status.zone)
    for time in status.next_times(datetime.now(UTC), count):
        say(f"  {time.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}")
    if status.alarm:
        what, model = status.alarm
        say(f"  on each {what} of {model}, at most {status.at_most} in 24 hours, {status.cool_down_s:g} s apart")


def _tell(status: ScheduleStatus, how: str, as_json: bool) -> None:
    if as_json:
        print_json(status)
    else:
        say(f"{status.name} {how}")


def _row(status: ScheduleStatus) -> list[Styled]:
    following = (
        "on alarm" if status.next_at is None else f"{status.next_at.astimezone(zone_of(status.zone)):%a %m-%d %H:%M %Z}"
    )
    if status.paused:
        following = "paused"
    started, jobs = "", ""
    if last := status.last:
        started, jobs = ago(last.at), ", ".join(job_id[:SHORT_ID] for job_id in last.jobs)
    return [status.name, status.when, following, str(status.started), str(status.skipped), started, jobs]
