"""Rows that are validated on, and come up again among rows that a job adds to train on."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .data import Values
from .data.source import rows_of
from .preprocessing.split import TRAINED, Sides, Split

_Hashes = NDArray[np.uint64]
_PRIME = np.uint64(0x100000001B3)


class Copies:
    """Which of the rows that are validated on are found among added ones, but in no other row that is trained on.

    Rows are the same if all their values are. A table of a few categories has many such by nature: what the rows that
    were there before repeat as well is no copy.

    Args:
        validated: rows that are validated on, a batch at a time, of which only hashes are kept.
        names: the columns that are compared.
        added: how many rows are added; they come first.
    """

    def __init__(self, validated: Iterable[Mapping[str, Values]], names: Sequence[str], added: int) -> None:
        self._names, self._added = names, added
        hashes = [row_hashes(batch, names) for batch in validated]
        all_rows = np.concatenate([np.empty(0, dtype=np.uint64), *hashes])
        self._hashes, self._counts = np.unique(all_rows, return_counts=True)
        self._again = np.zeros(len(self._hashes), dtype=bool)
        self._before = self._again.copy()

    def note(self, batch: Mapping[str, Values], first: int, sides: Sides) -> None:
        """Compare a batch of all rows, whose first row has the index `first`."""
        if not len(self._hashes):
            return
        hashes = row_hashes(batch, self._names)
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        same = (self._hashes[at] == hashes) & (sides == TRAINED)
        added = np.arange(first, first + len(hashes)) < self._added
        self._again[at[same & added]] = True
        self._before[at[same & ~added]] = True

    @property
    def validated(self) -> int:
        """How many rows are validated on."""
        return int(self._counts.sum())

    @property
    def rows(self) -> int:
        """How many of them were found."""
        return int(self._counts[self._again & ~self._before].sum())


class WatchedSplit:
    """A split of which one pass over all rows looks for copies."""

    def __init__(self, split: Split, copies: Copies) -> None:
        self._split, self._copies = split, copies

    def sides(self, batch: Mapping[str, Values], first: int) -> Sides:
        sides = self._split.sides(batch, first)
        self._copies.note(batch, first, sides)
        return sides


def row_hashes(batch: Mapping[str, Values], names: Sequence[str]) -> _Hashes:
    """A hash of each row's values, the same for a number of any type; it is another one in another process."""
    whole = np.zeros(rows_of(batch), dtype=np.uint64)
    for name in names:
        whole = (whole ^ _value_hashes(batch[name])) * _PRIME
        whole ^= whole >> np.uint64(32)
    return whole


def _value_hashes(values: Values) -> _Hashes:
    if values.dtype.kind in "biuf":
        # Adding 0 makes -0 of 0; a gap is NaN whatever its bits are.
        values = values.astype(np.float64) + 0.0
        values[np.isnan(values)] = np.nan
    if values.ndim == 1 and values.dtype != object:
        return np.ascontiguousarray(values).view(np.uint64)
    own = (hash(value.tobytes() if isinstance(value, np.ndarray) else repr(value)) for value in values)
    return np.fromiter(own, dtype=np.int64, count=len(values)).view(np.uint64)
