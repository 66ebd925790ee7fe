"""How good predictions are of labels that hold at once."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stoker.kinds import Accuracy
from stoker.models.predictions import HOLDS, label_probabilities
from stoker.models.tensors import Array

from .classification import MANY_CLASSES, Floats, Ints, class_scores
from .curves import curves_of, weakest
from .quality import Drawn, Quality
from .stability import Scored

_SMALLEST_PROBABILITY = 1e-7  # Keras' cross-entropy clips there too


@dataclass(frozen=True)
class _Sets:
    """The different pairs of true and predicted sets of labels.

    Attributes:
        truth, predicted: (pairs, labels) of 0 and 1.
        of_row: the pair of each row.
    """

    truth: Floats
    predicted: Floats
    of_row: Ints

    @classmethod
    def of(cls, truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Self:
        packed = np.packbits(np.hstack([truth, predicted]), axis=1)
        _, first, of_row = np.unique(packed, axis=0, return_index=True, return_inverse=True)
        return cls(truth[first].astype(np.float64), predicted[first].astype(np.float64), of_row.reshape(-1))

    def scores(self, counts: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """Precision, recall, F1 and rows of each label, with these counts for the pairs; 0 for one without any."""
        hits, actual, predicted = self._sums(counts)
        precision, recall = hits / np.maximum(predicted, 1), hits / np.maximum(actual, 1)
        return precision, recall, 2 * hits / np.maximum(predicted + actual, 1), actual

    def metrics(self, counts: Ints) -> dict[str, float]:
        """Accuracy of whole rows, F1 over all labels together, and averages over the labels that occur."""
        hits, actual, predicted = self._sums(counts)
        precision, recall, f1, _ = self.scores(counts)
        occurs = actual + predicted > 0
        together = float(actual.sum() + predicted.sum())
        right = (self.truth == self.predicted).all(axis=1)
        means = [float(each[occurs].mean()) if occurs.any() else 0.0 for each in (precision, recall, f1)]
        return {
            "accuracy": float(counts[right].sum() / counts.sum()),
            "micro_f1": float(2 * hits.sum() / together) if together else 0.0,
            **dict(zip(("precision", "recall", "f1"), means, strict=True)),
        }

    def _sums(self, counts: Ints) -> tuple[Floats, Floats, Floats]:
        weights = counts.astype(np.float64)
        return weights @ (self.truth * self.predicted), weights @ self.truth, weights @ self.predicted


class LabelTally:
    """Counts predicted labels.

    Args:
        labels: all of them.
        logits: whether the model gives raw scores.
    """

    def __init__(self, labels: tuple[str, ...], *, logits: bool) -> None:
        self._labels = labels
        self._logits = logits
        self._truth: list[NDArray[np.bool_]] = []
        self._predicted: list[NDArray[np.bool_]] = []
        self._shares: list[Floats] = []
        self._loss = 0.0
        self._curved = labels if len(labels) <= MANY_CLASSES else ()

    def add(self, truth: Array, outputs: Array) -> None:
        """See `Tally.add`."""
        shares = label_probabilities(outputs, logits=self._logits)
        true = truth > HOLDS
        likelihood = np.where(true, shares, 1 - shares).clip(_SMALLEST_PROBABILITY, 1)
        self._loss -= float(np.log(likelihood).mean(axis=1).sum())
        self._truth.append(true)
        self._predicted.append(shares >= HOLDS)
        self._shares.append(shares[:, : len(self._curved)])

    def quality(self) -> Quality:
        """See `Tally.quality`."""
        truth = np.concatenate(self._truth)
        sets = _Sets.of(truth, np.concatenate(self._predicted))
        counts = np.bincount(sets.of_row)
        curves = curves_of(self._curved, truth, np.concatenate(self._shares))
        every = [*curves.values()] if len(curves) == len(self._labels) else []
        right = (sets.truth == sets.predicted).all(axis=1).astype(np.float64)
        return Quality(
            accuracy=Accuracy(
                metrics={"loss": self._loss / len(sets.of_row), **sets.metrics(counts)},
                classes=class_scores(self._labels, sets.scores(counts), curves),
                roc_auc=float(np.mean([curve.roc_auc for curve in every])) if every else None,
                average_precision=float(np.mean([curve.average_precision for curve in every])) if every else None,
            ),
            scored=Scored(sets.of_row, sets.metrics, {"accuracy": right}),
            drawn=Drawn(curves=weakest([*curves.values()])),
        )

    def sums(self, truth: Array, outputs: Array) -> Floats:
        """See `Tally.sums`."""
        predicted = label_probabilities(outputs, logits=self._logits) >= HOLDS
        return np.array([(predicted == (truth > HOLDS)).all(axis=1).sum(), len(truth)], dtype=np.float64)

    def score(self, sums: Floats) -> float:
        """See `Tally.score`."""
        return float(sums[0] / sums[1])
