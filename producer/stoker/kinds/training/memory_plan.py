"""How a `Train` job makes do with less memory, when an attempt has run out of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..train import Train

_PARTS = (4, 16, 64)


@dataclass(frozen=True)
class MemoryPlan:
    """How an attempt makes do with less memory.

    Attributes:
        parts: into how many parts each batch is divided, whose gradients are added up.
        mixed: whether layers compute in half precision.
    """

    parts: int = 1
    mixed: bool = False

    def __str__(self) -> str:
        return ", ".join(self._words())

    def _words(self) -> Iterator[str]:
        if self.parts > 1:
            yield f"each batch in {self.parts} parts"
        if self.mixed:
            yield "mixed precision"


def memory_plans(spec: "Train") -> tuple[MemoryPlan, ...]:
    """The plans of a job, each with less than the one before: smaller parts of batches, then mixed precision if it may.

    A part has a row at least.
    """
    plans = [MemoryPlan(parts) for parts in _PARTS if parts <= spec.batch_size]
    if spec.precision == "auto":
        plans.append(MemoryPlan(plans[-1].parts if plans else 1, mixed=True))
    return tuple(plans)


def memory_plan_of(spec: "Train", used: int) -> MemoryPlan:
    """By which plan an attempt runs; by none for 0."""
    return (MemoryPlan(), *memory_plans(spec))[used]
