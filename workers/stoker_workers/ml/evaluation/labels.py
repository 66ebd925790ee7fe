"""How good predictions are of labels that hold at once."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from stoker.kinds import Accuracy
from stoker.models.predictions import HOLDS, label_probabilities
from stoker.models.tensors import Array

from ..data.source import Floats, Ints, Mask
from .classification import MANY_CLASSES, SMALLEST_PROBABILITY, averages, class_scores, scores_of
from .curves import curves_of, weakest
from .quality import Drawn, Quality
from .stability import Scored


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
    def of(cls, truth: Mask, predicted: Mask) -> Self:
        packed = np.packbits(np.hstack([truth, predicted]), axis=1)
        _, first, of_row = np.unique(packed, axis=0, return_index=True, return_inverse=True)
        return cls(truth[first].astype(np.float64), predicted[first].astype(np.float64), of_row.reshape(-1))

    def metrics(self, counts: Ints) -> dict[str, float]:
        """Accuracy of whole rows, F1 over all labels together, and averages over the labels that occur."""
        met, true, predicted = self.sums(counts)
        together = float(true.sum() + predicted.sum())
        return {
            "accuracy": float(counts[self.right].sum() / counts.sum()),
            "micro_f1": float(2 * met.sum() / together) if together else 0.0,
            **averages(met, true, predicted),
        }

    @property
    def right(self) -> Mask:
        """Which pairs are of equal sets."""
        right: Mask = (self.truth == self.predicted).all(axis=1)
        return right

    def sums(self, counts: Ints) -> tuple[Floats, Floats, Floats]:
        """How many rows each label is met in, true of and predicted of, with these counts for the pairs."""
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
        self._truth: list[Mask] = []
        self._predicted: list[Mask] = []
        self._shares: list[Floats] = []
        self._loss = 0.0
        self._curved = labels if len(labels) <= MANY_CLASSES else ()

    def add(self, truth: Array, outputs: Array) -> None:
        shares = label_probabilities(outputs, logits=self._logits)
        true = truth > HOLDS
        likelihood = np.where(true, shares, 1 - shares).clip(SMALLEST_PROBABILITY, 1)
        self._loss -= float(np.log(likelihood).mean(axis=1).sum())
        self._truth.append(true)
        self._predicted.append(shares >= HOLDS)
        self._shares.append(shares[:, : len(self._curved)])

    def quality(self) -> Quality:
        truth = np.concatenate(self._truth)
        sets = _Sets.of(truth, np.concatenate(self._predicted))
        counts = np.bincount(sets.of_row)
        curves = curves_of(self._curved, truth, np.concatenate(self._shares))
        every = [*curves.values()] if len(curves) == len(self._labels) else []
        return Quality(
            accuracy=Accuracy(
                metrics={"loss": self._loss / len(sets.of_row), **sets.metrics(counts)},
                classes=class_scores(self._labels, scores_of(*sets.sums(counts)), curves),
                roc_auc=float(np.mean([curve.roc_auc for curve in every])) if every else None,
                average_precision=float(np.mean([curve.average_precision for curve in every])) if every else None,
            ),
            scored=Scored(sets.of_row, sets.metrics, {"accuracy": sets.right.astype(np.float64)}),
            drawn=Drawn(curves=weakest([*curves.values()])),
        )

    def sums(self, truth: Array, outputs: Array) -> Floats:
        predicted = label_probabilities(outputs, logits=self._logits) >= HOLDS
        return np.array([(predicted == (truth > HOLDS)).all(axis=1).sum(), len(truth)], dtype=np.float64)

    def score(self, sums: Floats) -> float:
        return float(sums[0] / sums[1])
