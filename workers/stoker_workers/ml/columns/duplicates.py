"""Rows that are equal to another one, counted by a hash of each."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ..data import Values

Hashes = NDArray[np.uint64]

_MOST = 1_000_000
"""Different hashes that are kept, 16 bytes each."""
_NAN, _NAT = np.uint64(0x7FF8_0000_0000_0000), np.uint64(0x8000_0000_0000_0000)


class Duplicates:
    """Counts rows that are equal to an earlier one.

    Where the different rows are too many, only those are kept whose hash ends in a zero bit, then in two, and so on:
    equal rows stay together, and the kept ones stand for all (adaptive sampling: Flajolet 1990).

    Attributes:
        exact: whether all rows are kept.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._zero_bits = 0
        self._hashes: Hashes = np.empty(0, np.uint64)
        self._counts = np.empty(0, np.int64)
        self._pending: list[Hashes] = []

    def update(self, columns: Iterable[Values]) -> None:
        """Add the rows of a batch."""
        self._pending.append(self._kept(_row_hashes(columns)))
        if sum(map(len, self._pending)) > self._most:
            self._merge()

    @property
    def exact(self) -> bool:
        return not self._zero_bits

    def count(self) -> int:
        """How many rows are equal to an earlier one, about so many if not `exact`."""
        self._merge()
        return int(self._counts.sum() - len(self._counts)) << self._zero_bits

    def _kept(self, hashes: Hashes) -> Hashes:
        kept: Hashes = hashes[self._ends_in_zeros(hashes)]
        return kept

    def _ends_in_zeros(self, hashes: Hashes) -> NDArray[np.bool_]:
        ends: NDArray[np.bool_] = hashes & np.uint64((1 << self._zero_bits) - 1) == 0
        return ends

    def _merge(self) -> None:
        hashes = np.concatenate([self._hashes, *self._pending])
        weights = np.concatenate([self._counts, np.ones(len(hashes) - len(self._hashes), np.int64)])
        self._pending = []
        while True:
            self._hashes, places = np.unique(hashes, return_inverse=True)
            self._counts = np.bincount(places, weights, len(self._hashes)).astype(np.int64)
            if len(self._hashes) <= self._most:
                return
            self._zero_bits += 1
            kept = self._ends_in_zeros(hashes)
            hashes, weights = hashes[kept], weights[kept]


def _row_hashes(columns: Iterable[Values]) -> Hashes:
    hashed = [_mixed(_bits(values)) for values in columns]
    rows = np.zeros(len(hashed[0]) if hashed else 0, np.uint64)
    for column in hashed:
        rows = _mixed(rows * np.uint64(0x9E37_79B9_7F4A_7C15) + column)
    return rows


def _mixed(bits: Hashes) -> Hashes:
    """A finaliser whose every bit depends on all (Steele, Lea & Flood 2014: SplitMix64)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return bits ^ (bits >> np.uint64(31))


def _bits(values: Values) -> Hashes:
    """64 bits for each row, equal for equal ones, missing ones too."""
    if values.ndim > 1 or values.dtype == object:
        return np.fromiter(map(hash, _hashable(values)), np.int64, len(values)).view(np.uint64)
    match values.dtype.kind:
        case "f":
            numbers = values.astype(np.float64) + 0.0  # which makes -0.0 the 0.0 that it equals
            return np.where(np.isnan(numbers), _NAN, numbers.view(np.uint64))
        case "M":
            return np.where(np.isnat(values), _NAT, values.astype("M8[us]").view(np.uint64))
        case _:
            return values.astype(np.int64).view(np.uint64)


def _hashable(values: Values) -> Iterator[object]:
    for value in values:
        if value is None or isinstance(value, str):
            yield value
        else:
            array = np.asarray(value)
            yield tuple(array.ravel().tolist()) if array.dtype == object else (array.shape, array.tobytes())
