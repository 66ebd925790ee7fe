"""The encoding of masks by a model's signature."""

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.data import listed
from stoker.models.values import Numbering

from ..data import Values

LEVELS = 256
"""The numbers that a pixel of a mask may have."""


def without_channel(values: Values) -> Values:
    """Masks of a single channel as (rows, height, width)."""
    return values[..., 0] if values.ndim == 4 and values.shape[3] == 1 else values


def encode_masks(
    values: Values, classes: tuple[str, ...], shape: tuple[int, ...], name: str, numbering: Numbering
) -> NDArray[np.int32]:
    """The place of each pixel's class among the model's.

    Raises:
        InvalidJob: a mask is of another size, or has a class that the model was not trained on.
    """
    values = without_channel(values)
    if values.shape[1:] != shape:
        raise InvalidJob(f"column {name!r} has masks of {values.shape[1:]}; the model gives {shape}")
    places = np.full(LEVELS, -1, np.int32)
    places[[int(label) for label in classes]] = np.arange(len(classes))
    encoded: NDArray[np.int32] = places[values.astype(np.uint8)]
    unknown = (encoded < 0).any(axis=(1, 2))
    if unknown.any():
        row = int(np.argmax(unknown))
        found = np.unique(values[row][encoded[row] < 0]).tolist()
        raise InvalidJob(
            f"column {name!r} has pixels of {listed([str(value) for value in found])} in row {numbering[row]} (the "
            f"first row is 0), which the model was not trained on: it knows {listed(classes)}"
        )
    return encoded
