"""Live view of a job: a progress bar and metrics on a terminal, a line for each event elsewhere."""

from collections.abc import Iterable
from typing import TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from .. import events
from ..client.blocking import Client
from ..client.job import Job
from ..events import Event, Finished, Log
from ..kinds.result import JobResult
from ..models.store import Store
from ..terminal.amounts import duration
from ..terminal.printable import printable
from .output import console as new_console
from .output import draw, line, say, style_of
from .table import Table

R = TypeVar("R", bound=JobResult)

# Why a paused job waits, and what its bar says.
_PAUSED = "paused"
_EVENT_STYLES = {"queued": "cyan", "started": "yellow", "checkpoint": "dim", "log": "dim"}


def follow(stream: Iterable[Event], console: Console) -> Finished | None:
    """Show events until the stream ends; gives the `Finished` event if it came."""
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]}", markup=False),
        console=console,
        auto_refresh=False,
        disable=not console.is_terminal,
    ) as progress:
        view = _View(progress, console)
        for event in stream:
            view.show(event)
            progress.refresh()
            if isinstance(event, Finished):
                return event
    return None


class _View:
    """A progress bar, a new one for each stage of the job."""

    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._bar: TaskID | None = None
        self._stage = ""

    def show(self, event: Event) -> None:
        """Show an event: progress on the bar, other events as a line above it."""
        match event:
            case events.Progress():
                self._advance(event.stage, event.done, event.total, _speed(event.rows_per_s, event.eta_s))
                return
            case events.Epoch():
                self._advance("epochs", event.epoch, event.epochs, _speed(event.rows_per_s, event.eta_s))
            case events.Waiting() if event.reason == _PAUSED:
                self._advance(_PAUSED, 0, None, "")
            case events.Queued() if self._stage == _PAUSED:
                self._drop_bar()
            case Finished():
                self._drop_bar()
        style = style_of(event.state) if isinstance(event, Finished) else _EVENT_STYLES.get(event.type, "")
        self._console.print(line((event.words(), style)), soft_wrap=True)

    def _advance(self, stage: str, done: int, total: int | None, speed: str) -> None:
        if self._bar is None or stage != self._stage:
            self._drop_bar()
            self._bar = self._progress.add_task(printable(stage), total=total, speed=speed)
            self._stage = stage
        self._progress.update(self._bar, completed=done, total=total, speed=speed)

    def _drop_bar(self) -> None:
        if self._bar is not None:
            self._progress.remove_task(self._bar)
            self._bar = None


def say_no_worker(device: str) -> None:
    """Say that a job waits for a worker, which may be about to come."""
    say(
        (f"no {device} worker is running yet:", "yellow"), " the job waits until `stoker up` or `stoker worker` has one"
    )


def result_of(client: Client, job: Job[R], *, quiet: bool) -> R:
    """Wait for a job that was submitted for its result, and show how far it is; Ctrl-C cancels it.

    Raises:
        JobFailed, JobCancelled, JobDead, JobPruned: it has none.
    """
    if quiet:
        return job.result()
    device = job.status().queue.partition(".")[0]
    if device not in {worker.device for worker in client.workers()}:
        say_no_worker(device)
    try:
        follow((event for event in job.events() if isinstance(event, events.Progress | Log)), new_console())
    except KeyboardInterrupt:
        job.cancel()
        say()
        say(f"job {job.id} is cancelled")
        raise typer.Exit(1) from None
    return job.result()


def show_result(result: JobResult, store: Store) -> None:
    """Show a job's result, and where its files are."""
    shown = result.shown()
    say((shown.subject, "bold"), "  ", shown.about)
    if shown.table:
        columns, *rows = shown.table
        draw(Table(columns, rows, cut=shown.cut or columns[:1]))
    for note in shown.notes:
        say(note)
    for warning in shown.warnings:
        say(("warning: ", "yellow"), warning)
    for name, artifact in shown.files.items():
        say((f"{name:>12}", "dim"), f"  {store.location(artifact)}")


def _speed(rows_per_s: float | None, eta_s: float | None) -> str:
    speed = f"{rows_per_s:,.0f} rows/s" if rows_per_s else ""
    return f"{speed}  {duration(eta_s)} left" if eta_s is not None else speed
