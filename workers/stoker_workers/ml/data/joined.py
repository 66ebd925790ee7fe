"""Several sources as one table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stoker.errors import InvalidJob

from .source import Column, Source, Values, rebatched, rows_of


@dataclass(frozen=True)
class Part:
    """A source that others are joined to.

    Attributes:
        ref: what it is called in messages.
        rows: how many it has.
    """

    ref: str
    source: Source
    rows: int


class Joined:
    """The rows of several sources, one source after the other.

    Args:
        parts: at least one.
        names: the columns that are read, which all sources have. Numbers of different types become float64.

    Raises:
        InvalidJob: a column holds different things in two of them.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, parts: Sequence[Part], names: Sequence[str]) -> None:
        self.columns = tuple(_joined_column(name, parts) for name in names)
        self.rows = sum(part.rows for part in parts)
        self.in_memory = all(part.source.in_memory for part in parts)
        self._parts = tuple(parts)

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        return rebatched((batch for part in self._parts for batch in self._batches(part, rows)), rows)

    def mixed(self, rows: int) -> Iterator[tuple[int, dict[str, Values]]]:
        """All rows, about `rows` at a time from all sources together, so that every stretch has its share of each.

        A batch is of one source, and comes after the number of its first row.
        """
        first, waiting = 0, []
        for part in self._parts:
            share = max(-(-rows * part.rows // max(self.rows, 1)), 1)
            waiting.append((first, self._batches(part, share)))
            first += part.rows
        while waiting:
            going = []
            for first, batches in waiting:
                batch = next(batches, None)
                if batch is not None:
                    yield first, batch
                    going.append((first + rows_of(batch), batches))
            waiting = going

    def _batches(self, part: Part, rows: int) -> Iterator[dict[str, Values]]:
        for batch in part.source.batches(rows):
            yield {column.name: _as(column, batch[column.name]) for column in self.columns}


def _as(column: Column, values: Values) -> Values:
    return values.astype(np.float64) if column.dtype == "float64" and values.dtype != np.float64 else values


def _joined_column(name: str, parts: Sequence[Part]) -> Column:
    [first, *others] = [(part, _column(name, part.source)) for part in parts]
    part, joined = first
    for other, column in others:
        if (column.dtype, column.shape) == (joined.dtype, joined.shape):
            continue
        if column.shape != joined.shape or not (_is_number(column) and _is_number(joined)):
            raise InvalidJob(
                f"column {name!r} holds {_words(joined)} in {part.ref}, and {_words(column)} in {other.ref}: rows are "
                "mixed only where a column holds the same in all; convert one of them"
            )
        joined = replace(joined, dtype="float64")
    return joined


def _column(name: str, source: Source) -> Column:
    return next(column for column in source.columns if column.name == name)


def _is_number(column: Column) -> bool:
    return column.dtype.startswith(("int", "uint", "float"))


def _words(column: Column) -> str:
    kinds = {"string": "text", "bool": "booleans", "time": "times", "list": "lists"}
    what = "numbers" if _is_number(column) else kinds.get(column.dtype, column.dtype)
    return f"{what} of shape {column.shape}" if column.shape else what
