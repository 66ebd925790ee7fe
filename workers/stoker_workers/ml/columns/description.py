"""A column's statistics as a description of it."""

import math
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from stoker.kinds import DescribedColumn, Histogram
from stoker.kinds.describe import Value

from .content import is_number, is_plain, time_range, word
from .decision import Decision
from .stats import ColumnStats

_BINS = 20
_COMMONEST, _EXAMPLES, _LONGEST = 10, 3, 80


def described(stats: ColumnStats, decision: Decision) -> DescribedColumn:
    """What a column holds and what is made of it."""
    is_tags = decision.kind == "tags"
    counts = stats.distinct.counts if is_plain(stats) or is_tags else None
    is_written = decision.kind == "time" and stats.column.dtype != "time"
    low, high, mean, median = _written_range(stats) if is_written else _range(stats)
    is_labels = is_tags or decision.kind in ("category", "boolean")
    return DescribedColumn(
        name=stats.column.name,
        kind=decision.kind,
        why=decision.why,
        warning=decision.warning,
        dtype=stats.column.dtype,
        shape=stats.column.shape,
        missing=stats.missing,
        distinct=None if counts is None else len(counts),
        exact=stats.distinct.complete,
        low=low,
        high=high,
        mean=mean,
        median=median,
        examples=tuple(_short(value) for value in islice(counts or (), _EXAMPLES)),
        histogram=_histogram(stats) if decision.kind in ("number", "time") and not is_written else None,
        commonest={_short(value): count for value, count in counts.most_common(_COMMONEST)}
        if counts is not None and is_labels
        else {},
    )


def _range(stats: ColumnStats) -> tuple[Value | None, ...]:
    """Lowest, highest, mean and median."""
    if not stats.moments.count.any():
        return None, None, None, None
    mean, _ = stats.moments.pooled()
    median = float(stats.quantiles([0.5])[0]) if len(stats.sample.rows) else math.nan
    return tuple(_value(number, stats) for number in (stats.moments.low, stats.moments.high, mean, median))


def _written_range(stats: ColumnStats) -> tuple[Value | None, ...]:
    """The first and the last of times that are written as texts or numbers, whose mean would be no time."""
    if not stats.present:
        return None, None, None, None
    first, last = (_moment(edge) for edge in time_range(stats))
    return first, last, None, None


def _moment(microseconds: float) -> str:
    return str(np.datetime64(round(microseconds), "us").astype("M8[s]"))


def _value(number: float, stats: ColumnStats) -> Value | None:
    """A number for the description; a moment's µs since 1970 as text."""
    if not math.isfinite(number):
        return None
    return _moment(number) if stats.column.dtype == "time" else number


def _histogram(stats: ColumnStats) -> Histogram | None:
    if not (is_number(stats) or stats.column.dtype == "time"):
        return None
    numbers = stats.sample.rows.astype(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers) or not math.isfinite(numbers.max() - numbers.min()):
        return None
    counts, edges = np.histogram(numbers, _edges(numbers, whole=stats.whole and stats.column.dtype != "time"))
    values = [value for edge in edges.tolist() if (value := _value(edge, stats)) is not None]
    return Histogram(edges=tuple(values), counts=tuple(counts.tolist()))


def _edges(numbers: NDArray[np.float64], *, whole: bool) -> NDArray[np.float64]:
    """Edges of equal distance; around each of a few whole numbers."""
    low, high = numbers.min(), numbers.max()
    if whole and high - low < _BINS:
        return np.arange(low, high + 2) - 0.5
    return np.linspace(low, high, _BINS + 1) if low < high else np.array([low, low])


def _short(value: object) -> str:
    text = word(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
