"""The weights of rows: a column of numbers from 0 on, none of which is missing."""

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.values import Numbering, numbers

from ..columns.stats import Moments
from ..data import Values


def row_weights(values: Values, name: str, numbering: Numbering) -> NDArray[np.float64]:
    """The weights of rows.

    Args:
        numbering: the number of each row, for messages.

    Raises:
        InvalidJob: one is missing, negative, infinite or no number.
    """
    weights = numbers(values, name, gaps=True, numbering=numbering)
    wrong = ~(weights >= 0)
    if weights.ndim > 1 or wrong.any():
        row = int(np.argmax(wrong))
        got = "a list" if weights.ndim > 1 else "no weight" if np.isnan(weights[row]) else f"{weights[row]:g}"
        raise InvalidJob(
            f"sample_weight {name!r} holds {got} in row {numbering[row]} (the first row is 0); expected a number from "
            "0 on: correct it, or set 0 to leave the row out"
        )
    return weights


def mean_weight(weights: Moments, name: str) -> float:
    """The mean of the training rows.

    Raises:
        InvalidJob: all are 0.
    """
    mean = float(weights.mean[0])
    if mean <= 0:
        raise InvalidJob(f"sample_weight {name!r} is 0 in every row to train on, so nothing is learned; correct it")
    return mean
