"""Rows grouped by the values of a column, gathered batch by batch."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from stoker.errors import InvalidJob
from stoker.models.rows import MISSING_CATEGORY, category

from ..data import Column, Values
from ..data.source import Floats, Ints

MISSING = "(missing)"
_MOST_VALUES = 1000
"""A column with more is a key or free text, of which each value says something of a row or two."""
_MOST_GROUPS = 30
_FEW_NUMBERS = 10
"""Up to so many different numbers are codes or grades, each a group of its own."""
_ROWS_EACH = 2
"""With fewer rows to a value on average, a slice of each says nothing."""
_QUARTERS = (0.25, 0.5, 0.75)
_DIGITS = range(4, 18)


@dataclass(frozen=True)
class Groups:
    """The groups of a column.

    Attributes:
        names: what the rows of each group have in common.
        of_row: (rows,) the group of each row.
    """

    column: str
    names: tuple[str, ...]
    of_row: Ints


class Grouping:
    """Groups rows by a column.

    Numbers and times are kept until all are known, 8 bytes each, for their quarters; of other values their number is.

    Raises:
        InvalidJob: the column's values are no single ones.
    """

    def __init__(self, column: Column) -> None:
        numeric = column.dtype.startswith(("int", "uint", "float"))
        if column.shape or not (numeric or column.dtype in ("string", "bool", "time")):
            what = f"entries of shape {column.shape}" if column.shape else column.dtype
            raise InvalidJob(
                f"slices names column {column.name!r}, which holds {what}; name columns of categories, numbers, times "
                "or booleans"
            )
        self._column = column
        self._ordered = numeric or column.dtype == "time"
        self._parts: list[Floats] = []
        self._numbers: list[Ints] = []
        self._number_of: dict[Hashable, int] = {}
        self._name_numbers: dict[str, int] = {}

    def add(self, values: Values) -> None:
        """Take in the column's values of a batch.

        Raises:
            InvalidJob: there are too many different ones.
        """
        if self._ordered:
            is_time = values.dtype.kind == "M"
            numbers = values.astype("datetime64[us]").astype(np.float64) if is_time else values.astype(np.float64)
            self._parts.append(np.where(np.isnat(values), np.nan, numbers) if is_time else numbers)
        else:
            self._numbers.append(np.fromiter(map(self._number, values.tolist()), np.int64, len(values)))

    def groups(self) -> Groups:
        """The groups of all rows taken in, each with at least one row; the largest ones where there are many."""
        names, of_row = self._ranges() if self._ordered else self._values()
        return Groups(self._column.name, *_with_rows(names, of_row))

    def warning(self) -> str | None:
        """Why slices of the rows taken in say little; None if they do not."""
        rows, distinct = sum(map(len, self._numbers)), len(self._name_numbers)
        if distinct <= _FEW_NUMBERS or rows >= _ROWS_EACH * distinct:
            return None
        return (
            f"slices by {self._column.name!r} say little: it has {distinct:,} different values in {rows:,} rows, so "
            "that most of them are of a single row; name a column of fewer values, such as a category or a number"
        )

    def _number(self, value: Hashable) -> int:
        number = self._number_of.get(value)
        if number is None:
            is_bool = self._column.dtype == "bool" and value == value  # with gaps, booleans are 0, 1 and NaN
            name = category(bool(value) if is_bool and value is not None else value)
            number = self._name_numbers.setdefault(name, len(self._name_numbers))
            if value == value:  # each NaN is another key
                self._number_of[value] = number
            if len(self._number_of) > _MOST_VALUES:
                raise InvalidJob(
                    f"slices names column {self._column.name!r}, which has more than {_MOST_VALUES:,} different "
                    "values: a slice of each would say nothing; name a column with fewer, or one of numbers or times"
                )
        return number

    def _values(self) -> tuple[list[str], Ints]:
        names = [MISSING if name == MISSING_CATEGORY else name for name in self._name_numbers]
        numbers = np.concatenate(self._numbers)
        rows = np.bincount(numbers, minlength=len(names))
        largest = np.argsort(-rows, kind="stable")
        if len(names) > _MOST_GROUPS:
            kept = largest[: _MOST_GROUPS - 1]
            names = [*(names[at] for at in kept), f"({len(names) - len(kept):,} other values)"]
        else:
            kept = largest
            names = [names[at] for at in kept]
        place = np.full(len(rows), len(kept))
        place[kept] = np.arange(len(kept))
        return names, place[numbers]

    def _ranges(self) -> tuple[list[str], Ints]:
        values = np.concatenate(self._parts)
        missing = np.isnan(values)
        present = values[~missing]
        distinct = np.unique(present)
        if len(distinct) <= _FEW_NUMBERS:
            edges, names = distinct, self._texts(distinct)
        else:
            edges = np.unique(np.quantile(present, _QUARTERS, method="inverted_cdf"))
            texts = self._texts(edges)
            between = [f"{low} to {high}" for low, high in pairwise(texts)]
            names = [f"up to {texts[0]}", *between, f"above {texts[-1]}"]
        # Each group includes its upper edge. NaN sorts behind all.
        of_row = np.where(missing, len(names), np.searchsorted(edges, values))
        return [*names, MISSING], of_row

    def _texts(self, values: Floats) -> list[str]:
        """Values in as few digits as tell them apart."""
        if self._column.dtype == "time":
            return _first_distinct(values, [_moment("D"), _moment("s"), _moment("us")])
        return _first_distinct(values, [_digits(count) for count in _DIGITS])


def _with_rows(names: list[str], of_row: Ints) -> tuple[tuple[str, ...], Ints]:
    numbers, of_row = np.unique(of_row, return_inverse=True)
    return tuple(names[number] for number in numbers.tolist()), of_row.astype(np.int64)


def _first_distinct(values: Floats, spellings: list[Callable[[float], str]]) -> list[str]:
    texts: list[str] = []
    for spell in spellings:
        texts = [spell(value) for value in values.tolist()]
        if len(set(texts)) == len(texts):
            break
    return texts


def _digits(count: int) -> Callable[[float], str]:
    return lambda value: f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.{count}g}"


def _moment(unit: Literal["D", "s", "us"]) -> Callable[[float], str]:
    return lambda value: str(np.datetime64(int(value), "us").astype(f"datetime64[{unit}]"))
