"""How steady results are: bootstrap intervals, and noise on the inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stoker.kinds import Interval
from stoker.models.tensors import Array

from ..columns.stats import Moments
from .classification import Floats, Ints

_SEED = 0  # of every resample and all noise: the same model on the same data gives the same figures
_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Scored:
    """How one model did on each row, so that its metrics can be told of rows drawn again.

    Attributes:
        alike: (rows,) a number for each row, from 0; to every metric, rows of one number are the same.
        metrics: the metrics of rows, from how many there are of each number.
    """

    alike: Ints
    metrics: Callable[[Ints], dict[str, float]]


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


class Noise:
    """Gaussian noise of one level: the same on the same rows, however they are cut into batches.

    Args:
        level: its size, in standard deviations.
        moments: of the inputs that get noise; others, texts for one, stay as they are.
    """

    def __init__(self, level: float, moments: Mapping[str, Moments]) -> None:
        self._scales = {name: (level * np.sqrt(seen.variance)).astype(np.float32) for name, seen in moments.items()}
        self._random = {name: np.random.default_rng((_SEED, at)) for at, name in enumerate(self._scales)}

    def on(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The next rows with noise added."""
        return {name: self._noisy(name, array) if name in self._scales else array for name, array in inputs.items()}

    def _noisy(self, name: str, array: Array) -> Array:
        noise = self._random[name].standard_normal(array.shape, dtype=np.float32)
        noisy: Array = array + (self._scales[name] * noise).astype(array.dtype)
        return noisy


def _distinct(models: Sequence[Scored]) -> tuple[list[Ints], Ints]:
    """The rows that differ for any of the models: their numbers by model, and how many rows are like each."""
    codes = np.zeros(len(models[0].alike), dtype=np.int64)
    for model in models:
        pairs = codes * (model.alike.max() + 1) + model.alike
        _, first, codes, counts = np.unique(pairs, return_index=True, return_inverse=True, return_counts=True)
    return [model.alike[first] for model in models], counts
