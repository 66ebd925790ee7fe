"""How good the predictions of several outputs are: each for itself."""

from collections.abc import Callable, Mapping

import numpy as np

from stoker.kinds import Accuracy
from stoker.models.tensors import Array

from ..data.source import Ints
from .quality import Quality
from .stability import Scored
from .tally import Tally


class SeveralTally:
    """Counts each output's predictions in a tally of its own.

    Args:
        naming: what an output's metric is called, from both names.
    """

    def __init__(self, tallies: Mapping[str, Tally], naming: Callable[[str, str], str]) -> None:
        self._tallies = tallies
        self._naming = naming

    def add(self, truth: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        for name, tally in self._tallies.items():
            tally.add(truth[name], outputs[name])

    def quality(self) -> Quality:
        """The figures of all rows taken in; metrics are named after the output."""
        parts = {name: tally.quality() for name, tally in self._tallies.items()}
        metrics = {
            self._naming(name, metric): value
            for name, quality in parts.items()
            for metric, value in quality.accuracy.metrics.items()
        }
        accuracy = Accuracy(metrics=metrics, outputs={name: quality.accuracy for name, quality in parts.items()})
        return Quality(
            accuracy=accuracy,
            scored=_scored({name: quality.scored for name, quality in parts.items()}, self._naming),
            outputs={name: quality.drawn for name, quality in parts.items()},
        )


def _scored(parts: Mapping[str, Scored], naming: Callable[[str, str], str]) -> Scored:
    """Rows that are alike for every output."""
    numbers = np.stack([scored.alike for scored in parts.values()], axis=1)
    distinct, alike = np.unique(numbers, axis=0, return_inverse=True)

    def metrics(counts: Ints) -> dict[str, float]:
        told: dict[str, float] = {}
        for place, (name, scored) in enumerate(parts.items()):
            size = int(numbers[:, place].max()) + 1
            own = np.bincount(distinct[:, place], counts, size).astype(np.int64)
            told |= {naming(name, metric): value for metric, value in scored.metrics(own).items()}
        return told

    means = {
        naming(name, metric): values[distinct[:, place]]
        for place, (name, scored) in enumerate(parts.items())
        for metric, values in scored.means.items()
    }
    return Scored(alike.reshape(-1), metrics, means)
