"""Decoded pictures on disk, so that a training decodes each file once."""

import shutil
from pathlib import Path

import numpy as np

from stoker.models.tensors import Array

MOST_BYTES = 16 << 30


class DecodedPictures:
    """The pixels of a column, row after row, in one file; none where they would take too much of the disk.

    Args:
        path: the file, which is written by the first pass over all rows.
        shape: of a row.
    """

    def __init__(self, path: Path, rows: int, shape: tuple[int, ...]) -> None:
        self._path = path
        self._shape = shape
        self._row_bytes = int(np.prod(shape))
        self._rows = rows
        self._written = 0
        free = shutil.disk_usage(path.parent).free
        self._is_open = rows * self._row_bytes <= min(MOST_BYTES, free // 4)

    @property
    def complete(self) -> bool:
        """Whether all rows can be read."""
        return self._is_open and self._written == self._rows

    def write(self, first: int, pixels: Array) -> None:
        """Keep some rows, if they are the next ones."""
        if self._is_open and first == self._written:
            with self._path.open("ab" if first else "wb") as file:
                file.write(pixels.tobytes())
            self._written += len(pixels)

    def read(self, first: int, count: int) -> Array:
        """Rows of a complete file."""
        wanted = count * self._row_bytes
        pixels = np.fromfile(self._path, np.uint8, wanted, offset=first * self._row_bytes)
        return pixels.reshape(count, *self._shape)
