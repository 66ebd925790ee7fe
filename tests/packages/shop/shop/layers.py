"""The shop's own parts of networks."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="shop")
class Gate(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Lets a learned share of each number through."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.share = self.add_weight(name="share", shape=(input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return inputs * keras.ops.sigmoid(self.share)


@keras.saving.register_keras_serializable(package="shop")  # type: ignore[untyped-decorator]
def squashed(x: Any) -> Any:
    """An activation between -1 and 1."""
    return x / (1 + keras.ops.abs(x))


def unregistered(x: Any) -> Any:
    """An activation that nobody finds by a name."""
    return x


class NotOfKeras:
    """Whatever else there is in a module."""
