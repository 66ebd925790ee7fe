"""Keras losses and metrics of an author's own: what they give, row by row and added up, and which are refused."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from shop.losses import Focal, Sure

from stoker.errors import InvalidJob
from stoker_workers.ml.training.authors import Allowed, made_up_rows

ALLOWED = Allowed(modules=("shop.losses", __name__))
CLASSES = made_up_rows(3, 3, several=False)
NUMBERS = made_up_rows(0, 2, several=False)


def registered(cls: Any) -> Any:
    return keras.saving.register_keras_serializable(package="tests")(cls)


@registered
class Mean(keras.metrics.Mean):  # type: ignore[misc]  # Keras has no types
    def update_state(self, y_true: Any, _y_pred: Any, sample_weight: Any = None) -> Any:
        return super().update_state(keras.ops.mean(y_true, axis=-1), sample_weight=sample_weight)


@registered
class Largest(Mean):
    def update_state(self, y_true: Any, _y_pred: Any, sample_weight: Any = None) -> None:
        weights = keras.ops.expand_dims(keras.ops.cast(sample_weight, "float32"), -1)
        self.total.assign(keras.ops.maximum(self.total, keras.ops.max(y_true * weights)))


@registered
class Unweighted(Mean):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().update_state(y_true, y_pred, None if sample_weight is None else sample_weight * 0 + 1)


@registered
class Late(Mean):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        self.late = self.add_weight(name="late", initializer="zeros")
        return super().update_state(y_true, y_pred, sample_weight)


@registered
class FromOne(Mean):
    def __init__(self) -> None:
        super().__init__()
        self.more = self.add_weight(name="more", initializer="ones")


@registered
class Several(Mean):
    def result(self) -> Any:
        return self.total * keras.ops.ones(2)


@registered
class Named(Mean):
    def __init__(self, column: str) -> None:
        super().__init__(name=column)


@registered
class Strange(Mean):
    def update_state(self, y_true: Any, _y_pred: Any, sample_weight: Any = None) -> None:
        raise TypeError(f"{type(y_true)} and {sample_weight}")


@registered
class Whole(keras.losses.Loss):  # type: ignore[misc]  # Keras has no types
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(y_true - y_pred)


def test_a_loss_gives_what_keras_gives_for_each_row() -> None:
    target, output = CLASSES
    losses = ALLOWED.loss("shop.losses:Focal")(target, output)
    np.testing.assert_allclose(losses, Focal(reduction="none")(target, output), rtol=1e-6)


@pytest.mark.parametrize("offset", [None, np.array([5, -5], np.float32)])
def test_a_metric_is_that_of_all_rows_however_they_are_cut_into_batches(offset: Any) -> None:
    target, output = NUMBERS
    measure = ALLOWED.metric(f"{__name__}:Mean", NUMBERS, offset)
    weights = tf.range(16, dtype=tf.float64)
    cuts = [slice(0, 3), slice(3, 4), slice(4, 16)]
    batches = [measure.sums(target[cut], output[cut], weights[cut]) for cut in cuts]
    expected = Mean()
    expected.update_state(target if offset is None else target + offset, output, weights)
    assert measure.value(np.sum(batches, axis=0), 120) == pytest.approx(float(expected.result()), rel=1e-5)
    assert (measure.name, measure.size) == ("Mean", 2)


def test_a_metric_is_computed_within_a_graph_and_leaves_nothing_behind() -> None:
    measure = ALLOWED.metric("shop.losses:Sure", CLASSES, None)
    weights = tf.ones(16, tf.float64)
    sums = tf.function(measure.sums)(*CLASSES, weights)
    expected = Sure()
    expected.update_state(*CLASSES)
    assert measure.value(sums.numpy(), 16) == pytest.approx(float(expected.result()))
    np.testing.assert_array_equal(measure.sums(*CLASSES, weights), sums)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Largest", "cut into other batches"),
        ("Unweighted", "counts rows whose sample_weight is 0"),
        ("FromOne", "do not begin at 0"),
        ("Late", "its variables are made in __init__"),
        ("Several", "expected one number"),
        ("Named", "cannot be made without arguments"),
        ("Strange", "fails on made-up rows: TypeError"),
        ("Whole", "is no class derived from Keras' Metric"),
        ("Nothing", "is no class derived from Keras' Metric"),
        ("Focal", "that is written in"),
    ],
)
def test_a_metric_that_cannot_be_added_up_is_refused(name: str, reason: str) -> None:
    with pytest.raises(InvalidJob, match=reason):
        ALLOWED.metric(f"{__name__}:{name}", NUMBERS, None)


def test_a_loss_that_gives_no_number_for_each_row_or_is_not_registered_is_refused() -> None:
    with pytest.raises(InvalidJob, match="expected one number for each row"):
        ALLOWED.loss(f"{__name__}:Whole")(*NUMBERS)
    with pytest.raises(InvalidJob, match="registered by"):
        ALLOWED.loss("shop.losses:Unregistered")
