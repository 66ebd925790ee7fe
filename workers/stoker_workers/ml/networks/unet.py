"""Networks that give a class for each pixel."""

import keras

from stoker.errors import InvalidJob
from stoker.kinds import UNet

from .cnn import image_shape
from .layers import applied, dropout, penalty


def unet(spec: UNet, input_shape: tuple[int, ...], units: int) -> keras.Model:
    """From pixels to `units` numbers for each: down to a coarse view and up again, with what each step down has seen.

    Raises:
        InvalidJob: rows of this shape are no pictures, or too small ones.
    """
    if len(input_shape) < 2:
        raise InvalidJob(
            f"a UNet takes pictures, but the data has rows of shape {input_shape}; name a picture's column"
        )
    height, width, channels = image_shape(input_shape)
    step = 2 ** (len(spec.filters) - 1)
    if min(height, width) < step:
        raise InvalidJob(
            f"a UNet of {len(spec.filters)} levels halves pictures of {height} × {width} to nothing; give fewer "
            "filters, or a larger image_size"
        )
    pixels = keras.Input(input_shape)
    tensor = keras.layers.Reshape((height, width, channels))(pixels)
    missing = (-height % step, -width % step)
    tensor = keras.layers.ZeroPadding2D(((0, missing[0]), (0, missing[1])))(tensor)
    seen: list[keras.KerasTensor] = []
    for filters in spec.filters[:-1]:
        tensor = _convolved(tensor, filters, spec)
        seen.append(tensor)
        tensor = keras.layers.MaxPooling2D(2)(tensor)
    tensor = _convolved(tensor, spec.filters[-1], spec)
    for filters, earlier in zip(reversed(spec.filters[:-1]), reversed(seen), strict=True):
        tensor = keras.layers.UpSampling2D(2)(tensor)
        tensor = _convolved(keras.layers.Concatenate()([tensor, earlier]), filters, spec)
    tensor = keras.layers.Cropping2D(((0, missing[0]), (0, missing[1])))(tensor)
    activation = "softmax" if spec.output == "auto" else spec.output
    output = keras.layers.Conv2D(units, 1, activation=activation, kernel_regularizer=penalty(spec))(tensor)
    return keras.Model(pixels, output, name="network")


def _convolved(tensor: keras.KerasTensor, filters: int, spec: UNet) -> keras.KerasTensor:
    for _ in range(2):
        convolve = keras.layers.Conv2D(
            filters, spec.kernel_size, padding="same", activation=spec.activation, kernel_regularizer=penalty(spec)
        )
        tensor = convolve(tensor)
    return applied(dropout(spec), tensor)
