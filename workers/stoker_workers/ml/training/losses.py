"""Losses, computed row by row."""

from collections.abc import Callable

import keras
import tensorflow as tf

from stoker.errors import InvalidJob

RowLosses = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From targets and outputs to the loss of each row."""

_OF_NUMBERS = {
    "mse": keras.losses.MeanSquaredError,
    "mae": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,
    "msle": keras.losses.MeanSquaredLogarithmicError,
    "log_cosh": keras.losses.LogCosh,
}
_OF_CLASSES = {
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "categorical_focal": keras.losses.CategoricalFocalCrossentropy,
    "binary_focal": keras.losses.BinaryFocalCrossentropy,
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
}


def keras_loss(name: str, units: int, *, from_logits: bool, one_hot: bool) -> keras.losses.Loss:
    """The Keras loss of this name.

    Args:
        one_hot: whether there is an output unit for each class, of which one is true.
    """
    if name in _OF_NUMBERS:
        return _OF_NUMBERS[name]()
    if name == "focal":
        name = "categorical_focal" if one_hot and units > 1 else "binary_focal"
    return _OF_CLASSES[name](from_logits=from_logits)


def row_losses(loss: keras.losses.Loss, units: int) -> RowLosses:
    """A Keras loss row by row; class numbers become one-hot rows where it takes those."""
    if not isinstance(loss, keras.losses.CategoricalCrossentropy | keras.losses.CategoricalFocalCrossentropy):
        call: RowLosses = loss.call
        return call
    return lambda target, output: loss.call(tf.one_hot(target, units), output)


def checked(function: Callable[..., tf.Tensor], path: str) -> RowLosses:
    """A function of the author's, whose result must be one number for each row."""

    def call(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        values = tf.convert_to_tensor(function(target, output))
        if values.shape.rank != 1:
            raise InvalidJob(
                f"{path} gives a tensor of shape {values.shape}; expected one number for each row of the batch: take "
                "the mean over the last axis"
            )
        return tf.cast(values, tf.float32)

    return call


def mean_of_pixels(losses: RowLosses) -> RowLosses:
    """The loss of each row from those of its pixels."""
    return lambda target, output: tf.reduce_mean(losses(target, output), axis=[1, 2])


def by_pixel(target: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Masks as rows of pixels, which share the weight of their mask."""
    pixels = tf.size(target[0])
    shared = tf.repeat(weights / tf.cast(pixels, weights.dtype), pixels)
    return tf.reshape(target, [-1]), tf.reshape(output, [-1, output.shape[-1]]), shared
