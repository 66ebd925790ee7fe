"""Numbers by their rank among those of training: straight lines between quantiles."""

import keras
import numpy as np
from keras import ops

from ..columns.stats import ColumnStats
from ..data.source import Floats

_STEPS = 32
# Ranks are spread evenly over 0 to 1; this makes their standard deviation 1.
_SPREAD = 12**0.5


def ranked(tensor: keras.KerasTensor, stats: list[ColumnStats]) -> keras.KerasTensor:
    """Columns of numbers as ranks with mean 0 and variance 1; beyond training's range, those of its ends.

    Each rank is a sum of ramps, one between any two neighbouring quantiles, so that all columns are computed at once.

    Args:
        tensor: (rows, columns) of float32 or float64, none missing.
    """
    starts, widths, rises, floors = (
        np.stack(each) for each in zip(*(_ramps(one, tensor.dtype) for one in stats), strict=True)
    )
    share = (ops.expand_dims(tensor, -1) - starts) / widths
    ramps = ops.minimum(ops.maximum(share, 0.0), 1.0) * rises
    return ops.sum(ramps, axis=-1) + floors


def _ramps(stats: ColumnStats, dtype: str) -> tuple[Floats, Floats, Floats, Floats]:
    """Where the ramps of a column start, how wide they are and how far they rise; and the rank before the first.

    Of a value that many rows have, several quantiles are the same: it has the mean of their ranks.
    """
    shares = np.linspace(0, 1, _STEPS + 1)
    quantiles = stats.quantiles(shares.tolist()).astype(dtype)
    knots, place = np.unique(quantiles, return_inverse=True)
    ranks = (np.bincount(place, shares) / np.bincount(place) - 0.5) * _SPREAD
    missing = _STEPS - (len(knots) - 1)
    widths = np.maximum(np.diff(knots), np.finfo(dtype).tiny)
    return (
        np.concatenate([knots[:-1], np.repeat(knots[-1:], missing)]),
        np.concatenate([widths, np.ones(missing)]).astype(dtype),
        np.concatenate([np.diff(ranks), np.zeros(missing)]).astype(dtype),
        ranks[0].astype(dtype),
    )
