"""Tables that are cut to a terminal's width, and not cut in a file or a pipe."""

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from .output import Styled, line

_GAP = "  "
# The least width of a column that may be cut.
_LEAST_WIDTH = 8


class Table:
    """A plain table, one line for each row.

    On a terminal, the columns that may be cut share the width that the others leave; elsewhere nothing is cut.
    """

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[Styled]], *, cut: Sequence[str]) -> None:
        self._rows = [[line((name, "bold")) for name in columns], *([line(cell) for cell in row] for row in rows)]
        self._natural = [max(cell.cell_len for cell in column) for column in zip(*self._rows, strict=True)]
        self._cut = [columns.index(name) for name in cut]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The rows, cut to the console's width."""
        widths = self._widths(options.max_width) if console.is_terminal else self._natural
        for row in self._rows:
            for cell, width in zip(row, widths, strict=True):
                cell.truncate(width, overflow="ellipsis", pad=True)
            whole = Text(_GAP).join(row)
            whole.rstrip()
            whole.no_wrap, whole.overflow = True, "ignore"
            yield whole

    def _widths(self, width: int) -> list[int]:
        widths = list(self._natural)
        gaps = len(_GAP) * (len(widths) - 1)
        left = width - gaps - sum(size for place, size in enumerate(widths) if place not in self._cut)
        # The narrowest first: the others get the width that it does not need.
        places = sorted(self._cut, key=self._natural.__getitem__)
        for shared, place in zip(range(len(places), 0, -1), places, strict=True):
            widths[place] = min(widths[place], max(left // shared, _LEAST_WIDTH))
            left -= widths[place]
        return widths
