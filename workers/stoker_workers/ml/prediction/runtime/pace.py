"""The batch size that keeps a target latency, learned from the duration of calls."""

_NEWEST_SHARE = 0.2  # weight of the latest call in the expected duration


class Pace:
    """The expected duration of a model's calls by batch size, and the largest batch within the target latency.

    A request waits for the current batch and is computed in the next one, so a batch may take half the target. Sizes
    are powers of two. Fewer rows should take no longer, and twice the rows at most twice the time; so a size that was
    once slow is tried again as soon as smaller ones are quick.

    Args:
        target_s: the target latency of a request, waiting included.
        largest: the most rows per call.
    """

    def __init__(self, target_s: float, largest: int) -> None:
        self._budget_s = target_s / 2
        self._largest = largest
        self._seconds: dict[int, float] = {}

    def took(self, rows: int, seconds: float) -> None:
        """Record the duration of a call."""
        size = _size(rows)
        before = self._seconds.get(size, seconds)
        self._seconds[size] = before + _NEWEST_SHARE * (seconds - before)

    def expected_s(self, rows: int) -> float:
        """The expected duration of a call; 0 if nothing is known yet."""
        size = _size(rows)
        return min((seconds * max(1, size / known) for known, seconds in self._seconds.items()), default=0.0)

    @property
    def max_rows(self) -> int:
        """The most rows to compute at once; at least 1."""
        rows = 1
        while 2 * rows <= self._largest and self.expected_s(2 * rows) <= self._budget_s:
            rows *= 2
        return rows


def _size(rows: int) -> int:
    return 1 << (rows - 1).bit_length()
