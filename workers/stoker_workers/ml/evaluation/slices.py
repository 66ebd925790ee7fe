"""How good predictions are on the rows of each value of a column, and where they are clearly worse."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from stoker.kinds import Interval, Slice
from stoker.kinds.training.outputs import larger_is_better

from ..data.source import Floats
from .groups import Groups
from .stability import Scored

ENOUGH_ROWS = 30
"""Of fewer, a mean says little, and its spread less."""
_CLEARLY = 1.25  # times as many errors as all other rows have
_CHANCE = 0.01  # that any slice at all is called worse where all are alike
_SMALLEST = 1e-12
_MOST_WARNINGS = 5
_NORMAL = NormalDist()
_INTERVAL = _NORMAL.inv_cdf(0.975)


@dataclass(frozen=True)
class _Means:
    """A metric that is a mean over the rows, by group.

    Attributes:
        rows, mean, variance: of each group.
        others, other_mean, other_variance: of all rows outside of it; those of no rows are 0.
    """

    rows: Floats
    mean: Floats
    variance: Floats
    others: Floats
    other_mean: Floats
    other_variance: Floats

    @classmethod
    def of(cls, values: Floats, groups: Groups) -> "_Means":
        count = len(groups.names)
        centred = values - values.mean()  # a mean far from 0 would take the digits of the squares
        sums = np.stack([np.bincount(groups.of_row, weights, count) for weights in (centred**0, centred, centred**2)])
        sides = []
        for rows, total, squares in (sums, sums.sum(axis=1, keepdims=True) - sums):
            some = np.maximum(rows, 1)
            sides += [rows, values.mean() + total / some, np.maximum(squares / some - (total / some) ** 2, 0)]
        return cls(*sides)

    def intervals(self, metric: str) -> list[Interval | None]:
        """Of each group with enough rows, the 95 % interval."""
        half = _INTERVAL * np.sqrt(self.variance / self.rows)
        low, high = (self.mean - half).clip(0), self.mean + half
        if larger_is_better(metric):
            high = high.clip(max=1)
        given = zip(low.tolist(), high.tolist(), (self.rows >= ENOUGH_ROWS).tolist(), strict=True)
        return [Interval(low=least, high=most) if is_enough else None for least, most, is_enough in given]

    def worse(self, metric: str, tests: int) -> Floats:
        """How many times the errors of all other rows each group has, in one of so many tests; 0 where that is not
        clearly more.
        """
        errors, others = self.mean, self.other_mean
        if larger_is_better(metric):  # a share of right rows
            errors, others = 1 - errors, 1 - others
        enough = (self.rows >= ENOUGH_ROWS) & (self.others >= ENOUGH_ROWS)
        deviation = np.sqrt(self.variance / self.rows + self.other_variance / np.maximum(self.others, 1))
        chance = _NORMAL.inv_cdf(1 - _CHANCE / tests) * deviation
        clear = enough & (errors > 0) & (errors - others > chance) & (errors > _CLEARLY * others)
        times: Floats = np.where(clear, errors / np.maximum(others, _SMALLEST), 0.0)
        return times


@dataclass(frozen=True)
class Sliced:
    """The slices of all columns, and a sentence on each of the worst ones."""

    slices: tuple[Slice, ...]
    warnings: tuple[str, ...]


def measure_slices(columns: Sequence[Groups], scored: Scored) -> Sliced:
    """Measure each group of each column by the headline metrics."""
    by_row = {metric: values[scored.alike] for metric, values in scored.means.items()}
    tests = max(sum(len(groups.names) for groups in columns) * len(by_row), 1)
    slices: list[Slice] = []
    warnings: list[tuple[float, str]] = []
    for groups in columns:
        means = {metric: _Means.of(values, groups) for metric, values in by_row.items()}
        times = {metric: mean.worse(metric, tests) for metric, mean in means.items()}
        own = list(_slices_of(groups, scored, means, times))
        slices += own
        warnings += [
            (float(times[metric][place]), _warning(each, metric, float(means[metric].other_mean[place])))
            for place, each in enumerate(own)
            for metric in each.worse
        ]
    ranked = [text for _, text in sorted(warnings, key=lambda each: -each[0])]
    return Sliced(tuple(slices), tuple(_first(ranked)))


def _slices_of(
    groups: Groups, scored: Scored, means: Mapping[str, _Means], times: Mapping[str, Floats]
) -> Iterator[Slice]:
    numbers = int(scored.alike.max()) + 1
    intervals = {metric: mean.intervals(metric) for metric, mean in means.items()}
    for place, name in enumerate(groups.names):
        rows = scored.alike[groups.of_row == place]
        yield Slice(
            column=groups.column,
            value=name,
            rows=len(rows),
            metrics=scored.metrics(np.bincount(rows, minlength=numbers).astype(np.int64)),
            intervals={metric: given for metric, each in intervals.items() if (given := each[place])},
            worse=tuple(metric for metric, each in times.items() if each[place]),
        )


def _warning(worse: Slice, metric: str, other: float) -> str:
    return (
        f"{worse.column} {worse.value} is clearly worse: {metric} {worse.metrics[metric]:.4g} on {worse.rows:,} rows, "
        f"{other:.4g} on all others"
    )


def _first(warnings: Sequence[str]) -> Iterator[str]:
    yield from warnings[:_MOST_WARNINGS]
    if (more := len(warnings) - _MOST_WARNINGS) > 0:
        yield f"{more} more slices are clearly worse: the report has all"
