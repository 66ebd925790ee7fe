"""How the errors of predicted numbers are spread."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ..data.source import Floats

_MOST_BINS = 40
_OUTSIDE = 0.5  # per cent of the rows, at each end: a single wild error would leave all others in one bin
_INNER = (5, 50, 95)
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Residuals:
    """The truth minus the prediction: above 0 where the prediction is too low.

    Attributes:
        mean: 0 for a model that is right on average.
        low, median, high: of 20 rows, one is below the first and one above the last.
        edges: the ends of the histogram's bins, all of one width.
        counts: rows in each bin.
        below, above: rows outside the bins.
    """

    mean: float
    low: float
    median: float
    high: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int
    above: int

    @classmethod
    def of(cls, residuals: Floats) -> Self:
        """From those of all rows, of which there is at least one."""
        low, median, high = np.percentile(residuals, _INNER).tolist()
        first, last = np.percentile(residuals, (_OUTSIDE, 100 - _OUTSIDE)).tolist()
        bins = min(int(np.ceil(2 * np.cbrt(len(residuals)))), _MOST_BINS)
        size = max(abs(first), abs(last), 1.0)
        if last - first < _ROUNDING * size:  # too narrow for bins that differ
            first, last = first - size / 2, last + size / 2
        counts, edges = np.histogram(residuals, bins, (first, last))
        return cls(
            mean=float(residuals.mean()),
            low=low,
            median=median,
            high=high,
            edges=tuple(edges.tolist()),
            counts=tuple(counts.tolist()),
            below=int((residuals < edges[0]).sum()),
            above=int((residuals > edges[-1]).sum()),
        )
