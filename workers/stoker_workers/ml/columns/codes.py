"""Whole numbers that may be codes of categories or classes: what tells them from counts and amounts."""

from .stats import ColumnStats

# Of the rarest of a balanced code to the commonest: chance alone makes more of a difference than nothing.
_BALANCED = 1.3
_LEAST_REPEATS = 4


def code_counts(stats: ColumnStats, most: int) -> list[int] | None:
    """How often each of the whole numbers 0, 1, 2, … or 1, 2, 3, … occurs; None if they are others, or more than that.

    Args:
        most: how many there may be.
    """
    counts = stats.distinct.counts
    if not stats.whole or not stats.distinct.complete or not 2 < len(counts) <= most:
        return None
    numbers = sorted(map(int, counts))
    if numbers[0] not in (0, 1) or numbers[-1] - numbers[0] != len(numbers) - 1:
        return None
    return [counts[number] for number in numbers]


def is_balanced(counts: list[int]) -> bool:
    """Whether all occur about equally often, as nothing that is counted or measured does."""
    return min(counts) >= _LEAST_REPEATS and max(counts) <= _BALANCED * min(counts)
