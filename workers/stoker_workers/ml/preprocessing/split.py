"""The split of rows into those that are trained on, those that are validated on, and those that are left out."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.rows import MISSING_TIME, category, encode
from stoker.models.signature import TensorSpec

from ..data import Source, Values
from ..data.source import rebatched, rows_of

Sides = NDArray[np.int8]
TRAINED, HELD_OUT, UNUSED = 0, 1, 2
"""What a row is for; a row that is unused is newer than what a fold validates on."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Split(Protocol):
    """Assigns every row to a side, the same in every pass."""

    def sides(self, batch: Mapping[str, Values], first: int) -> Sides:
        """The side of each row of a batch, whose first row has the index `first` in the data."""
        ...


class ExactSplit:
    """Sides that are known row by row."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides

    @classmethod
    def holding_out(cls, rows: int, held_out: NDArray[np.intp]) -> "ExactSplit":
        """Holds these rows out, of so many."""
        sides = np.full(rows, TRAINED, dtype=np.int8)
        sides[held_out] = HELD_OUT
        return cls(sides)

    def sides(self, batch: Mapping[str, Values], first: int) -> Sides:
        return self._sides[first : first + rows_of(batch)]


class SplitBehind:
    """Splits rows from one on as another split does; those before it are all trained on."""

    def __init__(self, first: int, split: Split) -> None:
        self._first = first
        self._split = split

    def sides(self, batch: Mapping[str, Values], first: int) -> Sides:
        sides = np.full(rows_of(batch), TRAINED, dtype=np.int8)
        before = min(max(self._first - first, 0), len(sides))
        if before < len(sides):
            behind = {name: values[before:] for name, values in batch.items()}
            sides[before:] = self._split.sides(behind, first + before - self._first)
        return sides


class OneSide:
    """A source of the rows that a split of another source has on one side."""

    rows = None

    def __init__(self, source: Source, split: Split, side: int) -> None:
        self._source = source
        self._split = split
        self._side = side
        self.columns = source.columns
        self.in_memory = source.in_memory
        self.notes = source.notes

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        yield from rebatched(self._pieces(rows), rows)

    def _pieces(self, rows: int) -> Iterator[dict[str, Values]]:
        first = 0
        for batch in self._source.batches(rows):
            chosen = self._split.sides(batch, first) == self._side
            first += rows_of(batch)
            if chosen.any():
                yield {name: values[chosen] for name, values in batch.items()}


class NotedSplit:
    """A split of which one pass over all rows notes what it does.

    Attributes:
        rows, held_out: how many rows there were, and how many of them are held out.
    """

    def __init__(self, split: Split) -> None:
        self._split = split
        self._hash = hashlib.sha256()
        self.rows = self.held_out = 0

    @property
    def digest(self) -> str:
        """See `HeldOut`."""
        return self._hash.hexdigest()

    def sides(self, batch: Mapping[str, Values], first: int) -> Sides:
        sides = self._split.sides(batch, first)
        held_out = sides == HELD_OUT
        self._hash.update(held_out.tobytes())
        self.rows += len(sides)
        self.held_out += int(held_out.sum())
        return sides


class HashedSplit:
    """Holds out about a share of the rows by a hash; the number of rows may be unknown.

    Args:
        low, high: the hashes that are held out, as shares of all of them.
        column: all rows of one of its values have one hash. Without it, and where the value is missing, the hash is
            that of the row's index.
    """

    def __init__(self, low: float, high: float, seed: int, column: str | None = None) -> None:
        self._low, self._high = low, high
        self._seed = seed
        self._column = column

    def sides(self, batch: Mapping[str, Values], first: int) -> Sides:
        hashes = _index_hashes(first, first + rows_of(batch), self._seed)
        if self._column is not None:
            codes, values = codes_of(batch[self._column], self._column)
            own = np.array([_value_hash(value, self._seed) for value in values], dtype=np.uint64)
            hashes = np.where(codes < 0, hashes, own[codes] if len(own) else hashes)
        shares = hashes / 2.0**64
        return np.where((shares >= self._low) & (shares < self._high), HELD_OUT, TRAINED).astype(np.int8)


class TimeSplit:
    """Holds out the rows from one time on, and leaves out those from another; rows without a time are trained on.

    Args:
        first, end: of the rows to hold out, as `times_of` gives them; `end` is the first that is not, None for no end.
    """

    def __init__(self, column: str, first: float, end: float | None) -> None:
        self._column = column
        self._first, self._end = first, np.inf if end is None else end

    def sides(self, batch: Mapping[str, Values], first: int) -> Sides:
        times = times_of(batch[self._column], self._column, first)
        sides = np.where(times >= self._first, HELD_OUT, TRAINED)
        return np.where(times >= self._end, UNUSED, sides).astype(np.int8)


def codes_of(values: Values, name: str) -> tuple[NDArray[np.intp], list[Any]]:
    """The number of each row's value among the distinct ones in order, -1 where it is missing; and these.

    Raises:
        InvalidJob: the column does not hold plain values, or rows of numbers.
    """
    if values.ndim > 2 or (values.ndim == 2 and values.dtype == object):
        raise InvalidJob(f"column {name!r} has rows of shape {values.shape[1:]}, by which no rows can be split")
    if values.ndim == 2:
        distinct, codes = np.unique(values, axis=0, return_inverse=True)
        return codes.reshape(-1), distinct.tolist()
    if values.dtype == object:
        present = np.fromiter((value is not None for value in values), bool, len(values))
        if not all(isinstance(value, str) for value in values[present]):
            raise InvalidJob(f"column {name!r} holds lists, by which no rows can be split")
    else:
        present = values == values  # of NaN and NaT, each differs from itself
    distinct, inverse = np.unique(values[present], return_inverse=True)
    codes = np.full(len(values), -1, dtype=np.intp)
    codes[present] = inverse
    return codes, list(distinct)


def times_of(values: Values, name: str, first: int = 0) -> NDArray[np.float64]:
    """Times in µs since 1970, also of texts by ISO 8601, or numbers that stand for times; NaN where one is missing.

    Args:
        first: the number of the first row, for messages.

    Raises:
        InvalidJob: the column holds neither.
    """
    if values.dtype == object and values.ndim == 1:
        spec = TensorSpec(name="times", dtype="int64", kind="time", gaps=True, columns=(name,))
        times = encode([spec], {name: values}, range(first, first + len(values)))["times"][:, 0]
        return np.where(times == MISSING_TIME, np.nan, times.astype(np.float64))
    if values.dtype.kind == "M" and values.ndim == 1:
        return np.where(np.isnat(values), np.nan, values.astype("datetime64[us]").astype(np.float64))
    if values.dtype.kind in "iuf" and values.ndim == 1:
        return values.astype(np.float64)
    raise InvalidJob(f"time names column {name!r}, which holds neither times nor numbers; name another one")


def _value_hash(value: Any, seed: int) -> int:
    text = str(value) if isinstance(value, np.datetime64 | list) else category(value)
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=seed.to_bytes(8, "little"))
    return int.from_bytes(digest.digest(), "little")


def _index_hashes(start: int, stop: int, seed: int) -> NDArray[np.uint64]:
    # SplitMix64 (Steele, Lea & Flood 2014): every bit of the result depends on every bit of the index.
    z = (np.arange(start, stop, dtype=np.uint64) + np.uint64(1)) * _GOLDEN + np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
