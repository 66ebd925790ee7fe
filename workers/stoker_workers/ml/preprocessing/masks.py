"""Masks as targets: a class for each pixel of a picture."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob

from ..data import Column, Values
from .pixels import LEVELS, without_channel
from .target import Target


@dataclass
class MaskCounts:
    """How many pixels have each number, from 0 to 255.

    Attributes:
        all, trained: of all rows, and of those that are trained on.
    """

    column: Column
    all: NDArray[np.int64] = field(default_factory=lambda: np.zeros(LEVELS, np.int64))
    trained: NDArray[np.int64] = field(default_factory=lambda: np.zeros(LEVELS, np.int64))

    def update(self, values: Values, trained: NDArray[np.bool_]) -> None:
        """Add the masks of some rows.

        Raises:
            InvalidJob: a pixel is no whole number from 0 to 255.
        """
        values = without_channel(values)
        whole = values.dtype.kind in "bu" or bool(((values == np.floor(values)) & (values >= 0)).all())
        if values.ndim != 3 or not whole or (values.size and values.max() >= LEVELS):
            raise InvalidJob(
                f"target {self.column.name!r} has entries of {values.shape[1:]} ({values.dtype}); task='pixels' wants "
                "masks: (height, width) of whole numbers from 0 to 255"
            )
        levels = values.astype(np.uint8)
        self.all += np.bincount(levels.ravel(), minlength=LEVELS)
        self.trained += np.bincount(levels[trained].ravel(), minlength=LEVELS)

    def target(self) -> Target:
        """What is to be predicted.

        Raises:
            InvalidJob: there is one class only.
        """
        [classes] = np.nonzero(self.all)
        if len(classes) < 2:
            raise InvalidJob(
                f"all pixels of target {self.column.name!r} are {classes.tolist()}; there is nothing to learn: masks "
                "have a number for each class"
            )
        return Target(
            name="output",
            columns=(self.column.name,),
            task="pixels",
            classes=tuple(map(str, classes.tolist())),
            class_rows=tuple(self.trained[classes].tolist()),
            shape=self.column.shape[:2],
        )

    @property
    def words(self) -> str:
        """What was found, for an event."""
        total = max(int(self.all.sum()), 1)
        shares = [f"{value} ({100 * count / total:.1f} %)" for value, count in enumerate(self.all) if count]
        return f"target {self.column.name!r}: pixels, of the classes {', '.join(shares)}"
