"""How a file of separated cells is written: found by looking at its head."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ..formats import Stated
from .cells import CellKind, kind_of_cell, rest_kind

HEAD_BYTES = 256 << 10
"""What is looked at of a file."""
NO_SEPARATOR = "\x1f"
"""The separator of a table of one column: a character that is for separating, and in no text."""
_SEPARATORS = (",", ";", "\t", "|", " ")
_MOST_ROWS = 1000
# Below this share of rows of one width, weighted by how alike the cells of each column are, it is no separator.
_LEAST_FIT = 0.45
_FITS: dict[CellKind, float] = {"number": 1.0, "date": 1.0, "text": 0.9, "mixed": 0.3, "missing": 1.0}
_SHOWN = 40
_MOST_TITLES = 5

Row = list[str]


@dataclass(frozen=True)
class Dialect:
    """How a file of separated cells is written.

    Attributes:
        quote, escape: "" for none. A quote within a quoted cell is written twice, or after the escape.
        skip: lines before the first row of data.
        names: of the columns, in order; "" for one without a name.
        has_header: whether the names are the file's own.
        notes: what is to be said of it.
    """

    separator: str
    quote: str
    escape: str
    skip: int
    names: tuple[str, ...]
    has_header: bool
    notes: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class _Parsed:
    """The rows of a head under a guess: those of the table begin at `start`; `lines` are where rows end."""

    separator: str
    quote: str
    escape: str
    rows: list[Row]
    lines: list[int]
    width: int
    start: int
    fit: float


def sniff(head: str, stated: Stated, *, whole: bool) -> Dialect | None:
    """The dialect of a file by its head; None if it holds nothing.

    Args:
        stated: what need not be found.
        whole: whether the head is all of the file; else its last line may be cut.
    """
    head = head if whole else head[: max(head.rfind("\n"), head.rfind("\r")) + 1] or head
    # A first line for Excel.
    announced = re.match(r"sep=(.)(?:\r\n|\r|\n)", head)
    head = head[announced.end() :] if announced else head
    separators = _separators(stated, announced[1] if announced else None)
    parsed = [
        guess
        for separator in separators
        for quote in _quotes(head, stated)
        for escape in _escapes(head, quote)
        if (guess := _parse(head, separator, quote, escape))
    ]
    table = max(parsed, key=lambda guess: guess.fit, default=None)
    if table is None or (table.fit < _LEAST_FIT and stated.separator is None and not announced):
        table = _single(head, '"' if stated.quote is None else stated.quote)
    return _described(table, first_line=1 if announced else 0) if table else None


def _separators(stated: Stated, announced: str | None) -> Sequence[str]:
    if stated.separator is not None:
        return (stated.separator,)
    return (announced,) if announced else _SEPARATORS


def _quotes(head: str, stated: Stated) -> Sequence[str]:
    if stated.quote is not None:
        return (stated.quote,)
    return ('"', "'") if "'" in head else ('"',)


def _escapes(head: str, quote: str) -> Sequence[str]:
    return ("", "\\") if quote and f"\\{quote}" in head else ("",)


def _rows(head: str, separator: str, quote: str, escape: str) -> Iterator[tuple[Row, int]]:
    """The rows that are not blank, and the lines where they end."""
    reader = csv.reader(
        io.StringIO(head, newline=""),
        delimiter=separator,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        escapechar=escape or None,
    )
    try:
        for row in reader:
            if row:
                yield [cell.strip() for cell in row], reader.line_num
            if reader.line_num >= _MOST_ROWS:
                return
    except csv.Error:
        # A cell without end, which the reader of the whole file names.
        return


def _parse(head: str, separator: str, quote: str, escape: str) -> _Parsed | None:
    """A head under a guess, and how well it fits; None if it gives no table."""
    found = list(_rows(head, separator, quote, escape))
    rows, lines = [row for row, _ in found], [line for _, line in found]
    widths = Counter(map(len, rows))
    if not widths:
        return None
    width, _ = max(widths.items(), key=lambda item: (item[1], item[0]))
    # A file of two rows may have a header of another width.
    if width < 2:
        return None
    start = next(at for at, row in enumerate(rows) if len(row) == width)
    while start + 2 < len(rows) and _is_title(rows[start], rows[start + 1 :]):
        start += 1
    body = [row for row in rows[start:] if len(row) == width]
    share = len(body) / len(rows[start:])
    fits = [_fit([row[at] for row in (body[1:] or body)]) for at in range(width)]
    is_headed = _is_header(body[0], body[1:])
    fit = (share if is_headed and not start else share**2) * sum(fits) / width
    if separator == " " and (share < 1 or start > 0 or _numeric(body) < 0.5):
        return None
    if start and not _is_short_header(rows[start - 1], width) and not is_headed:
        # Lines before a table without a header: more likely its cells hold the separator.
        fit *= 0.4
    return _Parsed(separator, quote, escape, rows, lines, width, start, fit)


def _single(head: str, quote: str) -> _Parsed | None:
    """A head as a table of one column."""
    found = list(_rows(head, NO_SEPARATOR, quote, ""))
    if not found:
        return None
    return _Parsed(NO_SEPARATOR, quote, "", [row for row, _ in found], [line for _, line in found], 1, 0, 1.0)


def _fit(cells: Sequence[str]) -> float:
    """How alike in kind the cells of a column are."""
    kinds = Counter(map(kind_of_cell, cells))
    missing = kinds.pop("missing", 0)
    best = max((count * _FITS[kind] for kind, count in kinds.items()), default=0.0)
    return (best + missing * _FITS["text"]) / max(len(cells), 1)


def _numeric(body: Sequence[Row]) -> float:
    """The share of columns that hold numbers."""
    columns = list(zip(*(body[1:] or body), strict=True))
    return sum(rest_kind(column) == "number" for column in columns) / len(columns)


def _described(table: _Parsed, first_line: int) -> Dialect:
    rows, start, width = table.rows, table.start, table.width
    notes = []
    names: tuple[str, ...] | None = None
    before = rows[start - 1] if start else []
    body = rows[start:]
    if _is_short_header(before, width):
        names, used = ("", *before), start
    else:
        # Of several lines that could be headers, those that begin with a # are comments.
        while len(body) > 2 and body[0][0].startswith("#") and _is_header(body[1], body[2:]):
            start, body = start + 1, body[1:]
        used = start
        if _is_header(body[0], body[1:]):
            names, used = tuple(body[0]), start + 1
    top = used - 1 if names else used
    if top:
        notes.append(f"what is above line {table.lines[top] + first_line} is left out: no row of the table")
    if names is None:
        notes.append(f"has no header, so its columns are called column_1 to column_{width}")
        names, has_header = tuple(f"column_{at}" for at in range(1, width + 1)), False
    else:
        has_header = True
        if any(kind_of_cell(name) == "number" for name in names):
            notes.append(f"the numbers in line {table.lines[used - 1] + first_line} are read as the columns' names")
        if units := _units(rows[used:], width):
            used += 1
            notes.append(f"the line below the header is left out: {units!r} are units, not a row")
    skip = first_line + (table.lines[used - 1] if used else 0)
    return Dialect(table.separator, table.quote, table.escape, skip, names, has_header, tuple(notes))


def _is_title(row: Row, below: Sequence[Row]) -> bool:
    """Whether a row is a title above the header, or a blank one, filled up to the table's width by a table tool."""
    return len(row) > 2 and sum(map(bool, row)) <= 1 < max(sum(map(bool, each)) for each in below[:_MOST_TITLES])


def _is_short_header(row: Row, width: int) -> bool:
    """Whether a row names all columns but the first, as R writes it where rows have names."""
    return width > 2 and len(row) == width - 1 and not any(kind_of_cell(cell) == "number" for cell in row)


def _is_header(first: Row, rest: Sequence[Row]) -> bool:
    """Whether the first row of a table names its columns."""
    columns = list(zip(*(row for row in rest if len(row) == len(first)), strict=True))
    kinds = [kind_of_cell(cell) for cell in first]
    if not columns:
        return "number" not in kinds
    below = [rest_kind(column) for column in columns]
    typed = [at for at, kind in enumerate(below) if kind in ("number", "date")]
    if not typed:
        # A word that stands below itself is a value.
        again = sum(bool(cell) and cell in column for cell, column in zip(first, columns, strict=True))
        return again * 2 < len(first)
    if any(kinds[at] not in (below[at], "missing") for at in typed):
        return True
    return _counts([first[at] for at in typed], {cell for at in typed for cell in columns[at]})


def _counts(names: Sequence[str], cells: set[str]) -> bool:
    """Whether numbers are names: years in order, or 0, 1, 2, …, and none of the cells below."""
    if len(names) < 2 or not all(re.fullmatch(r"\d{1,4}", name) for name in names):
        return False
    values = [int(name) for name in names]
    steps = {after - before for before, after in pairwise(values)}
    is_years = 1800 <= values[0] <= 2100 and len(steps) == 1
    is_index = steps == {1} and values[0] == 0 and len(values) > 2
    return (is_years or is_index) and not cells.issuperset(names)


def _units(body: Sequence[Row], width: int) -> str:
    """The line of units below a header, as it is written; "" if there is none."""
    rows = [row for row in body if len(row) == width]
    if len(rows) < 4:
        return ""
    columns = list(zip(*rows, strict=True))
    numbers = [column for column in columns if rest_kind(column[1:]) == "number"]
    if not numbers or any(kind_of_cell(column[0]) == "number" for column in columns):
        return ""
    is_units = all(column[0] and not column[0].isspace() for column in numbers) and all(
        re.fullmatch(r"[\[(]?[^\W\d][\w°µ%/^·*.² ³-]{0,15}[\])]?|[\[(]?[%°][\w/]{0,8}[\])]?", column[0])
        and kind_of_cell(column[0]) != "missing"
        for column in numbers
    )
    return " ".join(filter(None, rows[0]))[:_SHOWN] if is_units else ""
