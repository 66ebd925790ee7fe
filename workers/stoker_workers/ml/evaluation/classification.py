"""How good a classifier's predictions are: scores per class, ROC, calibration, cross-entropy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stoker.kinds import Accuracy, ClassScore
from stoker.models.tensors import Array

from .curves import Curve

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CALIBRATION_BINS = 15
MANY_CLASSES = 100
"""Beyond this many there is no confusion matrix and no ROC: nobody reads 10,000 cells, and each class costs a sort."""
_SMALLEST_PROBABILITY = 1e-7  # Keras' cross-entropy clips there too


@dataclass(frozen=True)
class Predictions:
    """What there is to know of each row; everything but `distribution` has the shape (rows,).

    Attributes:
        truth, predicted: class numbers.
        confidence: probability of the predicted class.
        likelihood: probability of the true class.
        distribution: (rows, classes) probabilities; no columns where there are many classes.
    """

    truth: Ints
    predicted: Ints
    confidence: Floats
    likelihood: Floats
    distribution: Floats

    @classmethod
    def of(cls, truth: Array, distribution: Floats) -> Self:
        """From class numbers (rows,) and probabilities (rows, classes)."""
        rows, classes = distribution.shape
        numbers = truth.astype(np.int64)
        return cls(
            truth=numbers,
            predicted=distribution.argmax(axis=1),
            confidence=distribution.max(axis=1),
            likelihood=distribution[np.arange(rows), numbers],
            distribution=distribution if classes <= MANY_CLASSES else distribution[:, :0],
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All rows of several batches."""
        return cls(
            truth=np.concatenate([part.truth for part in parts]),
            predicted=np.concatenate([part.predicted for part in parts]),
            confidence=np.concatenate([part.confidence for part in parts]),
            likelihood=np.concatenate([part.likelihood for part in parts]),
            distribution=np.concatenate([part.distribution for part in parts]),
        )


@dataclass(frozen=True)
class Confusion:
    """How often which class was taken for which, without the pairs that never occurred.

    Attributes:
        truth, predicted: the class numbers of each pair.
        counts: how many rows each pair has.
        pairs: (rows,) which pair each row is.
        classes: how many classes there are.
    """

    truth: Ints
    predicted: Ints
    counts: Ints
    pairs: Ints
    classes: int

    @classmethod
    def of(cls, predictions: Predictions, classes: int) -> Self:
        """Count the pairs."""
        codes = predictions.truth * classes + predictions.predicted
        distinct, pairs, counts = np.unique(codes, return_inverse=True, return_counts=True)
        return cls(distinct // classes, distinct % classes, counts.astype(np.int64), pairs, classes)

    def matrix(self) -> Ints:
        """(classes, classes) counts: rows are the truth, columns the prediction."""
        matrix = np.zeros((self.classes, self.classes), dtype=np.int64)
        matrix[self.truth, self.predicted] = self.counts
        return matrix

    def scores(self, counts: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """Precision, recall, F1 and rows of each class, with these counts for the pairs; 0 for a class without any."""
        hits = self._per_class(self.truth, np.where(self.truth == self.predicted, counts, 0))
        actual, predicted = self._per_class(self.truth, counts), self._per_class(self.predicted, counts)
        precision = hits / np.maximum(predicted, 1)
        recall = hits / np.maximum(actual, 1)
        f1 = 2 * hits / np.maximum(predicted + actual, 1)
        return precision, recall, f1, actual

    def metrics(self, counts: Ints) -> dict[str, float]:
        """Accuracy, and precision, recall and F1 averaged over the classes that occur in truth or prediction."""
        occurs = np.zeros(self.classes, dtype=bool)
        occurs[self.truth[counts > 0]] = occurs[self.predicted[counts > 0]] = True
        precision, recall, f1, _ = self.scores(counts)
        return {
            "accuracy": float(counts[self.truth == self.predicted].sum() / counts.sum()),
            "precision": float(precision[occurs].mean()),
            "recall": float(recall[occurs].mean()),
            "f1": float(f1[occurs].mean()),
        }

    def _per_class(self, numbers: Ints, counts: Ints) -> Floats:
        return np.bincount(numbers, counts, self.classes).astype(np.float64)


@dataclass(frozen=True)
class Reliability:
    """How often predictions of a confidence are right, in 15 bins of equal width; empty ones are left out.

    Attributes:
        confidence: mean probability of the predicted class in the bin.
        accuracy: share of right predictions in the bin.
        rows: how many predictions are in the bin.
    """

    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    rows: tuple[int, ...]

    @classmethod
    def of(cls, predictions: Predictions) -> Self:
        """Fill the bins; each includes its upper edge."""
        bins = np.ceil(predictions.confidence * CALIBRATION_BINS).astype(np.int64).clip(1, CALIBRATION_BINS) - 1
        right = predictions.predicted == predictions.truth
        rows = np.bincount(bins, minlength=CALIBRATION_BINS)
        filled = rows > 0
        confidence = np.bincount(bins, predictions.confidence, CALIBRATION_BINS)[filled] / rows[filled]
        accuracy = np.bincount(bins, right, CALIBRATION_BINS)[filled] / rows[filled]
        return cls(tuple(confidence.tolist()), tuple(accuracy.tolist()), tuple(rows[filled].tolist()))

    @property
    def error(self) -> float:
        """The expected calibration error (Guo et al. 2017, arXiv:1706.04599)."""
        gaps = np.abs(np.subtract(self.accuracy, self.confidence))
        return float(np.average(gaps, weights=self.rows))


def accuracy(
    predictions: Predictions, confusion: Confusion, labels: tuple[str, ...], curves: Mapping[str, Curve]
) -> Accuracy:
    """Every figure of a classifier with these class labels, some of which have a curve."""
    readable = len(labels) <= MANY_CLASSES
    return Accuracy(
        metrics={"loss": _cross_entropy(predictions), **confusion.metrics(confusion.counts)},
        classes=class_scores(labels, confusion.scores(confusion.counts), curves),
        roc_auc=_mean([curve.roc_auc for curve in curves.values()], labels),
        average_precision=_mean([curve.average_precision for curve in curves.values()], labels),
        calibration_error=Reliability.of(predictions).error,
        confusion=tuple(tuple(row) for row in confusion.matrix().tolist()) if readable else (),
    )


def class_scores(
    labels: Sequence[str], scores: tuple[Floats, Floats, Floats, Floats], curves: Mapping[str, Curve]
) -> dict[str, ClassScore]:
    """The scores of each label.

    Args:
        scores: precision, recall, F1 and rows, each (labels,).
        curves: by label, of those that have one.
    """
    figures = zip(labels, *(values.tolist() for values in scores), strict=True)
    return {
        label: ClassScore(
            precision=precision,
            recall=recall,
            f1=f1,
            support=int(rows),
            roc_auc=curves[label].roc_auc if label in curves else None,
            average_precision=curves[label].average_precision if label in curves else None,
        )
        for label, precision, recall, f1, rows in figures
    }


def _cross_entropy(predictions: Predictions) -> float:
    return float(-np.log(predictions.likelihood.clip(_SMALLEST_PROBABILITY, 1)).mean())


def _mean(figures: Sequence[float], labels: Sequence[str]) -> float | None:
    """Of two classes the second one's, of more their mean; None where one has no curve."""
    if len(figures) < len(labels):
        return None
    return figures[1] if len(figures) == 2 else float(np.mean(figures))
