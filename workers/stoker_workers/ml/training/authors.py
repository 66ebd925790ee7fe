"""Losses and metrics of a job's author, which the worker's settings allow: functions, and registered Keras classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.kinds.training.outputs import is_class, metric_name

from ..custom import own_class
from ..data.source import Floats
from ..own import own_function
from ..run import Run
from .losses import RowLosses, checked
from .measures import MeanMeasure, Measure

Offset = NDArray[np.float32] | None
"""What the numbers that metrics get lack of the true ones; None where they are the true ones."""

Rows = tuple[tf.Tensor, tf.Tensor]
"""Encoded targets, and outputs."""

_MADE_UP = 16


@dataclass(frozen=True)
class Allowed:
    """What of the author's the settings allow as loss and metrics.

    Attributes:
        functions: each as "package.module:function".
        modules: those whose registered Keras classes are allowed.
    """

    functions: Sequence[str] = ()
    modules: Sequence[str] = ()

    @classmethod
    def by(cls, run: Run) -> Self:
        """What the settings of a run's worker allow."""
        return cls(run.objectives, run.custom_objects)

    def loss(self, path: str) -> RowLosses:
        """The loss behind "package.module:name", row by row.

        Raises:
            Lacking: it is a class of a module that the settings do not allow.
            InvalidJob: it is not allowed, or no loss.
        """
        if not is_class(path):
            return checked(own_function(path, self.functions, "loss", "objectives"), path)
        loss: keras.losses.Loss = own_class(path, self.modules, keras.losses.Loss, "loss")
        # As Keras itself calls it, but for the mean over the rows.
        return checked(lambda *rows: loss.call(*(tf.cast(tensor, loss.dtype) for tensor in rows)), path)

    def metric(self, path: str, made_up: Rows, offset: Offset) -> Measure:
        """The metric behind "package.module:name".

        Args:
            made_up: some rows on which it is tried.

        Raises:
            Lacking: it is a class of a module that the settings do not allow.
            InvalidJob: it is not allowed, or no metric that can be added up.
        """
        if is_class(path):
            metric: keras.metrics.Metric = own_class(path, self.modules, keras.metrics.Metric, "metric")
            _try(metric, path, *made_up)
            return KerasMeasure(metric_name(path), metric, offset)
        function = checked(own_function(path, self.functions, "metric", "objectives"), path)
        return MeanMeasure(metric_name(path), lambda *rows: function(*(_whole(tensor, offset) for tensor in rows)))


NOTHING = Allowed()


@dataclass(frozen=True)
class KerasMeasure:
    """A Keras metric, whose variables are sums over rows. They are never written to: states pass through as tensors."""

    name: str
    metric: keras.metrics.Metric
    offset: Offset

    @property
    def size(self) -> int:
        return sum(prod(variable.shape) for variable in self.metric.variables)

    def sums(self, target: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        target, output = (_whole(tensor, self.offset) for tensor in (target, output))
        added = _updated(self.metric, _empty(self.metric), target, output, tf.cast(weights, tf.float32))
        return tf.concat([tf.reshape(tf.cast(each, tf.float64), [-1]) for each in added], axis=0)

    def value(self, sums: Floats, _weight: float) -> float:
        state, start = [], 0
        for variable in self.metric.variables:
            stop = start + prod(variable.shape)
            state.append(tf.constant(sums[start:stop].reshape(variable.shape), variable.dtype))
            start = stop
        return float(self.metric.stateless_result(state))


def made_up_rows(classes: int, units: int, *, several: bool) -> Rows:
    """Encoded targets and outputs of some rows, as a training may have them.

    Args:
        classes: how many the target has; 0 for numbers.
        several: whether they hold at once.
    """
    random = np.random.default_rng(0)
    if not classes:
        target, output = random.normal(size=(2, _MADE_UP, units))
        return tf.constant(target, tf.float32), tf.constant(output, tf.float32)
    output = random.uniform(size=(_MADE_UP, units))
    if several or units == 1:
        return tf.constant(random.integers(2, size=(_MADE_UP, units)), tf.float32), tf.constant(output, tf.float32)
    shares = output / output.sum(axis=1, keepdims=True)
    return tf.constant(np.arange(_MADE_UP) % classes, tf.int32), tf.constant(shares, tf.float32)


def _whole(tensor: tf.Tensor, offset: Offset) -> tf.Tensor:
    return tensor if offset is None else tf.cast(tensor, tf.float32) + offset


def _empty(metric: keras.metrics.Metric) -> list[tf.Tensor]:
    return [tf.zeros(variable.shape, variable.dtype) for variable in metric.variables]


def _updated(
    metric: keras.metrics.Metric, state: Sequence[tf.Tensor], target: tf.Tensor, output: tf.Tensor, weights: tf.Tensor
) -> list[tf.Tensor]:
    """The values of a metric's variables after some rows more."""
    return list(metric.stateless_update_state(list(state), target, output, sample_weight=weights))


def _try(metric: keras.metrics.Metric, path: str, target: tf.Tensor, output: tf.Tensor) -> None:
    """Try a metric on some rows.

    Raises:
        InvalidJob: it fails, or does not give the same however its rows are cut into batches.
    """
    half, weights = len(target) // 2, tf.ones(len(target))
    parts = [tuple(tensor[part] for tensor in (target, output, weights)) for part in (slice(half), slice(half, None))]
    empty = _empty(metric)
    try:
        first, second = (_updated(metric, empty, *part) for part in parts)
        both = _updated(metric, first, *parts[1])
        unweighted = _updated(metric, empty, target, output, tf.zeros(len(target)))
        value = metric.stateless_result(both)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, tf.errors.OpError) as error:
        raise InvalidJob(
            f"the metric {path!r} fails on made-up rows: {type(error).__name__}: {error}; it is called as "
            "update_state(y_true, y_pred, sample_weight=…), and its variables are made in __init__"
        ) from error
    if not empty:
        raise InvalidJob(f"the metric {path!r} has no variables: make them in __init__")
    if np.ndim(value) or isinstance(value, dict):
        raise InvalidJob(f"the metric {path!r} gives {value!s:.60}; expected one number from result()")
    if any(np.any(each) for each in (*unweighted, *map(np.asarray, metric.variables))):
        raise InvalidJob(
            f"the metric {path!r} counts rows whose sample_weight is 0, or has variables that do not begin at 0"
        )
    if not all(np.allclose(a + b, c, rtol=1e-4, atol=1e-5) for a, b, c in zip(first, second, both, strict=True)):
        raise InvalidJob(
            f"the metric {path!r} gives something else when its rows are cut into other batches: expected variables "
            "that are sums over rows, to which update_state adds"
        )
