"""How steady results are: bootstrap intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stoker.kinds import Interval

from ..data.source import Floats, Ints

_SEED = 0  # of every resample: the same model on the same data gives the same figures
_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Scored:
    """How one model did on each row, so that its metrics can be told of rows drawn again.

    Attributes:
        alike: (rows,) a number for each row, from 0; to every metric, rows of one number are the same.
        metrics: the metrics of rows, from how many there are of each number.
        means: those metrics that are a mean over the rows: their value for a row of each number.
    """

    alike: Ints
    metrics: Callable[[Ints], dict[str, float]]
    means: Mapping[str, Floats] = field(default_factory=dict)


def counted(counts: Ints, rows: Floats) -> Floats:
    """The sum of rows, each as often as it is counted."""
    # Not a matrix product: for so thin a matrix, waking the threads of BLAS costs more than they save.
    total: Floats = np.einsum("r,r...->...", counts.astype(np.float64), rows)
    return total


def resampled(models: Sequence[Scored], times: int) -> list[dict[str, Floats]]:
    """The metrics of each model on as many rows drawn with replacement, so many times.

    All models see the same draws, so that their differences mean something. Drawing rows and counting those that are
    alike is drawing the counts from a multinomial distribution: so a resample costs as much as there are different
    rows, however many there were.
    """
    numbers, counts = _distinct(models)
    rows = int(counts.sum())
    random = np.random.default_rng(_SEED)

    def draw() -> Ints:
        """How often each distinct row is drawn."""
        if len(counts) == rows:
            return np.bincount(random.integers(rows, size=rows), minlength=rows)
        return random.multinomial(rows, counts / rows)

    drawn: list[list[dict[str, float]]] = [[] for _ in models]
    for _ in range(times):
        again = draw()
        for model, number, metrics in zip(models, numbers, drawn, strict=True):
            metrics.append(model.metrics(np.bincount(number, again).astype(np.int64)))
    return [{name: np.array([each[name] for each in metrics]) for name in metrics[0]} for metrics in drawn]


def intervals(draws: Mapping[str, Floats]) -> dict[str, Interval]:
    """95 % bootstrap intervals of metrics, from what `resampled` gives of one model."""
    return {name: interval(values) for name, values in draws.items()}


def interval(values: Floats) -> Interval:
    """What 95 % of the values lie within."""
    low, high = np.percentile(values, _INTERVAL)
    return Interval(low=float(low), high=float(high))


def _distinct(models: Sequence[Scored]) -> tuple[list[Ints], Ints]:
    """The rows that differ for any of the models: their numbers by model, and how many rows are like each."""
    codes = np.zeros(len(models[0].alike), dtype=np.int64)
    for model in models:
        pairs = codes * (model.alike.max() + 1) + model.alike
        _, first, codes, counts = np.unique(pairs, return_index=True, return_inverse=True, return_counts=True)
    return [model.alike[first] for model in models], counts
