"""Permutation importance: scikit-learn's own, over a model that takes columns of any kind."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.inspection import permutation_importance

from stoker.kinds.explanation import Importance
from stoker.models.tensors import Array, Outputs

from ..data.source import Ints
from ..progress import Meter, obey_stop
from ..run import Run
from .features import Feature

Predict = Callable[[Mapping[str, Array]], Outputs]
Score = Callable[[Outputs], dict[str, tuple[str, float, float]]]
"""The name of the headline metric, its value and the loss of each output, from what is predicted of all rows."""


@dataclass(frozen=True)
class Measured:
    """How much a model needs each column.

    Attributes:
        metrics: the headline metric and the loss of each output with nothing shuffled.
        importance: the most important columns of each output first.
    """

    metrics: dict[str, tuple[str, float, float]]
    importance: tuple[Importance, ...]


class _OfNumbers:
    """A model as scikit-learn sees it: a row is, for each feature, the number of the row that it is taken from.

    So shuffling a column of numbers of rows shuffles that feature, whatever it is: a text, a time, a picture.
    """

    def __init__(self, tensors: Mapping[str, Array], features: Sequence[Feature], predict: Predict) -> None:
        self._tensors = tensors
        self._features = features
        self._predict = predict

    def fit(self, *_: object) -> "_OfNumbers":
        """It is trained already."""
        return self

    def predict(self, numbers: Ints) -> Outputs:
        """The outputs for rows that are put together by numbers of rows, (rows, features)."""
        own = np.arange(len(numbers))
        tensors = dict(self._tensors)
        for place, feature in enumerate(self._features):
            if not np.array_equal(numbers[:, place], own):
                if tensors[feature.tensor] is self._tensors[feature.tensor]:
                    tensors[feature.tensor] = self._tensors[feature.tensor].copy()
                feature.put(tensors, self._tensors[feature.tensor][numbers[:, place]])
        return self._predict(tensors)


def measure_importance(
    tensors: Mapping[str, Array],
    features: Sequence[Feature],
    predict: Predict,
    score: Score,
    *,
    repeats: int,
    seed: int,
    run: Run,
) -> Measured:
    """Shuffle each feature among the rows, and tell what that costs.

    Raises:
        Stopped: a stop was asked for.
    """
    rows = len(next(iter(tensors.values())))
    numbers = np.tile(np.arange(rows)[:, None], len(features))
    meter = Meter(run, "shuffling columns", unit="passes", total=1 + len(features) * repeats)
    unshuffled: dict[str, tuple[str, float, float]] = {}
    done = itertools.count(1)

    def scored(model: _OfNumbers, numbers: Ints, _: Ints) -> dict[str, float]:
        obey_stop(run)
        found = score(model.predict(numbers))
        if not unshuffled:  # scikit-learn begins with the rows as they are
            unshuffled.update(found)
        meter.at(next(done))
        return {
            name: value
            for output, (_, metric, loss) in found.items()
            for name, value in ((f"metric {output}", metric), (f"loss {output}", -loss))
        }

    model = _OfNumbers(tensors, features, predict)
    found = permutation_importance(
        model, numbers, np.arange(rows), scoring=scored, n_repeats=repeats, random_state=seed
    )
    importance: list[Importance] = []
    for output, (metric, _, _) in unshuffled.items():
        drops, losses = found[f"metric {output}"], found[f"loss {output}"]
        each = [
            Importance(
                column=feature.name,
                output=output,
                metric=metric,
                drop=float(drops.importances_mean[at]),
                spread=float(drops.importances_std[at]),
                loss=float(losses.importances_mean[at]),
                loss_spread=float(losses.importances_std[at]),
            )
            for at, feature in enumerate(features)
        ]
        importance += sorted(each, key=lambda one: (-one.drop, -one.loss))
    return Measured(unshuffled, tuple(importance))
