"""The metrics of a training by name."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.kinds.training.outputs import is_class_metric, is_own, top_places

from ..preprocessing.target import Target
from .authors import Allowed, made_up_rows
from .measures import MOST_CURVES, ClassMean, Determination, MeanMeasure, Measure, RelativeError, RocArea

Units = NDArray[np.float32]
"""A number for each output unit."""


def default_metrics(target: Target) -> tuple[str, ...]:
    """What is measured where nothing is said."""
    if target.task == "multilabel":
        return ("accuracy", "f1")
    return ("accuracy",) if target.classes else ("mae",)


def choose_metrics(
    names: Sequence[str] | None,
    target: Target,
    units: int,
    *,
    from_logits: bool,
    offset: Units | None,
    allowed: Allowed,
) -> tuple[Measure, ...]:
    """The metrics of an output.

    Args:
        names: None takes the usual ones.
        offset: what the numbers that metrics get lack of the true ones; None where they are the true ones.
        allowed: what of the author's the settings allow.

    Raises:
        InvalidJob: one does not fit the target.
    """
    classes = Classes(target, units, from_logits=from_logits)
    return tuple(
        allowed.metric(name, classes.made_up(), offset)
        if is_own(name)
        else _of_classes(name, target, classes)
        if is_class_metric(name)
        else _of_numbers(name, target, units, offset)
        for name in names or default_metrics(target)
    )


def _refuse(name: str, target: Target) -> InvalidJob:
    holds = "classes" if target.classes else "numbers"
    return InvalidJob(
        f"metrics names {name!r}, but target {', '.join(map(repr, target.columns))} holds {holds}: choose another, "
        "or set task"
    )


def _of_classes(name: str, target: Target, classes: "Classes") -> Measure:
    if not target.classes:
        raise _refuse(name, target)
    if places := top_places(name):
        if target.task != "multiclass" or places >= len(target.classes):
            raise InvalidJob(
                f"metrics names {name!r}, but target {target.columns[0]!r} has {len(target.classes)} "
                f"{'labels' if target.task == 'multilabel' else 'classes'}: it needs more than {places}"
            )
        return MeanMeasure(name, lambda truth, output: tf.math.in_top_k(truth, tf.cast(output, tf.float32), places))
    match name:
        case "accuracy":
            return MeanMeasure(name, classes.is_right)
        case "auc":
            return classes.roc_area()
    return ClassMean(name, len(target.classes), classes.hits)


def _of_numbers(name: str, target: Target, units: int, offset: Units | None) -> Measure:
    if target.moments is None:
        raise _refuse(name, target)
    mean = np.broadcast_to(target.moments.mean, target.shape or (1,)).reshape(units).astype(np.float32)
    match name:
        case "mae":
            return MeanMeasure(name, lambda truth, output: tf.reduce_mean(tf.abs(output - truth), axis=-1))
        case "rmse":
            return MeanMeasure(name, lambda truth, output: tf.reduce_mean((output - truth) ** 2, axis=-1), np.sqrt)
        case "mape":
            return RelativeError(np.zeros_like(mean) if offset is None else offset)
    return Determination(units, mean if offset is None else np.zeros_like(mean))


class Classes:
    """How the classes of a target are read from encoded targets and outputs.

    Args:
        units: of the output: one for the second of two classes, else one for each class.
        from_logits: whether outputs are raw scores.
    """

    def __init__(self, target: Target, units: int, *, from_logits: bool) -> None:
        self._target = target
        self._units = units
        self._sole = units == 1
        self._several = target.task == "multilabel"
        self._from_logits = from_logits
        self._count = len(target.classes)

    def made_up(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Encoded targets and outputs of some rows, as a training may have them."""
        return made_up_rows(self._count, self._units, several=self._several)

    def is_right(self, target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """Whether each row's class is met; of labels that hold at once, all of them."""
        if self._several or self._sole:
            return tf.reduce_all(tf.equal(self._above(output), target > 0.5), axis=-1)
        return tf.equal(tf.argmax(output, axis=-1, output_type=tf.int32), target)

    def hits(self, target: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """(3, classes): the weights of rows where a class is met, true, predicted."""
        if self._several:
            true, predicted = target > 0.5, self._above(output)
            parts = (true & predicted, true, predicted)
            return tf.stack([tf.reduce_sum(tf.cast(part, tf.float64) * weights[:, None], axis=0) for part in parts])
        if self._sole:
            true, predicted = (tf.cast(each[:, 0], tf.int32) for each in (target > 0.5, self._above(output)))
        else:
            true, predicted = target, tf.argmax(output, axis=-1, output_type=tf.int32)
        met = weights * tf.cast(tf.equal(true, predicted), tf.float64)
        pairs = ((met, true), (weights, true), (weights, predicted))
        return tf.stack([tf.math.unsorted_segment_sum(amounts, places, self._count) for amounts, places in pairs])

    def roc_area(self) -> Measure:
        """The area under the ROC curves.

        Raises:
            InvalidJob: there are too many classes.
        """
        if self._count > MOST_CURVES:
            raise InvalidJob(f"auc keeps a curve for each class, and {self._count:,} are too many: measure top_5")
        curves = 1 if self._sole else self._count
        return RocArea(curves, self._truth, self._odds)

    def _above(self, output: tf.Tensor) -> tf.Tensor:
        return output > (0.0 if self._from_logits else 0.5)

    def _truth(self, target: tf.Tensor) -> tf.Tensor:
        return target > 0.5 if self._sole or self._several else tf.one_hot(target, self._count)

    def _odds(self, output: tf.Tensor) -> tf.Tensor:
        if self._from_logits and (self._sole or self._several):
            return output
        share = tf.cast(tf.nn.softmax(output) if self._from_logits else output, tf.float64)
        share = tf.clip_by_value(share, 1e-8, 1 - 1e-8)
        return tf.math.log(share) - tf.math.log(1 - share)
