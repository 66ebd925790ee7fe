"""Columns that give the target away: each alone predicts it almost perfectly, which is too good to be useful."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stoker.models.values import FLOAT32_MOST

from ..data import Values
from ..data.source import Floats, Mask, absent
from .task import TaskName

# Of what there is to be explained: data leak by less, too, but then it may as well be a good feature.
_ALMOST_ALL = 0.98
_LEAST_ROWS, _LEAST_OTHERS = 50, 5
_LEAF_ROWS = 2
_SEED = 20_260_101


def giveaways(columns: Mapping[str, Values], target: Values, task: TaskName) -> dict[str, str]:
    """The columns that predict the target alone, and how well.

    A decision tree learns the target from a column on half of the rows, drawn at random, and is judged on the others:
    so a column in which every value is different gives nothing away, and one with a few, or a threshold, may.

    Args:
        columns: plain values of some rows, those of the target.
    """
    known = ~_missing(target)
    if task == "regression":
        known &= ~np.isnan(_numbers(target))
    truth = (
        _numbers(target[known])
        if task == "regression"
        else np.unique(target[known].astype(str), return_inverse=True)[1]
    )
    if len(truth) < _LEAST_ROWS:
        return {}
    order = np.random.default_rng(_SEED).permutation(len(truth))
    told = {name: _told(_numbers(values[known])[order, None], truth[order], task) for name, values in columns.items()}
    return {name: words for name, words in told.items() if words}


def _told(column: Floats, truth: NDArray[np.number], task: TaskName) -> str | None:
    """How well a column predicts the target; None if not almost perfectly."""
    # A second to import, which only data with a target takes.
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    tree = DecisionTreeRegressor if task == "regression" else DecisionTreeClassifier
    half = len(truth) // 2
    model = tree(min_samples_leaf=_LEAF_ROWS, random_state=_SEED).fit(column[:half], truth[:half])
    predicted, actual = model.predict(column[half:]), truth[half:]
    if task == "regression":
        spread = float(((actual - actual.mean()) ** 2).sum())
        r2 = 1 - float(((actual - predicted) ** 2).sum()) / spread if spread else 0.0
        return f"with an R² of {r2:.4f}" if r2 >= _ALMOST_ALL else None
    others = len(actual) - int(np.unique(actual, return_counts=True)[1].max())
    wrong = int((predicted != actual).sum())
    if others < _LEAST_OTHERS or wrong > (1 - _ALMOST_ALL) * others:
        return None
    return f"in {100 * (1 - wrong / len(actual)):.4g} % of the rows"


def _numbers(values: Values) -> Floats:
    """Values as numbers, NaN where one is missing; texts by their place in the alphabet."""
    missing = _missing(values)
    if values.dtype == object:
        values = np.unique(np.where(missing, "", values).astype(str), return_inverse=True)[1]
    elif values.dtype.kind == "M":
        values = values.astype(np.int64)
    numbers = values.astype(np.float64)
    # What trees cannot split at, they take for missing.
    numbers[missing | ~(np.abs(numbers) <= FLOAT32_MOST)] = np.nan
    return numbers


def _missing(values: Values) -> Mask:
    if values.dtype == object:
        return absent(values)
    return np.isnat(values) if values.dtype.kind == "M" else np.isnan(values.astype(np.float64))
