"""Which line of a table names its columns, and what stands above and below it."""

import re
from collections.abc import Sequence
from itertools import pairwise

from .cells import CellKind, kind_of_cell, rest_kind

_SHOWN = 40
_MOST_TITLES = 5
_COMMENTS = ("#", "%", "#Fields:")

Row = list[str]


def is_title(row: Row, below: Sequence[Row]) -> bool:
    """Whether a row is a title above the header, or a blank one, filled up to the table's width by a table tool."""
    return len(row) > 2 and sum(map(bool, row)) <= 1 < max(sum(map(bool, each)) for each in below[:_MOST_TITLES])


def short_header(row: Row, body: Sequence[Row]) -> tuple[str, ...] | None:
    """The names in a row above a table that is one cell wider; None if it is no header.

    R leaves out the name of the first column if rows have names; where each line but the header ends with a separator,
    the last column has no name.
    """
    width = len(body[0])
    if len(row) != width - 1 or any(kind_of_cell(cell) == "number" for cell in row) or _is_above(body[0], body[1:]):
        return None
    if not any(each[-1] for each in body):
        return (*row, "")
    return ("", *row) if width > 2 else None


def commented_header(row: Row, width: int) -> tuple[str, ...] | None:
    """The names in a comment above a table, as numpy (`# a b`) and web servers (`#Fields: a b`) write it; None if it
    is none.
    """
    is_one = len(row) == width + 1 and row[0] in _COMMENTS and is_header(row[1:], [], frozenset())
    return tuple(row[1:]) if is_one else None


def is_header(first: Row, rest: Sequence[Row], names: frozenset[str]) -> bool:
    """Whether the first row of a table names its columns: some that are used, or else what no row below looks like."""
    if not names.isdisjoint(first):
        return True
    columns = _columns(first, rest)
    if not columns:
        return not any(kind_of_cell(cell) == "number" for cell in first)
    typed = _typed(columns)
    if not typed:
        # A word that stands below itself is a value.
        again = sum(bool(cell) and cell in column for cell, column in zip(first, columns, strict=True))
        return again * 2 < len(first)
    if _is_above(first, rest):
        return True
    return _counts([first[at] for at in typed], {cell for at in typed for cell in columns[at]})


def _is_above(first: Row, rest: Sequence[Row]) -> bool:
    """Whether a row has a word where numbers or dates are below."""
    typed = _typed(_columns(first, rest))
    return any(kind_of_cell(first[at]) not in (kind, "missing") for at, kind in typed.items())


def _columns(first: Row, rest: Sequence[Row]) -> list[tuple[str, ...]]:
    return list(zip(*(row for row in rest if len(row) == len(first)), strict=True))


def _typed(columns: Sequence[Sequence[str]]) -> dict[int, CellKind]:
    """The places of columns of numbers or dates."""
    kinds = {at: rest_kind(column) for at, column in enumerate(columns)}
    return {at: kind for at, kind in kinds.items() if kind in ("number", "date")}


def _counts(names: Sequence[str], cells: set[str]) -> bool:
    """Whether numbers are names: years in order, or 0, 1, 2, …, and none of the cells below."""
    if len(names) < 2 or not all(re.fullmatch(r"\d{1,4}", name) for name in names):
        return False
    values = [int(name) for name in names]
    steps = {after - before for before, after in pairwise(values)}
    is_years = 1800 <= values[0] <= 2100 and len(steps) == 1
    is_index = steps == {1} and values[0] == 0 and len(values) > 2
    return (is_years or is_index) and not cells.issuperset(names)


def units_below(body: Sequence[Row], width: int) -> str:
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
