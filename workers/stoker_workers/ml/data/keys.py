"""Columns that are the keys of the folders which files are in, such as `year=2024`."""

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from stoker.models.data import Partition

from .source import Column, ColumnType, Values

# How Hive and Spark write a key without a value.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class Keys:
    """The keys of some files' folders.

    Args:
        partitions: of each file; empty where there are none.
        own: the columns of the files themselves, which go before keys of their names.
        types: of columns whose type is known.
    """

    def __init__(self, partitions: Sequence[Partition], own: Collection[str], types: Mapping[str, ColumnType]) -> None:
        names = [key for key, _ in partitions[0] if key not in own] if partitions else []
        self._values = {
            key: _constants([dict(partition)[key] for partition in partitions], types.get(key)) for key in names
        }
        self.columns = tuple(
            Column(key, "string" if values.dtype == object else values.dtype.name)
            for key, values in self._values.items()
        )

    def values(self, file: int, rows: int) -> dict[str, Values]:
        """The columns for some rows of a file, which is named by its place."""
        return {key: np.repeat(values[file : file + 1], rows) for key, values in self._values.items()}


def _constants(texts: Sequence[str], wanted: ColumnType | None) -> Values:
    """The value of a key for each file."""
    if wanted != "string" and all(re.fullmatch(r"-?(0|[1-9]\d{0,17})", text) for text in texts):
        return np.array([int(text) for text in texts], np.int64)
    return np.array([None if text == _NO_VALUE else text for text in texts], dtype=object)
