"""Numbers that probably stand for a missing value: -200 among concentrations, 999 among days."""

import numpy as np

from .content import is_number, word
from .stats import ColumnStats

# A stand-in comes at least so often, and the others differ: among a few codes any number may be one.
_LEAST_ROWS, _LEAST_SHARE, _LEAST_OTHERS = 5, 0.005, 10
# How far it is from all others, in lengths of their range; nines alone, such as 999, are written to be seen.
_FAR, _FAR_NINES = 2.0, 0.5


def stand_in(stats: ColumnStats) -> str | None:
    """What is to be said of a number that comes often and is unlike all others; None if there is none.

    It is the least or the largest, and far from the others, or the only one below zero.
    """
    if not is_number(stats) or not np.isfinite((stats.moments.low, stats.moments.high)).all():
        return None
    numbers = np.asarray(stats.sample.rows, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    for edge in (stats.moments.low, stats.moments.high):
        share = float((numbers == edge).mean()) if len(numbers) else 0.0
        if share * len(numbers) < _LEAST_ROWS or share < _LEAST_SHARE or not edge.is_integer():
            continue
        others = numbers[numbers != edge]
        if len(np.unique(others)) >= _LEAST_OTHERS and _is_unlike(edge, others.min(), others.max()):
            told = f"{word(edge)} comes in {share:.1%} of its rows"
            beside = f"the others are {others.min():g} to {others.max():g}"
            return f"{told}, and {beside}: if it stands for a missing value, missing={word(edge)!r} says so"
    return None


def _is_unlike(edge: float, low: float, high: float) -> bool:
    if edge < 0 <= low:
        return True
    gap = max(low - edge, edge - high)
    nines = set(word(abs(edge))) == {"9"} and abs(edge) > 9
    return gap > (_FAR_NINES if nines else _FAR) * (high - low)
