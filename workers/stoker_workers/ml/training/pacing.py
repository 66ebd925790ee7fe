"""How many steps a call of a compiled loop takes, and the rows of each."""

import time
from collections.abc import Callable, Iterator

from .rows import Order, Window
from .step import Lines, Loop, Totals

_CALL_S = 0.1
"""Target duration of a call: short enough to cancel at once, long enough that Python's overhead is negligible."""
_FIRST_STEPS = 8
_MAX_STEPS = 65_536


class PacedLoop:
    """A compiled loop that learns how many steps a call should take.

    Attributes:
        steps: the number of steps of the next call.
    """

    def __init__(self, loop: Loop) -> None:
        self.steps = _FIRST_STEPS
        self._loop = loop
        self._traced = False

    def __call__(self, window: Window, lines: Lines, totals: Totals) -> Totals:
        started = time.monotonic()
        totals = self._loop(window, lines, totals)
        step_s = (time.monotonic() - started) / len(lines)
        if self._traced:
            self.steps = min(max(int(_CALL_S / step_s), 1), _MAX_STEPS)
        self._traced = True  # the first call also traces the graph: its duration is not typical
        return totals


def cut(order: Order, batch: int, steps_per_call: Callable[[], int]) -> Iterator[Lines]:
    """The rows in order: a batch for each line, a matrix for each call; a shorter last batch has a call of its own."""
    done = 0
    while done < len(order):
        lines = min((len(order) - done) // batch, steps_per_call())
        size = lines * batch or len(order) - done
        yield order[done : done + size].reshape(max(lines, 1), -1)
        done += size
