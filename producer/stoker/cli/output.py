"""How the command line shows things: tables and words for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..events import JobState

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

_PIPE_WIDTH = 160
# Enough of an id to tell jobs apart, and to name one on the command line.
SHORT_ID = 8

STYLES = {
    JobState.WAITING: "dim",
    JobState.QUEUED: "cyan",
    JobState.RUNNING: "yellow",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.CANCELLED: "magenta",
    JobState.DEAD: "bold red",
}


def console() -> Console:
    """Where words and tables go; what goes into a file or a pipe is not cut to the width of a terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def print_json(value: BaseModel | Sequence[BaseModel] | dict[str, Any]) -> None:
    """One JSON document on one line."""
    if isinstance(value, BaseModel):
        print(value.model_dump_json(), flush=True)
    elif isinstance(value, dict):
        print(json.dumps(value), flush=True)
    else:
        print(json.dumps([item.model_dump(mode="json") for item in value]), flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A plain table, in which only the last column is ever cut; cells may carry rich's markup."""
    grid = Table(box=None, header_style="bold", pad_edge=False)
    *whole, last = columns
    for name in whole:
        grid.add_column(name, no_wrap=True, overflow="ignore")
    grid.add_column(last, no_wrap=True, overflow="ellipsis")
    for row in rows:
        grid.add_row(*row)
    return grid


def state_text(state: JobState) -> str:
    """A state in its colour."""
    return f"[{STYLES[state]}]{state}[/]"


def metrics_text(metrics: dict[str, float]) -> str:
    """Metrics on one line, four digits each."""
    return "  ".join(f"{escape(name)} [bold]{value:.4g}[/]" for name, value in metrics.items())


def ago(moment: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    return f"{duration((datetime.now(UTC) - moment).total_seconds())} ago"


def duration(seconds: float) -> str:
    """Seconds in the largest unit that fits."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def size_text(size: float) -> str:
    """Bytes in the largest unit that fits."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
