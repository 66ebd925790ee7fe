"""The sample sets of `sample://…`: scikit-learn's and drawn ones, with a fixed split."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import sklearn.datasets
from numpy.typing import NDArray

from . import drawn, generated, opinions
from .source import Arrays, Role, Values

_LOADERS: dict[str, Callable[..., tuple[Values, Values]]] = {
    "digits": sklearn.datasets.load_digits,
    "iris": sklearn.datasets.load_iris,
    "wine": sklearn.datasets.load_wine,
    "breast_cancer": sklearn.datasets.load_breast_cancer,
    "diabetes": sklearn.datasets.load_diabetes,
}
_REGRESSIONS = ("diabetes",)
_ROLES: dict[str, Role] = {"image": "picture", "mask": "mask"}
_TEST_SHARE = 0.2
_SEED = 20_260_101
"""It decides which rows are test rows: never change it, or they would leak into training."""


def load_sample(name: str, subset: Literal["train", "test"]) -> Arrays:
    """A subset of a sample set.

    Those of scikit-learn have x, float64 of shape (features,), and y, the label or number to predict. The test rows of
    "consumption" are the newest ones; of all others, they are drawn.
    """
    if name == "consumption":
        columns = generated.consumption()
        newest = np.sort(columns["when"])[round(len(columns["when"]) * (1 - _TEST_SHARE))]
        test = columns["when"] >= newest
    elif name == "churn":
        columns = generated.churn()
        test = _test_rows(columns["churned"])
    elif name == "shapes":
        columns = drawn.shapes()
        test = _test_rows(columns["label"])
    elif name == "spots":
        columns = drawn.spots()
        test = _test_rows(np.zeros(len(columns["mask"])))
    elif name == "reviews":
        columns = opinions.reviews()
        test = _test_rows(columns["sentiment"])
    elif name == "ratings":
        columns = opinions.ratings()
        test = _test_rows(np.zeros(len(columns["rating"])))
    else:
        x, y = _LOADERS[name](return_X_y=True)
        columns = {"x": x, "y": y}
        test = _test_rows(np.zeros(len(y)) if name in _REGRESSIONS else y)
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
