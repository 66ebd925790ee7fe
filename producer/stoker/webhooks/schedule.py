"""When a delivery is tried again: the schedule of Standard Webhooks, ten tries over 75 hours."""

import random
from datetime import timedelta

# Between the end of a try and the next, seconds.
PAUSES_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
MOST_TRIES = len(PAUSES_S) + 1
# So that what failed together is not tried together: each pause is up to a tenth longer.
_JITTER = 0.1


def pause_after(tries: int, chance: float | None = None) -> timedelta | None:
    """How long to wait after so many tries that have failed; None after the last.

    Args:
        chance: from 0 to 1, where between the shortest and the longest pause it lies; None draws it.
    """
    if tries >= MOST_TRIES:
        return None
    chance = random.random() if chance is None else chance
    return timedelta(seconds=PAUSES_S[tries - 1] * (1 + _JITTER * chance))
