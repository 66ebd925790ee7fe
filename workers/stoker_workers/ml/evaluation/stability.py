"""How steady results are: bootstrap intervals, and noise on the inputs."""

from collections.abc import Callable, Mapping

import numpy as np

from stoker.kinds import Interval
from stoker.models.tensors import Array

from ..preprocessing.profile import Moments
from . import regression
from .classification import Confusion
from .regression import Floats

_SEED = 0  # of every resample and all noise: the same model on the same data gives the same figures
_INTERVAL = (2.5, 97.5)


def classification_intervals(confusion: Confusion, resamples: int) -> dict[str, Interval]:
    """95 % bootstrap intervals of the metrics of a confusion matrix.

    Drawing rows with replacement and counting them again is drawing the counts from a multinomial distribution:
    so a resample costs as much as there are different pairs, however many rows there were.
    """
    random = np.random.default_rng(_SEED)
    rows = int(confusion.counts.sum())
    shares = confusion.counts / rows
    return _intervals(lambda: confusion.metrics(random.multinomial(rows, shares)), resamples)


def regression_intervals(sums: Floats, resamples: int) -> dict[str, Interval]:
    """95 % bootstrap intervals of the metrics of a regression, from what `regression.error_sums` gives."""
    random = np.random.default_rng(_SEED)
    rows = len(sums)

    def draw() -> dict[str, float]:
        times_drawn = np.bincount(random.integers(rows, size=rows), minlength=rows)
        # Not a matrix product: for so thin a matrix, waking the threads of BLAS costs more than they save.
        return regression.metrics(np.einsum("r,rom->om", times_drawn.astype(np.float64), sums))

    return _intervals(draw, resamples)


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


def _intervals(draw: Callable[[], dict[str, float]], resamples: int) -> dict[str, Interval]:
    drawn = [draw() for _ in range(resamples)]
    edges = {name: np.percentile([metrics[name] for metrics in drawn], _INTERVAL) for name in drawn[0]}
    return {name: Interval(low=float(low), high=float(high)) for name, (low, high) in edges.items()}
