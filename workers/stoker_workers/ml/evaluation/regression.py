"""How far predicted numbers are off."""

import numpy as np

from ..data.source import Floats

_ROUNDING = 1e-12
"""A spread below this share of the squares is a constant truth, seen through rounding errors."""


def error_sums(truth: Floats, predicted: Floats, centre: Floats) -> Floats:
    """What adds up over the rows to all that `metrics` needs, also with weights on the rows.

    Args:
        truth, predicted: (rows, outputs).
        centre: (outputs,) near the mean of the truth: squares of what is far from 0 would lose their digits.

    Returns:
        (rows, outputs, 5) of 1, squared error, absolute error, centred truth and its square.
    """
    error = predicted - truth
    centred = truth - centre
    return np.stack([np.ones_like(error), error**2, np.abs(error), centred, centred**2], axis=-1)


def metrics(sums: Floats) -> dict[str, float]:
    """MSE and its root, MAE and R², averaged over the outputs.

    R² of a constant truth is 1 if met exactly, else 0, as in scikit-learn.

    Args:
        sums: (outputs, 5), what `error_sums` gives, added up over the rows.
    """
    rows, squared, absolute, truth, truth_squared = sums.T
    spread = truth_squared - truth**2 / rows
    constant = spread <= _ROUNDING * truth_squared
    r2 = np.where(constant, squared == 0, 1 - squared / np.where(constant, 1, spread))
    return {
        "mse": float((squared / rows).mean()),
        "rmse": float(np.sqrt(squared / rows).mean()),
        "mae": float((absolute / rows).mean()),
        "r2": float(r2.mean()),
    }
