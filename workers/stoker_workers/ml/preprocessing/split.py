"""The split of rows into training and validation."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


class Split(Protocol):
    """Assigns every row, by its index, to training or validation."""

    def held_out(self, start: int, stop: int) -> Mask:
        """Whether each of the rows start … stop - 1 is for validation."""
        ...


class ExactSplit:
    """Holds out exactly `share` of the rows at random; at least one, and never all."""

    def __init__(self, rows: int, share: float, seed: int) -> None:
        self._mask = np.zeros(rows, dtype=bool)
        if share and rows > 1:
            count = min(max(round(rows * share), 1), rows - 1)
            self._mask[np.random.default_rng(seed).permutation(rows)[:count]] = True

    def held_out(self, start: int, stop: int) -> Mask:
        return self._mask[start:stop]


class HashedSplit:
    """Holds out about `share` of the rows by a hash of their index; the number of rows may be unknown."""

    def __init__(self, share: float, seed: int) -> None:
        self._limit = np.uint64(int(share * 2**64))
        self._seed = np.uint64(seed)

    def held_out(self, start: int, stop: int) -> Mask:
        # SplitMix64 (Steele, Lea & Flood 2014): every bit of the result depends on every bit of the index.
        z = (np.arange(start, stop, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + self._seed
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))) < self._limit
