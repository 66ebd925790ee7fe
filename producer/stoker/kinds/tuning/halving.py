"""Which trials go on: asynchronous successive halving, as Li et al. 2018 (arXiv:1810.05934) have it.

At each *rung*, an epoch, a trial is held against those that were there before it. Nothing waits for the slower ones.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ...errors import InvalidJob
from ..base import Frozen

_SHARES = {2: "half", 3: "third", 4: "quarter", 5: "fifth"}


class Halving(Frozen):
    """End a trial that is not among the best at an epoch, so that its slot is free for a better one.

    Attributes:
        monitor: a name of the training's history, such as "val_loss" or "val_accuracy".
        mode: whether the least or the largest is best.
        rungs: after which epochs trials are held against each other, in rising order.
        keep: one in so many goes on.

    Example:
        `Halving(monitor="val_accuracy", mode="max", rungs=(1, 3, 9), keep=3)`
    """

    monitor: str = Field(default="val_loss", min_length=1, max_length=256)
    mode: Literal["min", "max"] = "min"
    rungs: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=32)] = (1, 3, 9)
    keep: int = Field(default=3, ge=2, le=100)

    @model_validator(mode="after")
    def _rungs_rise(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise(self.rungs)):
            raise InvalidJob(f"rungs are epochs in rising order, each once, not {self.rungs}")
        return self


def survives(values: Sequence[float], own: float, halving: Halving) -> bool:
    """Whether a trial goes on from a rung.

    It does as long as fewer than `keep` trials are there, and when it is in the best `1 / keep` of them. Those that are
    as good as each other go on together. A trial that has diverged is worse than all that have not.

    Args:
        values: what the trials that are at the rung have reached, `own` among them.
    """
    if len(values) < halving.keep:
        return True
    better = sum(_badness(value, halving) < _badness(own, halving) for value in values)
    return better < _survivors(values, halving)


def reason_for_pruning(epoch: int, values: Sequence[float], own: float, halving: Halving) -> str:
    """Why a trial does not go on, for people."""
    last = sorted(values, key=lambda value: _badness(value, halving))[_survivors(values, halving) - 1]
    share = _SHARES.get(halving.keep, f"1/{halving.keep}")
    least = "at most" if halving.mode == "min" else "at least"
    return (
        f"pruned at epoch {epoch}: {halving.monitor} {own:.4g}, "
        f"of {len(values)} trials the best {share} have {least} {last:.4g}"
    )


def _survivors(values: Sequence[float], halving: Halving) -> int:
    return max(1, len(values) // halving.keep)


def _badness(value: float, halving: Halving) -> float:
    """A value by which trials are sorted, the best first."""
    if math.isnan(value):
        return math.inf
    return value if halving.mode == "min" else -value
