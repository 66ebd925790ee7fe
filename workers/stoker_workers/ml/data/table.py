"""Tables of named columns in several files, streamed or in memory."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from stoker.errors import InvalidJob
from stoker.models.data import Partition, listed

from .keys import Keys
from .source import Column, ColumnType, Values, rebatched, rows_of

_MOST_NOTES = 8


class Table(Protocol):
    """Files of the same columns.

    Attributes:
        rows: the number of rows of each file.
        size: about how many bytes the rows take in memory.
    """

    @property
    def columns(self) -> tuple[Column, ...]: ...

    @property
    def rows(self) -> Sequence[int]: ...

    @property
    def size(self) -> float: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    def pieces(self, file: int) -> Iterator[dict[str, Values]]:
        """The rows of one file, by its place among them, some at a time.

        Raises:
            InvalidJob: it is malformed.
        """
        ...


class TableStream:
    """A source that reads the files of a table on every pass; the keys of their folders are columns, too.

    Args:
        partitions: of each file; empty where there are none.
        types: of columns whose type is known.
    """

    in_memory = False

    def __init__(self, table: Table, partitions: Sequence[Partition], types: Mapping[str, ColumnType]) -> None:
        self._table = table
        self._keys = Keys(partitions, {column.name for column in table.columns}, types)
        self.columns = (*table.columns, *self._keys.columns)
        self.rows = sum(table.rows)
        self.notes = table.notes

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        return rebatched(self._pieces(), rows)

    def _pieces(self) -> Iterator[dict[str, Values]]:
        for file in range(len(self._table.rows)):
            for piece in self._table.pieces(file):
                rows = rows_of(piece)
                yield piece | self._keys.values(file, rows)


def require_same_names(names: Sequence[str], first: Sequence[str], url: str, first_url: str) -> None:
    """Refuse a file whose columns are not those of the first one, or that names one twice.

    Raises:
        InvalidJob: it is such a file.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InvalidJob(f"{url} names a column twice: {', '.join(map(repr, twice[:10]))}; rename one of each")
    if sorted(names) != sorted(first):
        raise InvalidJob(
            f"{url} has columns {listed(names)}, but {first_url} {listed(first)}; all files must have the same"
        )


def is_index(name: str) -> bool:
    """Whether a column's name is one that tools for tables give to the numbers of rows."""
    return bool(re.fullmatch(r"Unnamed: \d+(\.\d+)?|__index_level_\d+__", name))


def index_note(names: Sequence[str]) -> str:
    """What is said of columns that only number the rows."""
    quoted = ", ".join(f"{name!r}" for name in names)
    return f"{quoted}: left out, for it numbers the rows; set columns={{{names[0]!r}: 'number'}} to read it"


def gap_notes(gaps: Mapping[str, tuple[int, Sequence[str]]], rows: int) -> list[str]:
    """What is said of missing values.

    Args:
        gaps: of each column with gaps, their number, and how they are written, the most frequent first.
        rows: the number of rows.
    """
    notes = []
    for name, (count, markers) in list(gaps.items())[:_MOST_NOTES]:
        written = ", ".join(f'"{marker}"' if marker else "empty" for marker in markers[:3])
        notes.append(f"{name}: {_percent(count, rows)} missing" + (f" ({written})" if written else ""))
    if len(gaps) > _MOST_NOTES:
        notes.append(f"{len(gaps) - _MOST_NOTES} more columns have missing values")
    return notes


def _percent(count: int, rows: int) -> str:
    share = 100 * count / rows
    return f"{share:.1f} %" if share >= 0.05 else f"{count:,} of {rows:,}"
