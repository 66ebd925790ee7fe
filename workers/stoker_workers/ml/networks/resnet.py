"""Residual convolutional networks for small images (He et al. 2016, in the order of norm and activation first)."""

import keras

from stoker.errors import InvalidJob
from stoker.kinds import ResNet

from .cnn import image_shape
from .layers import applied, batch_norm, dropout, penalty


def resnet(spec: ResNet, row: keras.KerasTensor) -> keras.KerasTensor:
    """The mean over the image of the last stage's output.

    Raises:
        InvalidJob: rows of this shape are no images, or too small ones.
    """
    shape = tuple(row.shape[1:])
    height, width, channels = image_shape(shape, "ResNet")
    if min(height, width) < 2 ** (len(spec.filters) - 1):
        raise InvalidJob(
            f"a ResNet of {len(spec.filters)} stages halves rows of shape {shape} to nothing; give fewer filters"
        )
    tensor = row if shape == (height, width, channels) else keras.layers.Reshape((height, width, channels))(row)
    tensor = _convolution(spec, spec.filters[0])(tensor)
    for stage, filters in enumerate(spec.filters):
        for block in range(spec.blocks):
            tensor = _block(spec, tensor, filters, strides=2 if stage and not block else 1)
    tensor = applied([batch_norm(), keras.layers.Activation(spec.activation)], tensor)
    return applied([keras.layers.GlobalAveragePooling2D(), *dropout(spec)], tensor)


def _block(spec: ResNet, tensor: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
    """Two convolutions, added to what they were computed from; a convolution of 1 × 1 where the size changes."""
    first = applied([batch_norm(), keras.layers.Activation(spec.activation)], tensor)
    hidden = applied(
        [
            _convolution(spec, filters, strides=strides),
            batch_norm(),
            keras.layers.Activation(spec.activation),
            _convolution(spec, filters),
        ],
        first,
    )
    if strides > 1 or tensor.shape[-1] != filters:
        tensor = _convolution(spec, filters, size=1, strides=strides)(first)
    return keras.layers.Add()([tensor, hidden])


def _convolution(spec: ResNet, filters: int, *, size: int | None = None, strides: int = 1) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        filters,
        spec.kernel_size if size is None else size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=penalty(spec),
    )
