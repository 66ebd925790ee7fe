"""Numbers that count the rows, as those of an index do: of all rows, also of those that are not learned from."""

import numpy as np

from ..data import Values


class Counting:
    """How the whole numbers of a column go on from row to row.

    Attributes:
        rows: how many there were.
        whole: whether all were whole numbers, and none was missing.
        ordered: whether each was one more than the one before.
        low, high: the least and the largest, while all are whole.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.whole = True
        self.ordered = True
        self.low = np.inf
        self.high = -np.inf
        self._last: float | None = None

    @property
    def fills_its_range(self) -> bool:
        """Whether there are as many rows as whole numbers between the least and the largest."""
        return self.whole and self.rows > 0 and self.high - self.low == self.rows - 1

    def update(self, values: Values) -> None:
        """Add the rows of a batch."""
        self.rows += len(values)
        if not self.whole or not len(values):
            return
        if values.ndim > 1 or values.dtype.kind not in "iuf":
            self.whole = self.ordered = False
            return
        numbers = values.astype(np.float64)
        if not (np.isfinite(numbers) & (np.floor(numbers) == numbers)).all():
            self.whole = self.ordered = False
            return
        self.low, self.high = min(self.low, float(numbers.min())), max(self.high, float(numbers.max()))
        if self.ordered:
            known = np.empty(0) if self._last is None else np.array([self._last])
            self.ordered = bool((np.diff(np.concatenate([known, numbers])) == 1).all())
            self._last = float(numbers[-1])
