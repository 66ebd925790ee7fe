"""How many rows to compute at once so that nobody waits too long: learned from what calls took."""

_NEWEST_SHARE = 0.2  # of the latest call in what is expected of the next one


class Pace:
    """What one model's calls take, by their size, and what follows from it.

    A request waits for the batch before it and is computed in the next one: so a batch may take half the target.
    Sizes are powers of two. Fewer rows should take no longer, and twice the rows at most twice the time; so a size that
    was once slow is tried again as soon as smaller ones are quick.

    Args:
        target_s: how long a request shall take, waiting included.
        largest: most rows per call, whatever they take.
    """

    def __init__(self, target_s: float, largest: int) -> None:
        self._budget_s = target_s / 2
        self._largest = largest
        self._seconds: dict[int, float] = {}

    def took(self, rows: int, seconds: float) -> None:
        """Learn from a call of so many rows."""
        size = _size(rows)
        before = self._seconds.get(size, seconds)
        self._seconds[size] = before + _NEWEST_SHARE * (seconds - before)

    def expected_s(self, rows: int) -> float:
        """How long a call of so many rows should take; 0 as long as nothing is known."""
        size = _size(rows)
        return min((seconds * max(1, size / known) for known, seconds in self._seconds.items()), default=0.0)

    @property
    def max_rows(self) -> int:
        """Most rows to compute at once; at least 1."""
        rows = 1
        while 2 * rows <= self._largest and self.expected_s(2 * rows) <= self._budget_s:
            rows *= 2
        return rows


def _size(rows: int) -> int:
    return 1 << (rows - 1).bit_length()
