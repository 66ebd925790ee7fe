"""How a file of separated cells is written: found by looking at its head."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..formats import Stated
from .cells import CellKind, kind_of_cell, rest_kind
from .layout import ALIGNED, LAYOUT_NOTES, RULE, Layout, laid_out
from .naming import Row, commented_header, is_header, is_title, short_header, units_below

HEAD_BYTES = 256 << 10
"""What is looked at of a file."""
NO_SEPARATOR = "\x1f"
"""The separator of a table of one column: a character that is for separating, and in no text."""
_SEPARATORS = (",", ";", "\t", "|", " ")
_MOST_ROWS = 1000
# Below this share of rows of one width, weighted by how alike the cells of each column are, it is no separator.
_LEAST_FIT = 0.45
_LEAST_SEPARATED = 0.9
_FITS: dict[CellKind, float] = {"number": 1.0, "date": 1.0, "text": 0.9, "mixed": 0.3, "missing": 1.0}
# A table that is drawn with lines has one of them above or below its header.
_MOST_ABOVE_RULE = 5


@dataclass(frozen=True)
class Dialect:
    """How a file of separated cells is written.

    Attributes:
        quote, escape: "" for none. A quote within a quoted cell is written twice, or after the escape.
        layout: what is to be undone before lines are cells.
        skip: lines before the first row of data.
        names: of the columns, in order; "" for one without a name.
        has_header: whether the names are the file's own.
        notes: what is to be said of it.
    """

    separator: str
    quote: str
    escape: str
    layout: Layout
    skip: int
    names: tuple[str, ...]
    has_header: bool
    notes: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class _Guess:
    separator: str
    quote: str
    escape: str = ""
    layout: Layout = Layout.PLAIN


@dataclass(frozen=True)
class _Parsed:
    """The rows of a head under a guess: those of the table begin at `start`; `lines` are where rows end."""

    guess: _Guess
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
    # The mark of DOS at the end of a text is no cell.
    head = head.rstrip("\x1a") if whole else head[: max(head.rfind("\n"), head.rfind("\r")) + 1] or head
    # A first line for Excel.
    announced = re.match(r"sep=(.)(?:\r\n|\r|\n)", head)
    head = head[announced.end() :] if announced else head
    separators = _separators(stated, announced[1] if announced else None)
    parsed = [
        table
        for separator in separators
        for quote in _quotes(head, stated)
        for escape in _escapes(head, quote)
        for layout in _layouts(head, separator, quote)
        if (table := _parse(head, _Guess(separator, quote, escape, layout), stated.names))
    ]
    if stated.separator is None and not announced and ALIGNED.search(head) and "\t" not in head:
        aligned = _parse(head, _Guess("\t", "", "", Layout.ALIGNED), stated.names)
        parsed += [aligned] if aligned else []
    table = max(parsed, key=lambda table: table.fit, default=None)
    if table is None or (table.fit < _LEAST_FIT and stated.separator is None and not announced):
        quote = '"' if stated.quote is None else stated.quote
        table = (None if stated.separator else _unfitting(head, quote, stated.names)) or _single(head, quote)
    return _described(table, stated.names, first_line=1 if announced else 0) if table else None


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


def _layouts(head: str, separator: str, quote: str) -> Sequence[Layout]:
    if separator == "|" and RULE.search("\n".join(head.splitlines()[:_MOST_ABOVE_RULE])):
        return (Layout.RULED,)
    is_padded = quote and separator != " " and re.search(rf"{re.escape(separator)} +{quote}", head)
    return (Layout.PLAIN, Layout.PADDED) if is_padded else (Layout.PLAIN,)


def _rows(head: str, guess: _Guess) -> Iterator[tuple[Row, int]]:
    """The rows that are not blank, and the lines where they end."""
    text = laid_out(head.encode(), guess.layout, guess.separator, guess.quote).decode()
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=guess.separator,
        quotechar=guess.quote or None,
        quoting=csv.QUOTE_MINIMAL if guess.quote else csv.QUOTE_NONE,
        escapechar=guess.escape or None,
    )
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if len(cells) > 1 or any(cells):
                yield cells, reader.line_num
            if reader.line_num >= _MOST_ROWS:
                return
    except csv.Error:
        # A cell without end, which the reader of the whole file names.
        return


def _parse(head: str, guess: _Guess, names: frozenset[str]) -> _Parsed | None:
    """A head under a guess, and how well it fits; None if it gives no table."""
    found = list(_rows(head, guess))
    rows, lines = [row for row, _ in found], [line for _, line in found]
    widths = Counter(map(len, rows))
    if not widths:
        return None
    width, _ = max(widths.items(), key=lambda item: (item[1], item[0]))
    # A file of two rows may have a header of another width.
    if width < 2:
        return None
    start = next(at for at, row in enumerate(rows) if len(row) == width)
    while start + 2 < len(rows) and is_title(rows[start], rows[start + 1 :]):
        start += 1
    body = [row for row in rows[start:] if len(row) == width]
    share = len(body) / len(rows[start:])
    fits = [_fit([row[at] for row in (body[1:] or body)]) for at in range(width)]
    is_headed = is_header(body[0], body[1:], names)
    is_named = start > 0 and short_header(rows[start - 1], body) is not None
    is_commented = start > 0 and commented_header(rows[start - 1], width) is not None
    fit = (share if is_headed and not start else share**2) * sum(fits) / width
    if guess.separator == " " or guess.layout is Layout.ALIGNED:
        # Blanks are between words, too.
        least = 0.5 if guess.separator == " " and not is_commented and not _has_quoted(head, guess.quote) else 0.0
        above = sum(not row[0].startswith("#") for row in rows[:start])
        if share < 1 or above > (1 if is_named else 0) or _numeric(body) < least or _is_listing(body):
            return None
    if start and not is_named and not is_commented and not is_headed:
        # Lines before a table without a header: more likely its cells hold the separator.
        fit *= 0.4
    return _Parsed(guess, rows, lines, width, start, fit)


def _single(head: str, quote: str) -> _Parsed | None:
    """A head as a table of one column."""
    guess = _Guess(NO_SEPARATOR, quote)
    found = list(_rows(head, guess))
    return _Parsed(guess, [row for row, _ in found], [line for _, line in found], 1, 0, 1.0) if found else None


def _unfitting(head: str, quote: str, names: frozenset[str]) -> _Parsed | None:
    """A head whose first line names several columns, though no other line has as many cells: they are then refused."""
    for separator in _SEPARATORS[:-1]:
        guess = _Guess(separator, quote)
        found = list(_rows(head, guess))
        rows = [row for row, _ in found]
        if len(rows) < 2 or len(rows[0]) < 2 or re.search(rf"{re.escape(separator)}\s", head.splitlines()[0]):
            continue
        is_named = all(rows[0]) and len(set(rows[0])) == len(rows[0]) and is_header(rows[0], [], names)
        if is_named and sum(len(row) > 1 for row in rows) >= _LEAST_SEPARATED * len(rows):
            return _Parsed(guess, rows, [line for _, line in found], len(rows[0]), 0, 1.0)
    return None


def _has_quoted(head: str, quote: str) -> bool:
    """Whether each line has a quoted cell beside a blank, which then is what separates."""
    beside = re.compile(rf"\S {re.escape(quote)}|{re.escape(quote)} \S")
    lines = [line for line in head.splitlines()[:_MOST_ROWS] if line.strip()]
    return bool(quote and lines) and all(map(beside.search, lines))


def _is_listing(body: Sequence[Row]) -> bool:
    """Whether cells end with commas or semicolons, which then are what separates."""
    return all(row[0].endswith((",", ";")) for row in body)


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


def _described(table: _Parsed, used_names: frozenset[str], first_line: int) -> Dialect:
    rows, start, width = table.rows, table.start, table.width
    notes = [LAYOUT_NOTES[table.guess.layout]] if table.guess.layout in LAYOUT_NOTES else []
    body = rows[start:]
    names = None
    if start:
        above = rows[start - 1]
        names = commented_header(above, width) or short_header(above, [row for row in body if len(row) == width])
    used = start
    if names is None:
        # Of several lines that could be headers, those that begin with a # are comments.
        while len(body) > 2 and body[0][0].startswith("#") and is_header(body[1], body[2:], used_names):
            start, body = start + 1, body[1:]
        used = start
        if is_header(body[0], body[1:], used_names):
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
        if units := units_below(rows[used:], width):
            used += 1
            notes.append(f"the line below the header is left out: {units!r} are units, not a row")
    skip = first_line + (table.lines[used - 1] if used else 0)
    how = table.guess
    return Dialect(how.separator, how.quote, how.escape, how.layout, skip, names, has_header, tuple(notes))
