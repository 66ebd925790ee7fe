"""What fills and scales the numbers of a column."""

from dataclasses import dataclass

import numpy as np

from stoker.models.data import boolean_of

from ..columns.stats import ColumnStats
from ..data.source import Floats
from .tensors import Feature


@dataclass(frozen=True)
class Figures:
    """What fills and scales a column's numbers.

    Attributes:
        median: what a missing one is filled with.
        centre, spread: of what is scaled: numbers, or their logarithms.
    """

    median: float
    centre: float
    spread: float


def figures(feature: Feature) -> Figures:
    """Those of a column; of words for yes and no, those of 1 and 0."""
    stats = feature.stats
    if stats.column.dtype == "string":
        yes = sum(count for word, count in stats.distinct.counts.items() if boolean_of(str(word)))
        share = yes / max(stats.present, 1)
        return Figures(float(share > 0.5), share, float(standard_deviation(share, share * (1 - share))))
    median, mean = float(stats.quantiles([0.5])[0]), float(stats.moments.mean[0])
    spread = float(standard_deviation(stats.moments.mean, stats.moments.variance)[0])
    match feature.scaling:
        case "robust":
            return Figures(median, median, quartile_distance(stats) or spread)
        case "log":
            logarithms = _logarithms(stats)
            mean = float(logarithms.mean())
            return Figures(median, mean, float(standard_deviation(mean, logarithms.var())))
    return Figures(median, mean, spread)


def standard_deviation(mean: float | Floats, variance: float | Floats) -> Floats:
    """Standard deviations; 1 for what is constant in training up to float64's precision: it is only centred."""
    spread = np.sqrt(variance)
    return np.where(spread > 1e-12 * np.abs(mean), spread, 1.0)


def quartile_distance(stats: ColumnStats) -> float:
    """How far the middle half of the numbers reaches."""
    low, high = stats.quantiles([0.25, 0.75])
    return float(high - low)


def _logarithms(stats: ColumnStats) -> Floats:
    values = stats.sample.rows.astype(np.float64)
    return np.sign(values) * np.log1p(np.abs(values)) if len(values) else np.zeros(1)
