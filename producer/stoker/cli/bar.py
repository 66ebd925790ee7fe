"""A bar that shows how many bytes are done."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from .output import console_aside


class Bar:
    """The bar of a terminal's stderr; elsewhere it shows nothing."""

    def __init__(self, bar: Progress, what: str) -> None:
        self._bar = bar
        self._task = bar.add_task(what, total=None)

    def show(self, done: int, total: int | None) -> None:
        """Show how many bytes are done, and of how many; None where that is not known."""
        self._bar.update(self._task, completed=done, total=total)

    def show_of(self, what: str, done: int, total: int | None) -> None:
        """The same, of another thing."""
        self._bar.update(self._task, description=what, completed=done, total=total)


@contextmanager
def bar_of_bytes(what: str) -> Iterator[Bar]:
    """A bar for the length of a with block."""
    columns = (
        TextColumn("{task.description}"),
        *(BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()),
    )
    console = console_aside()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield Bar(bar, what)
