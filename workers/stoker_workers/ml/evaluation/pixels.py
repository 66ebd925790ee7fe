"""How good predicted masks are."""

import numpy as np

from stoker.kinds import Accuracy
from stoker.models.predictions import probabilities
from stoker.models.tensors import Array

from ..data.source import Floats, Mask
from .classification import SMALLEST_PROBABILITY, class_scores, scores_of
from .quality import Quality
from .stability import Scored, counted

_MOST_NAMED = 20
"""Classes that have a metric each."""


class PixelTally:
    """Counts the pixels of predicted masks.

    Args:
        labels: the classes.
        logits: whether the model gives raw scores.
    """

    def __init__(self, labels: tuple[str, ...], *, logits: bool) -> None:
        self._labels = labels
        self._logits = logits
        self._rows: list[Floats] = []
        self._loss = 0.0

    def add(self, truth: Array, outputs: Array) -> None:
        distribution = self._distribution(outputs)
        self._rows.append(self._counts(truth, distribution.argmax(axis=-1)))
        of_truth = np.take_along_axis(distribution, truth.reshape(-1, 1), axis=1)
        self._loss -= float(np.log(of_truth.clip(SMALLEST_PROBABILITY, 1)).sum())

    def quality(self) -> Quality:
        rows = np.concatenate(self._rows)
        met, true, predicted = total = rows.sum(axis=0)
        there = true + predicted > 0
        return Quality(
            accuracy=Accuracy(
                metrics={"loss": self._loss / float(true.sum()), **self._metrics(total, there)},
                classes=class_scores(self._labels, scores_of(met, true, predicted), {}),
            ),
            scored=Scored(
                np.arange(len(rows)),
                lambda counts: self._metrics(counted(counts, rows), there),
                {"accuracy": rows[:, 0].sum(axis=1) / rows[:, 1].sum(axis=1)},  # masks are of one size
            ),
        )

    def sums(self, truth: Array, outputs: Array) -> Floats:
        met, true, _ = self._counts(truth, self._distribution(outputs).argmax(axis=-1)).sum(axis=0)
        return np.array([met.sum(), true.sum()])

    def score(self, sums: Floats) -> float:
        return float(sums[0] / sums[1])

    def _distribution(self, outputs: Array) -> Floats:
        return probabilities(outputs.reshape(-1, outputs.shape[-1]), logits=self._logits)

    def _counts(self, truth: Array, predicted: Array) -> Floats:
        """(rows, 3, classes): of each row the pixels whose class is met, true, predicted."""
        count = len(self._labels)
        true = truth.reshape(len(truth), -1)
        pairs = true * count + predicted.reshape(true.shape)
        confusion = np.stack([np.bincount(row, minlength=count * count) for row in pairs]).reshape(-1, count, count)
        diagonal = np.einsum("rcc->rc", confusion)
        return np.stack([diagonal, confusion.sum(axis=2), confusion.sum(axis=1)], axis=1).astype(np.float64)

    def _metrics(self, total: Floats, there: Mask) -> dict[str, float]:
        """Accuracy, and of each class the intersection over the union of truth and prediction.

        Args:
            there: which classes are in the data or were predicted.
        """
        met, true, predicted = total
        union = true + predicted - met
        # A class that is neither there nor predicted among rows drawn again is met.
        shares = {
            f"iou_{label}": float(met[at] / union[at]) if union[at] else 1.0
            for at, label in enumerate(self._labels)
            if there[at]
        }
        return {
            "accuracy": float(met.sum() / true.sum()),
            "mean_iou": float(np.mean(list(shares.values()))),
            **(shares if len(self._labels) <= _MOST_NAMED else {}),
        }
