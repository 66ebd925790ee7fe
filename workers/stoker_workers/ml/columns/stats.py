"""Statistics of columns, gathered batch by batch in one pass."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..data import Column, Values
from ..data.source import Floats, Mask, absent
from .counting import Counting

MOST_DISTINCT = 100_000
"""Distinct values that are counted; a column with more is a key, free text or a measurement."""
_MOST_FRACTIONS = 1_000
"""The same for numbers with fractions, which are never codes: wide tables of measurements would fill the memory."""
_SAMPLE = 100_000
_SEED = 20_260_101

Value = str | int | float | bool


class Moments:
    """Mean, variance and range of numbers that arrive in batches, in float64 (Chan, Golub & LeVeque 1979).

    Rows of any rank have moments for each entry of their last axis: features, or channels. Missing numbers (NaN) are
    left out.

    Attributes:
        count: how many numbers of each entry there were.
        low, high: of all entries together; infinite before the first number.
    """

    def __init__(self, shape: tuple[int | None, ...] = ()) -> None:
        width = (shape[-1] or 1) if shape else 1
        self._width = width
        self._squares = np.zeros(width)
        self.count = np.zeros(width, dtype=np.int64)
        self.mean = np.zeros(width)
        self.lows = np.full(width, np.inf)
        self.highs = np.full(width, -np.inf)

    @np.errstate(invalid="ignore", over="ignore")
    def update(self, rows: Values) -> None:
        """Add rows of numbers; what is infinite spoils mean and variance, and is refused by who learns from them."""
        values = np.asarray(rows, dtype=np.float64).reshape(-1, self._width)
        if not len(values):
            return
        present = ~np.isnan(values)
        complete = bool(present.all())
        count = np.full(self._width, len(values)) if complete else present.sum(axis=0)
        some = np.maximum(count, 1)
        filled = values if complete else np.where(present, values, 0.0)
        mean = filled.sum(axis=0) / some
        spread = filled - mean if complete else np.where(present, values - mean, 0.0)
        delta, total = mean - self.mean, self.count + count
        share = count / np.maximum(total, 1)
        self._squares += (spread**2).sum(axis=0) + delta**2 * self.count * share
        self.mean = self.mean + delta * share
        self.count = total
        self.lows = np.minimum(self.lows, np.min(np.where(present, values, np.inf), axis=0))
        self.highs = np.maximum(self.highs, np.max(np.where(present, values, -np.inf), axis=0))

    @classmethod
    def beside(cls, columns: Sequence["Moments"]) -> "Moments":
        """Those of several columns of plain numbers as the entries of one."""
        joined = cls((len(columns),))
        for name in ("_squares", "count", "mean", "lows", "highs"):
            setattr(joined, name, np.concatenate([getattr(column, name) for column in columns]))
        return joined

    @property
    def variance(self) -> Floats:
        """The population variance of each entry."""
        return self._squares / np.maximum(self.count, 1)

    @property
    def low(self) -> float:
        """The least number of all entries."""
        return float(self.lows.min())

    @property
    def high(self) -> float:
        """The largest number of all entries."""
        return float(self.highs.max())

    @np.errstate(invalid="ignore", over="ignore")
    def pooled(self) -> tuple[float, float]:
        """Mean and variance of all entries as one."""
        total = max(int(self.count.sum()), 1)
        mean = float((self.mean * self.count).sum() / total)
        squares = self._squares.sum() + (self.count * (self.mean - mean) ** 2).sum()
        return mean, float(squares / total)


class Sample:
    """A random sample of rows, the same for the same rows: those with the lowest of numbers drawn for each."""

    def __init__(self, size: int = _SAMPLE) -> None:
        self._size = size
        self._random = np.random.default_rng(_SEED)
        self._keys = np.empty(0)
        self._rows: Values = np.empty(0)

    def update(self, rows: Values) -> None:
        """Add rows."""
        keys = self._random.random(len(rows))
        if len(self._keys):
            keys, rows = np.concatenate([self._keys, keys]), np.concatenate([self._rows, rows])
        if len(keys) > self._size:
            kept = np.sort(np.argpartition(keys, self._size)[: self._size])
            keys, rows = keys[kept], rows[kept]
        self._keys, self._rows = keys, rows

    @property
    def rows(self) -> Values:
        """The sampled rows, in the order of the data."""
        return self._rows


class Distinct:
    """Distinct values and how often each occurred, up to a limit.

    Attributes:
        most: the limit, which may be lowered.
        counts: occurrences by value, in order of appearance.
        rows: the rows that were counted; where the limit was reached, no further ones.
        complete: whether all rows were counted.
    """

    def __init__(self, most: int = MOST_DISTINCT) -> None:
        self.most = most
        self.counts: Counter[Value] = Counter()
        self.rows = 0
        self.complete = True

    def update(self, present: Values) -> None:
        """Add values, none of which is missing."""
        if not self.complete or not len(present):
            return
        self.counts.update(_counted(present))
        self.rows += len(present)
        self.complete = len(self.counts) <= self.most

    @property
    def share(self) -> float:
        """Distinct values per value, of those that were counted."""
        return len(self.counts) / max(self.rows, 1)


@dataclass
class ColumnStats:
    """What a column's rows are like.

    Attributes:
        rows: how many there were, missing ones included.
        missing: how many of them are missing. An array counts where one of its numbers is.
        distinct: of plain values; of arrays, none are counted.
        moments: of numbers, of booleans, of times in µs since 1970 and of arrays; of lists, those of all their entries.
        sample: of the rows that are present, except of arrays.
        whole: whether all numbers so far are whole.
        counting: how its numbers go on from row to row; of all rows, also of those that are not kept.
        one_hot: whether each array so far is all zeros but for a single 1.
        words: the mean number of words of a text.
        lengths: of lists.
    """

    column: Column
    rows: int = 0
    missing: int = 0
    whole: bool = True
    one_hot: bool = True
    words: float = 0.0
    distinct: Distinct = field(default_factory=Distinct)
    sample: Sample = field(default_factory=Sample)
    counting: Counting = field(default_factory=Counting)
    lengths: Moments = field(default_factory=Moments)
    moments: Moments = field(init=False)

    def __post_init__(self) -> None:
        self.moments = Moments(self.column.shape)

    @property
    def present(self) -> int:
        """How many rows are not missing."""
        return self.rows - self.missing

    def quantiles(self, shares: list[float]) -> Floats:
        """Quantiles of the numbers, from the sample."""
        values = np.asarray(self.sample.rows, dtype=np.float64)
        return np.quantile(values, shares) if len(values) else np.zeros(len(shares))

    def update(self, values: Values, kept: Mask | None = None) -> None:
        """Add the rows of a batch, or those of them that are kept."""
        self.counting.update(values)
        values = values if kept is None else values[kept]
        self.rows += len(values)
        if values.ndim > 1:
            self._arrays(values)
        elif self.column.dtype == "list":
            self._lists(values)
        elif values.dtype == object:
            self._texts(values)
        elif values.dtype.kind == "M":
            self._times(values)
        else:
            self._numbers(values)

    def _numbers(self, values: Values) -> None:
        present = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        if self.whole and values.dtype.kind == "f":
            self.whole = bool((np.floor(present) == present).all())
        if not self.whole:
            self.distinct.most = _MOST_FRACTIONS
        self._add(values, present)
        self.moments.update(present)

    def _times(self, values: Values) -> None:
        present = values[~np.isnat(values)].astype("datetime64[us]")
        self._add(values, present)
        self.moments.update(present.astype(np.int64))

    def _texts(self, values: Values) -> None:
        present = values[~absent(values)]
        before = self.present - len(values)
        self._add(values, present)
        some = present[: max(_SAMPLE - before, 0)]
        if len(some):
            words = sum(len(text.split()) for text in some)
            self.words = (self.words * before + words) / (before + len(some))

    def _arrays(self, values: Values) -> None:
        if values.dtype == object:
            gaps = absent(values).reshape(len(values), -1).any(axis=1)
        elif values.dtype.kind == "f":
            gaps = np.isnan(values).reshape(len(values), -1).any(axis=1)
            self.whole = self.whole and bool((np.floor(values) == values).all())
        else:
            gaps = np.zeros(len(values), dtype=bool)
        self.missing += int(gaps.sum())
        if values.dtype == object:
            return
        self.moments.update(values)
        if self.one_hot:
            rows = values.reshape(len(values), -1)
            self.one_hot = bool((((rows == 0) | (rows == 1)).all(axis=1) & ((rows == 1).sum(axis=1) == 1)).all())

    def _lists(self, values: Values) -> None:
        present = [value for value in values if value is not None]
        self.missing += len(values) - len(present)
        self.lengths.update(np.array([len(value) for value in present]))
        filled = [np.asarray(value) for value in present if len(value)]
        if not filled:
            return
        entries = np.concatenate(filled)
        if entries.dtype.kind in "OU":
            self.distinct.update(entries[~absent(entries)].astype(object))
        else:
            self.moments.update(entries)
            self.whole = self.whole and bool((np.floor(entries) == entries).all())

    def _add(self, values: Values, present: Values) -> None:
        self.missing += len(values) - len(present)
        self.distinct.update(present)
        self.sample.update(present)


def _counted(present: Values) -> dict[Value, int]:
    """How often each value occurs, in order of appearance."""
    if present.dtype == object:
        # Arrow counts text several times as fast as Python; it is imported already where a table is read.
        import pyarrow as pa

        counted = pa.array(present, pa.string()).value_counts()
        return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    values, first, counts = np.unique(present, return_index=True, return_counts=True)
    order = np.argsort(first)
    return dict(zip(values[order].tolist(), counts[order].tolist(), strict=True))
