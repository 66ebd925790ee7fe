"""Metrics as sums over rows, which add up to that of an epoch, however its rows are cut into batches and calls."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stoker.errors import InvalidJob

from ..data.source import Floats

_BINS = 4096
_FARTHEST_LOGIT = 16.0
MOST_CURVES = 100
"""The most classes for each of which a ROC curve is kept."""


class Measure(Protocol):
    """One metric.

    Attributes:
        name: what the history calls it.
        size: how many sums it needs.
    """

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    def sums(self, target: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """What a batch adds: `size` numbers of float64.

        Args:
            target: encoded targets; numbers in the target's own units, from the training's mean on if it is scaled.
            output: the network's outputs for them, likewise.
            weights: of the rows, float64.
        """
        ...

    def value(self, sums: Floats, weight: float) -> float:
        """The metric of all rows.

        Args:
            weight: the sum of their weights.

        Raises:
            InvalidJob: it cannot be computed of them.
        """
        ...


@dataclass(frozen=True)
class MeanMeasure:
    """The mean of what each row gives.

    Attributes:
        of_rows: from targets and outputs to a number for each row.
        finish: from the mean to the metric.
    """

    name: str
    of_rows: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    finish: Callable[[float], float] = float
    size: int = 1

    def sums(self, target: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(self.of_rows(target, output), tf.float64) * weights)[None]

    def value(self, sums: Floats, weight: float) -> float:
        return self.finish(float(sums[0] / weight))


@dataclass(frozen=True)
class RelativeError:
    """The mean absolute error in percent of the truth; truths of 0, of which nothing is a percentage, are left out.

    Attributes:
        offset: what targets and outputs lack of the true numbers.
    """

    offset: NDArray[np.float32]
    name: str = "mape"
    size: int = 2

    def sums(self, target: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        truth = target + tf.constant(self.offset, target.dtype)
        there = tf.not_equal(truth, 0)
        share = tf.abs((output - target) / tf.where(there, truth, 1))
        share, counted = tf.where(there, tf.cast(share, tf.float64), 0), tf.cast(there, tf.float64)
        return tf.stack([tf.reduce_sum(each * weights[:, None]) for each in (share, counted)])

    def value(self, sums: Floats, _weight: float) -> float:
        if not sums[1]:
            raise InvalidJob("mape is in percent of the truth, which is 0 in every row; measure mae")
        return float(100 * sums[0] / sums[1])


@dataclass(frozen=True)
class Determination:
    """R², averaged over the output units; of a constant truth, 1 if it is met exactly, else 0.

    Attributes:
        units: of the output.
        centre: near the mean of each unit's targets, whose squares would else lose their digits.
    """

    units: int
    centre: NDArray[np.float32]
    name: str = "r2"

    @property
    def size(self) -> int:
        return 3 * self.units

    def sums(self, target: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        centre = tf.constant(self.centre, target.dtype)
        error, centred = (tf.cast(each, tf.float64) for each in (output - target, target - centre))
        parts = (error * error, centred, centred * centred)
        return tf.concat([tf.reduce_sum(part * weights[:, None], axis=0) for part in parts], axis=0)

    def value(self, sums: Floats, weight: float) -> float:
        squared, truth, truth_squared = sums.reshape(3, self.units)
        spread = truth_squared - truth**2 / weight
        constant = spread <= 1e-12 * truth_squared
        r2 = np.where(constant, squared == 0, 1 - squared / np.where(constant, 1, spread))
        return float(r2.mean())


@dataclass(frozen=True)
class ClassMean:
    """Precision, recall or F1, averaged over the classes that occur in truth or prediction.

    Attributes:
        hits: from targets and outputs, and the rows' weights, to (3, classes): those that are right, true, predicted.
    """

    name: str
    classes: int
    hits: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

    @property
    def size(self) -> int:
        return 3 * self.classes

    def sums(self, target: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return tf.reshape(self.hits(target, output, weights), [-1])

    def value(self, sums: Floats, _weight: float) -> float:
        right, true, predicted = sums.reshape(3, self.classes)
        occurs = true + predicted > 0
        of = {"precision": predicted, "recall": true, "f1": (true + predicted) / 2}[self.name][occurs]
        return float((right[occurs] / np.where(of > 0, of, 1)).mean()) if occurs.any() else 0.0


@dataclass(frozen=True)
class RocArea:
    """The area under the ROC curve, averaged over the classes that are true of some rows and not of others.

    Its sums are histograms of the log-odds of true and of other rows, fine enough for four digits.

    Attributes:
        curves: how many classes have one.
        truth: from targets to whether each class is true, (rows, curves) of float64.
        odds: from outputs to the log-odds of each class, (rows, curves).
    """

    curves: int
    truth: Callable[[tf.Tensor], tf.Tensor]
    odds: Callable[[tf.Tensor], tf.Tensor]
    name: str = "auc"

    @property
    def size(self) -> int:
        return 2 * self.curves * _BINS

    def sums(self, target: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        shares = (self.odds(output) / _FARTHEST_LOGIT + 1) / 2
        bins = tf.clip_by_value(tf.cast(tf.floor(shares * _BINS), tf.int32), 0, _BINS - 1)
        true = tf.cast(self.truth(target), tf.int32)
        place = (true * self.curves + tf.range(self.curves)) * _BINS + bins
        repeated = tf.broadcast_to(weights[:, None], tf.shape(place))
        return tf.math.unsorted_segment_sum(tf.reshape(repeated, [-1]), tf.reshape(place, [-1]), self.size)

    def value(self, sums: Floats, _weight: float) -> float:
        false, true = sums.reshape(2, self.curves, _BINS)
        below = np.cumsum(false, axis=1) - false / 2
        pairs = true.sum(axis=1) * false.sum(axis=1)
        there = pairs > 0
        if not there.any():
            raise InvalidJob(
                "auc needs rows of two classes, and all rows that it is measured on are of the same; take "
                "more of them, or measure another metric"
            )
        return float(((true * below).sum(axis=1)[there] / pairs[there]).mean())
