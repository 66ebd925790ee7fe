"""The shop's own losses and metrics."""

import math
from typing import Any

import keras
from keras import ops

LIKELY = math.log(2)


@keras.saving.register_keras_serializable(package="shop")
class Focal(keras.losses.Loss):  # type: ignore[misc]  # Keras has no types
    """A cross-entropy that makes light of rows which are nearly right."""

    def __init__(self, gamma: float = 2.0, name: str = "focal", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.gamma = gamma

    def call(self, y_true: Any, y_pred: Any) -> Any:
        losses = keras.losses.sparse_categorical_crossentropy(y_true, y_pred)
        return losses * (1 - ops.exp(-losses)) ** self.gamma


@keras.saving.register_keras_serializable(package="shop")
class Sure(keras.metrics.Metric):  # type: ignore[misc]  # Keras has no types
    """The share of rows whose true class is likelier than the others together."""

    def __init__(self, name: str = "sure", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        sure = ops.cast(keras.metrics.sparse_categorical_crossentropy(y_true, y_pred) < LIKELY, "float32")
        weights = ops.ones_like(sure) if sample_weight is None else ops.cast(sample_weight, "float32")
        self.total.assign_add(ops.sum(sure * weights))
        self.count.assign_add(ops.sum(weights))

    def result(self) -> Any:
        return self.total / self.count


class Unregistered(keras.losses.Loss):  # type: ignore[misc]  # Keras has no types
    """A loss that Keras does not know by a name."""
