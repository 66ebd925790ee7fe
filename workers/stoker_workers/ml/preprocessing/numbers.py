"""Numbers: imputed, centred and scaled."""

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from stoker.models.data import boolean_of
from stoker.models.manifest import TensorSpec

from ..columns.stats import ColumnStats

# In standard deviations: farther out, a value says no more.
_FARTHEST = 20.0


def scaled(tensor: keras.KerasTensor, stats: list[ColumnStats], *, normalize: bool) -> list[keras.KerasTensor]:
    """Columns of numbers with NaN for missing ones: filled, scaled, and an indicator for those with gaps in training.

    Args:
        tensor: (rows, columns) of float32 or float64, in which it is centred.
    """
    medians, means, spreads = np.array([_figures(each) for each in stats], tensor.dtype).T
    missing = ops.isnan(tensor)
    filled = ops.where(missing, medians, tensor)
    if normalize:
        filled = (filled - means) / spreads
    parts = [ops.cast(filled, "float32")]
    if normalize:
        parts = [ops.clip(parts[0], -_FARTHEST, _FARTHEST)]
    holes = [place for place, each in enumerate(stats) if each.missing]
    if holes:
        gaps = missing if len(holes) == len(stats) else ops.take(missing, np.array(holes, np.int32), axis=-1)
        parts.append(ops.cast(gaps, "float32"))
    return parts


def standardised(
    tensor: keras.KerasTensor, spec: TensorSpec, stats: ColumnStats, *, normalize: bool
) -> keras.KerasTensor:
    """Arrays of numbers, scaled by feature or channel; images as a whole. Gaps get the mean."""
    whole = len(spec.shape) > 2 or stats.column.dtype == "uint8"
    mean, variance = stats.moments.pooled() if whole else (stats.moments.mean, stats.moments.variance)
    spread = standard_deviation(mean, variance)
    if spec.dtype == "float32" and not spec.gaps:
        if not normalize:
            return tensor
        axis = None if np.ndim(mean) == 0 else -1
        return keras.layers.Normalization(axis, np.asarray(mean).tolist(), np.square(spread).tolist())(tensor)
    means, spreads = np.asarray(mean, spec.dtype), np.asarray(spread, spec.dtype)
    filled = ops.where(ops.isnan(tensor), means, tensor) if spec.gaps else tensor
    if normalize:
        filled = (filled - means) / spreads
    return ops.cast(filled, "float32")


def rescaling(stats: ColumnStats, *, normalize: bool) -> keras.layers.Rescaling:
    """A layer that makes numbers of grey levels, centred and scaled as a whole, or as they are."""
    if not normalize:
        return keras.layers.Rescaling(1.0)
    mean, variance = stats.moments.pooled()
    spread = float(standard_deviation(mean, variance))
    return keras.layers.Rescaling(1 / spread, -mean / spread)


def _figures(stats: ColumnStats) -> tuple[float, float, float]:
    """Median, mean and standard deviation; of words for yes and no, those of 1 and 0."""
    if stats.column.dtype != "string":
        return (
            stats.quantiles([0.5])[0],
            stats.moments.mean[0],
            standard_deviation(stats.moments.mean, stats.moments.variance)[0],
        )
    yes = sum(count for word, count in stats.distinct.counts.items() if boolean_of(str(word)))
    share = yes / max(stats.present, 1)
    return float(share > 0.5), share, float(standard_deviation(share, share * (1 - share)))


def standard_deviation(mean: float | NDArray[np.float64], variance: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviations; 1 for what is constant in training up to float64's precision: it is only centred."""
    spread = np.sqrt(variance)
    return np.where(spread > 1e-12 * np.abs(mean), spread, 1.0)
