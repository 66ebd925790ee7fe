"""Models whose every call takes the same number of rows."""

from collections.abc import Sequence

import numpy as np

from stoker.models.tensors import Array, Outputs, joined_rows

from .engine import Reference


class FixedBatches:
    """An engine that gets its rows in batches of one size; the last is filled up with copies of its last row."""

    def __init__(self, engine: Reference, rows: int) -> None:
        self._engine = engine
        self._rows = rows
        self.name = engine.name
        self.threads = engine.threads

    @property
    def size_bytes(self) -> int:
        """As of the engine."""
        return self._engine.size_bytes

    def run(self, columns: Sequence[Array]) -> Outputs:
        """See `Engine`."""
        rows, size = len(columns[0]), self._rows
        parts = []
        for start in range(0, rows, size):
            batch = [array[start : start + size] for array in columns]
            lacking = size - len(batch[0])
            parts.append(self._engine.run([filled_up(array, lacking) for array in batch]))
        outputs = joined_rows(parts)
        if isinstance(outputs, dict):
            return {name: output[:rows] for name, output in outputs.items()}
        return outputs[:rows]

    def no_rows(self) -> Outputs:
        """See `Reference`."""
        return self._engine.no_rows()


def filled_up(array: Array, rows: int) -> Array:
    """An array and so many copies of its last row, which, unlike zeros, is valid for the model."""
    return np.concatenate([array, np.repeat(array[-1:], rows, axis=0)]) if rows else array
