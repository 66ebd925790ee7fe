"""How good a classifier's predictions are: scores per class, ROC, calibration, cross-entropy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from stoker.kinds import Accuracy, ClassScore
from stoker.models.tensors import Array

from ..data.source import Floats, Ints, Mask
from .curves import Curve

Scores = tuple[Floats, Floats, Floats, Floats]
"""Precision, recall, F1 and rows of each class or label."""

CALIBRATION_BINS = 15
MANY_CLASSES = 100
"""Beyond this many there is no confusion matrix and no ROC: nobody reads 10,000 cells, and each class costs a sort."""
SMALLEST_PROBABILITY = 1e-7
"""Cross-entropy is that of at least this, as in Keras."""


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

    def sums(self, counts: Ints) -> tuple[Floats, Floats, Floats]:
        """How many rows of each class are met, true and predicted, with these counts for the pairs."""
        hits = np.where(self.truth == self.predicted, counts, 0)
        met, true = (np.bincount(self.truth, each, self.classes).astype(np.float64) for each in (hits, counts))
        return met, true, np.bincount(self.predicted, counts, self.classes).astype(np.float64)

    def metrics(self, counts: Ints) -> dict[str, float]:
        """Accuracy, and precision, recall and F1 averaged over the classes that occur in truth or prediction."""
        accuracy = float(counts[self.truth == self.predicted].sum() / counts.sum())
        return {"accuracy": accuracy, **averages(*self.sums(counts))}


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
        classes=class_scores(labels, scores_of(*confusion.sums(confusion.counts)), curves),
        roc_auc=_mean([curve.roc_auc for curve in curves.values()], labels),
        average_precision=_mean([curve.average_precision for curve in curves.values()], labels),
        calibration_error=Reliability.of(predictions).error,
        confusion=tuple(tuple(row) for row in confusion.matrix().tolist()) if readable else (),
    )


def scores_of(met: Floats, true: Floats, predicted: Floats) -> Scores:
    """The scores of classes, from how many rows of each are met, true and predicted; 0 for one without any."""
    f1 = 2 * met / np.maximum(predicted + true, 1)
    return met / np.maximum(predicted, 1), met / np.maximum(true, 1), f1, true


def averages(met: Floats, true: Floats, predicted: Floats) -> dict[str, float]:
    """Precision, recall and F1 averaged over the classes that occur in truth or prediction; 0 if none does."""
    occurs: Mask = true + predicted > 0
    means = [float(each[occurs].mean()) if occurs.any() else 0.0 for each in scores_of(met, true, predicted)]
    return dict(zip(("precision", "recall", "f1"), means, strict=False))


def class_scores(labels: Sequence[str], scores: Scores, curves: Mapping[str, Curve]) -> dict[str, ClassScore]:
    """The scores of each label.

    Args:
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
    return float(-np.log(predictions.likelihood.clip(SMALLEST_PROBABILITY, 1)).mean())


def _mean(figures: Sequence[float], labels: Sequence[str]) -> float | None:
    """Of two classes the second one's, of more their mean; None where one has no curve."""
    if len(figures) < len(labels):
        return None
    return figures[1] if len(figures) == 2 else float(np.mean(figures))
