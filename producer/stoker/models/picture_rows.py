"""Pictures among rows of data: what an app gives for them, and the tensor that they become."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidJob
from .pictures import BrokenPicture, fitted, is_image
from .signature import TensorSpec
from .tensors import Array


def takes_pictures(spec: TensorSpec) -> bool:
    """Whether an input's rows are pictures of any size, rather than arrays as the model was trained on."""
    return spec.kind == "image" and spec.dtype == "uint8"


def encode_pictures(
    spec: TensorSpec, values: Array, name: str, numbering: Sequence[int] | NDArray[np.intp]
) -> NDArray[np.uint8]:
    """Pictures of any sizes as pixels of the tensor's size.

    Raises:
        InvalidJob: one is missing, or none.
    """
    height, width, channels = (size or 1 for size in spec.shape)
    if values.dtype == np.uint8 and values.shape[1:] == (height, width, channels):
        return values
    pixels = np.empty((len(values), height, width, channels), np.uint8)
    for row, value in enumerate(values):
        try:
            pixels[row] = fitted(value, (height, width, channels))
        except BrokenPicture as broken:
            raise InvalidJob(f"the picture {name!r} in row {numbering[row]} (the first row is 0) {broken}") from None
    return pixels


def as_rows(pictures: Array) -> Array:
    """An array that is given for a column of pictures, with rows: a single picture is one of them.

    Rank 4 has rows already, and so has rank 3 where the last axis cannot be channels.
    """
    if pictures.dtype == object or pictures.ndim not in (2, 3):
        return pictures
    return pictures if pictures.ndim == 3 and pictures.shape[2] not in (1, 3, 4) else pictures[np.newaxis]


def holds_pictures(values: Sequence[object]) -> bool:
    """Whether a list has images of Pillow, encoded ones or paths of such, which numpy would make something else of."""
    encoded = (bytes, bytearray, memoryview, Path)
    return any(issubclass(each, encoded) or is_image(each) for each in set(map(type, values)))


def as_objects(rows: Sequence[object]) -> Array:
    """An array of what each row is; of arrays, too, whatever their shapes."""
    objects = np.empty(len(rows), dtype=object)
    for row, value in enumerate(rows):
        objects[row] = value
    return objects


def row_bytes(tensors: Sequence[Array]) -> int:
    """The size of one row of some tensors in bytes."""
    return sum(array.dtype.itemsize * prod(array.shape[1:]) for array in tensors)
