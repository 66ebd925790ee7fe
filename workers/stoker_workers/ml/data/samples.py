"""The sample sets of `sample://…`: scikit-learn's and drawn ones, with a fixed split."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import sklearn.datasets
from numpy.typing import NDArray

from . import drawn, generated, opinions
from .source import Arrays, Role, Values, rows_of

_LOADERS: dict[str, Callable[..., tuple[Values, Values]]] = {
    "digits": sklearn.datasets.load_digits,
    "iris": sklearn.datasets.load_iris,
    "wine": sklearn.datasets.load_wine,
    "breast_cancer": sklearn.datasets.load_breast_cancer,
    "diabetes": sklearn.datasets.load_diabetes,
}
_REGRESSIONS = ("diabetes",)
# What draws a set, and the column of which test rows have the same share of every value.
_DRAWN: dict[str, tuple[Callable[[], dict[str, Values]], str | None]] = {
    "consumption": (generated.consumption, None),
    "churn": (generated.churn, "churned"),
    "shapes": (drawn.shapes, "label"),
    "spots": (drawn.spots, None),
    "reviews": (opinions.reviews, "sentiment"),
    "ratings": (opinions.ratings, None),
}
_ROLES: dict[str, Role] = {"image": "picture", "mask": "mask"}
_TEST_SHARE = 0.2
_SEED = 20_260_101
"""It decides which rows are test rows: never change it, or they would leak into training."""


def load_sample(name: str, subset: Literal["train", "test"]) -> Arrays:
    """A subset of a sample set.

    Those of scikit-learn have x, float64 of shape (features,), and y, the label or number to predict. The test rows of
    "consumption" are the newest ones; of all others, they are drawn.
    """
    if name in _DRAWN:
        draw, label = _DRAWN[name]
        columns = draw()
    else:
        x, y = _LOADERS[name](return_X_y=True)
        columns, label = {"x": x, "y": y}, None if name in _REGRESSIONS else "y"
    if name == "consumption":
        newest = np.sort(columns["when"])[round(len(columns["when"]) * (1 - _TEST_SHARE))]
        test = columns["when"] >= newest
    else:
        test = _test_rows(columns[label] if label else np.zeros(rows_of(columns)))
    chosen = test if subset == "test" else ~test
    arrays = Arrays({column: values[chosen] for column, values in columns.items()}, f"sample://{name}")
    arrays.columns = tuple(replace(column, role=_ROLES.get(column.name, "value")) for column in arrays.columns)
    return arrays


def _test_rows(strata: Values) -> NDArray[np.bool_]:
    """A mask that takes the same share of every stratum."""
    random = np.random.default_rng(_SEED)
    mask = np.zeros(len(strata), dtype=bool)
    for stratum in np.unique(strata):
        rows = random.permutation(np.flatnonzero(strata == stratum))
        mask[rows[: round(len(rows) * _TEST_SHARE)]] = True
    return mask
