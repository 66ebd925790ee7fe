"""Convolutional networks."""

from math import isqrt

import keras

from stoker.errors import InvalidJob
from stoker.kinds import CNN

from .layers import dense_layers, dropout, penalty


def cnn_layers(spec: CNN, input_shape: tuple[int, ...]) -> list[keras.layers.Layer]:
    """The hidden layers.

    Raises:
        InvalidJob: rows of this shape are no images, or too small ones.
    """
    height, width, channels = image_shape(input_shape)
    layers: list[keras.layers.Layer] = []
    if input_shape != (height, width, channels):
        layers.append(keras.layers.Reshape((height, width, channels)))
    for filters in spec.filters:
        layers.append(
            keras.layers.Conv2D(
                filters, spec.kernel_size, padding="same", activation=spec.activation, kernel_regularizer=penalty(spec)
            )
        )
        if min(height, width) < spec.pool_size:
            raise InvalidJob(
                f"a CNN with {len(spec.filters)} poolings by {spec.pool_size} shrinks rows of shape {input_shape} to "
                "nothing; give fewer filters or a smaller pool_size"
            )
        layers.append(keras.layers.MaxPooling2D(spec.pool_size))
        height, width = height // spec.pool_size, width // spec.pool_size
        layers += dropout(spec)
    return [*layers, keras.layers.Flatten(), *dense_layers(spec.dense, spec)]


def image_shape(shape: tuple[int, ...], network: str = "CNN") -> tuple[int, int, int]:
    """Height, width and channels of a row.

    Raises:
        InvalidJob: rows of this shape are no images.
    """
    if len(shape) == 1 and isqrt(shape[0]) ** 2 == shape[0]:
        return isqrt(shape[0]), isqrt(shape[0]), 1
    if len(shape) == 2:
        return shape[0], shape[1], 1
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    raise InvalidJob(
        f"a {network} takes rows of shape (height, width) or (height, width, channels), or flat square ones; the data "
        f"has {shape}: use an MLP or reshape the data"
    )
