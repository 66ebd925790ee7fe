"""How much memory a job is foreseen to use that asks for none: what those like it were seen to use, and a margin."""

from collections.abc import Sequence
from typing import NamedTuple

from ..kinds.likeness import Likeness
from .estimates import Example, Shown

# So many jobs make a need; fewer say nothing, and the job has a slot's share as any other.
_ENOUGH = 4
# Of 100 jobs, 95 use less; and a slot looks at what a job uses now and then only.
_SHARE, _MARGIN = 0.95, 1.25
# Few that differ widely have wide bounds, and would be promised a machine: never so many times the most that one used.
_LARGEST = 2
# Numbers of the work that take time and no memory.
_TIME_ALONE = frozenset({"epochs", "trials"})


class MemoryNeed(NamedTuple):
    """Bytes, and what they rest on, in words."""

    bytes: int
    basis: str


def memory_need(examples: Sequence[Example], job: Likeness) -> MemoryNeed | None:
    """What a job is foreseen to use; None if too few like it have ended.

    Those count that have the same settings; else those on the same model and data whose networks are as large.

    Args:
        examples: jobs of its kind that have ended, the newest first.
    """
    sizes = _sizes(job)
    alike = [
        example.model_copy(update={"likeness": example.likeness.model_copy(update={"work": {}})})
        for example in examples
        if example.peak_bytes and example.likeness.subject == job.subject and _sizes(example.likeness) == sizes
    ]
    same = [example for example in alike if example.likeness.same == job.same]
    if len(same) < _ENOUGH and len({example.likeness.same for example in alike}) < _ENOUGH:
        return None
    plain = job.model_copy(update={"work": {}})
    found = Shown(alike, 1.0, "alike", lambda example: float(example.peak_bytes)).estimate(plain)
    most = _LARGEST * max(example.peak_bytes for example in alike)
    return MemoryNeed(round(min(_MARGIN * found.quantile(_SHARE), most)), found.basis)


def _sizes(job: Likeness) -> dict[str, float]:
    return {name: number for name, number in job.work.items() if name not in _TIME_ALONE}
