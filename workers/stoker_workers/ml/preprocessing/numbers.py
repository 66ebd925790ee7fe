"""Numbers: imputed, centred and scaled."""

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from stoker.models.signature import TensorSpec

from ..columns.stats import ColumnStats
from .figures import Figures, figures, standard_deviation
from .quantiles import ranked
from .tensors import Feature

# In standard deviations: farther out, a value says no more.
_FARTHEST = 20.0
# Logarithms that vary less are of numbers near 0.
_NARROW = 1e-3


def scaled(tensor: keras.KerasTensor, features: list[Feature], *, normalize: bool) -> list[keras.KerasTensor]:
    """Columns of numbers with NaN for missing ones: filled, scaled, and an indicator for those with gaps in training.

    Args:
        tensor: (rows, columns) of float32 or float64, in which it is centred.
    """
    found = [figures(each) for each in features]
    missing = ops.isnan(tensor)
    filled = ops.where(missing, np.array([each.median for each in found], tensor.dtype), tensor)
    parts = _scaled(filled, features, found) if normalize else [ops.cast(filled, "float32")]
    if holes := [place for place, each in enumerate(features) if each.stats.missing]:
        parts.append(ops.cast(_taken(missing, holes), "float32"))
    return parts


def _scaled(tensor: keras.KerasTensor, features: list[Feature], found: list[Figures]) -> list[keras.KerasTensor]:
    """Columns without gaps, scaled each in its way: those by rank behind the others."""
    linear, by_rank = (
        [place for place, each in enumerate(features) if (each.scaling == "quantile") == ranks]
        for ranks in (False, True)
    )
    parts = []
    if linear:
        rows = _taken(tensor, linear)
        logs = np.array([features[place].scaling == "log" for place in linear])
        if logs.any():
            rows = _with_logarithms(rows, logs, min(found[place].spread for place in np.array(linear)[logs]))
        centres, spreads = (
            np.array([getattr(found[place], name) for place in linear], rows.dtype) for name in ("centre", "spread")
        )
        parts.append(ops.clip(ops.cast((rows - centres) / spreads, "float32"), -_FARTHEST, _FARTHEST))
    if by_rank:
        ranks = ranked(_taken(tensor, by_rank), [features[place].stats for place in by_rank])
        parts.append(ops.cast(ranks, "float32"))
    return parts


def _with_logarithms(tensor: keras.KerasTensor, logs: NDArray[np.bool_], spread: float) -> keras.KerasTensor:
    """Some columns as logarithms of 1 + |x|, with the sign of x.

    Not by `log1p`, which cannot be converted; so numbers near 0 take float64, in which 1 + |x| keeps their digits.

    Args:
        spread: the least of the logarithms' standard deviations.
    """
    tensor = ops.cast(tensor, "float64") if spread < _NARROW else tensor
    return ops.where(logs, ops.sign(tensor) * ops.log(1.0 + ops.abs(tensor)), tensor)


def _taken(tensor: keras.KerasTensor, places: list[int]) -> keras.KerasTensor:
    """Some columns; the tensor itself, if they are all."""
    return tensor if len(places) == tensor.shape[-1] else ops.take(tensor, np.array(places, np.int32), axis=-1)


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
