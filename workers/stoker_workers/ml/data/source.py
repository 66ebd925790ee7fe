"""Sources of data: named columns, read in batches in a stable order."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.data import file_system_of, reading

Values = NDArray[Any]
"""The rows of a column.

Numbers and booleans of any width; a column of them with gaps is float64, with NaN. Text is an object array of str, None
where it is missing. Times are datetime64[us] in UTC, NaT where they are missing. Lists are an object array of 1-D
arrays of numbers, or of lists of str.
"""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

ColumnType = Literal["number", "string", "time", "bool"]
"""What a column's cells are read as, where that is not to be found by looking at them."""

_LOAD_ROWS = 65_536

Role = Literal["value", "picture", "mask", "file", "about"]


@dataclass(frozen=True)
class Column:
    """One column of a source.

    Attributes:
        dtype: a numpy dtype's name, "string", "time", "list", or the name of a type of which nothing is learned.
        shape: the shape of one row's value; () for a plain number or text.
        role: "picture" if it was decoded, "mask" if its pixels are classes, "file" for names of files, "about"
            for what only describes a picture.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    role: Role = "value"

    @property
    def learnable(self) -> bool:
        """Whether it holds numbers, booleans, text, times or lists."""
        return self.dtype in ("string", "bool", "time", "list") or self.dtype.startswith(("int", "uint", "float"))


class Source(Protocol):
    """Rows that can be read any number of times, always in the same order.

    Attributes:
        rows: the number of rows; None if unknown until all are read.
        in_memory: whether the rows are in memory.
        notes: what was found by looking at the data and may be wrong, each in a sentence.
    """

    @property
    def columns(self) -> tuple[Column, ...]: ...

    @property
    def rows(self) -> int | None: ...

    @property
    def in_memory(self) -> bool: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        """The columns of `rows` rows at a time; the last batch may be shorter.

        Raises:
            InvalidJob: the data is malformed.
        """
        ...


class Ranged(ABC):
    """What need not read the rows before those that are wanted."""

    @abstractmethod
    def batches(self, rows: int, first: int = 0, last: int | None = None) -> Iterator[dict[str, Values]]:
        """The rows from `first` up to but not including `last`."""


class Arrays(Ranged):
    """A source of arrays in memory, all with the same number of rows.

    Args:
        origin: where they are from, for messages.
        columns: what the arrays hold; None reads it off them.
    """

    in_memory = True

    def __init__(
        self,
        arrays: Mapping[str, Values],
        origin: str,
        notes: tuple[str, ...] = (),
        columns: tuple[Column, ...] | None = None,
    ) -> None:
        self.notes = notes
        try:
            self._arrays = {name: _as_text(array) for name, array in arrays.items()}
        except UnicodeDecodeError:
            raise InvalidJob(f"{origin} holds text that is not UTF-8; write it as UTF-8") from None
        self.columns = columns or tuple(
            Column(name, _dtype_name(array), tuple(array.shape[1:])) for name, array in self._arrays.items()
        )
        lengths = {name: len(array) for name, array in self._arrays.items()}
        self.rows = next(iter(lengths.values()), 0)
        if len(set(lengths.values())) > 1:
            raise InvalidJob(f"{origin} has columns of different lengths ({lengths}); they must have equally many rows")

    def batches(self, rows: int, first: int = 0, last: int | None = None) -> Iterator[dict[str, Values]]:
        last = self.rows if last is None else last
        for start in range(first, last, rows):
            yield {name: array[start : min(start + rows, last)] for name, array in self._arrays.items()}


class RowRange:
    """The rows of another source from `start` to before `stop`, or to its end if that is None.

    Unless the source is `Ranged`, the rows before `start` are read, too.
    """

    def __init__(self, source: Source, start: int, stop: int | None) -> None:
        self._source = source
        self._start = start
        self._stop = stop if source.rows is None else min(source.rows if stop is None else stop, source.rows)
        self.columns = source.columns
        self.in_memory = source.in_memory
        self.notes = source.notes
        self.rows = None if self._stop is None else max(0, self._stop - start)

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        if isinstance(self._source, Ranged):
            yield from self._source.batches(rows, self._start, self._stop)
        else:
            yield from rebatched(self._pieces(rows), rows)

    def _pieces(self, rows: int) -> Iterator[dict[str, Values]]:
        first = 0
        for batch in self._source.batches(rows):
            count = rows_of(batch)
            stop = count if self._stop is None else min(self._stop - first, count)
            start = min(max(self._start - first, 0), count)
            if stop <= 0:
                return
            if start < stop:
                yield {name: values[start:stop] for name, values in batch.items()}
            first += count


class Marked:
    """Those rows of another source that are marked.

    Args:
        marks: for each row, whether it is wanted.
    """

    def __init__(self, source: Source, marks: Mask) -> None:
        self._source = source
        self._marks = marks
        self.columns = source.columns
        self.in_memory = source.in_memory
        self.notes = source.notes
        self.rows = int(marks.sum())

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        return rebatched(self._pieces(rows), rows)

    def _pieces(self, rows: int) -> Iterator[dict[str, Values]]:
        first = 0
        for batch in self._source.batches(rows):
            wanted = self._marks[first : first + rows_of(batch)]
            if wanted.any():
                yield {name: values[wanted] for name, values in batch.items()}
            first += len(wanted)


def loaded(source: Source) -> Arrays:
    """All rows of a source, in memory."""
    batches = list(source.batches(_LOAD_ROWS))
    if not batches:
        return Arrays({column.name: _nothing(column) for column in source.columns}, "", source.notes, source.columns)
    # The pieces of a column go as soon as it is joined.
    arrays = {column.name: np.concatenate([batch.pop(column.name) for batch in batches]) for column in source.columns}
    return Arrays(arrays, "", source.notes, source.columns)


def _nothing(column: Column) -> Values:
    dtype = {"string": "object", "list": "object", "time": "datetime64[us]"}.get(column.dtype, column.dtype)
    return np.empty((0, *column.shape), dtype)


def rows_of(batch: Mapping[str, Values]) -> int:
    """The number of a batch's rows."""
    return len(next(iter(batch.values())))


def absent(values: Values) -> NDArray[np.bool_]:
    """Which entries of an object array are None."""
    return np.array([value is None for value in values.ravel().tolist()], dtype=bool).reshape(values.shape)


def file_bytes(url: str) -> float:
    """The size of a file in bytes; infinite if its host does not say."""
    with reading(url):
        files, path = file_system_of(url)
        size = files.size(path)
        return math.inf if size is None else int(size)


def rebatched(pieces: Iterator[dict[str, Values]], rows: int) -> Iterator[dict[str, Values]]:
    """The same rows in the same order, `rows` at a time."""
    buffer: list[dict[str, Values]] = []
    count = 0
    for piece in pieces:
        buffer.append(piece)
        count += rows_of(piece)
        if count >= rows:
            whole = _joined(buffer)
            full = count - count % rows
            for start in range(0, full, rows):
                yield {name: values[start : start + rows] for name, values in whole.items()}
            count -= full
            buffer = [{name: values[full:] for name, values in whole.items()}]
    if count:
        yield _joined(buffer)


def _joined(pieces: list[dict[str, Values]]) -> dict[str, Values]:
    if len(pieces) == 1:
        return pieces[0]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _as_text(array: Values) -> Values:
    """Fixed-width text and bytes as an object array of str, None for an empty one; other arrays as they are."""
    if array.dtype.kind not in "US":
        return array
    decoded = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
    texts: Values = decoded.astype(object)
    texts[decoded == ""] = None
    return texts


def _dtype_name(array: Values) -> str:
    if array.dtype == object:
        return "string"
    return "time" if array.dtype.kind == "M" else array.dtype.name
