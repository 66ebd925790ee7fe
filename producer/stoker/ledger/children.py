"""A job's children: jobs that it submits, for which it waits without a slot, and whose results it gathers.

                asks for children                    all have succeeded
    RUNNING ───────────────────────▶ WAITING for them ──────────────────▶ QUEUED: its next attempt has their results
                                        │
                                        └── one has not ──▶ FAILED, DEAD or CANCELLED as that one, the others cancelled

A child is a job like any other, with a Celery message, a lease and attempts of its own: a lost worker costs one child.
It takes its parent's turn in the queue, and has its tenant, tags and priority. Its result is kept with the parent.

A search asks *with each*: it is queued again when one child has ended, however it has, and asks for more, or ends.

                asks with each                       one has ended
    RUNNING ───────────────────────▶ WAITING for any ───────────────────▶ QUEUED: its next attempt sees all of them
       ▲                                                                    │
       └────────────────────────────────── claim ◀──────────────────────────┘

Such a step costs no attempt, and leaves no event and no entry in the job's history, for there may be hundreds. Children
that end while their parent runs, is queued or is paused are counted in its record: when it asks the next time, it is
queued at once. What it must know of one that has ended is kept with it, so that the child's own record may expire.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..fleet.topology import WorkDevice, device_of, queue_for
from ..kinds import Spec
from ..kinds.tuning.halving import Halving
from ..redis.calls import Call, Word
from ..version import RELEASE
from .attempt import Attempt
from .intake import NewJob, encoded
from .scripts import iso_now, script

_CHILD = re.compile(r"[0-9a-f-]{36}(-\d+-\d+)+")


@dataclass(frozen=True)
class Standing:
    """What trials have reached at one epoch, as one of them found it when it came there.

    Attributes:
        own: that one's value.
        values: of all that were there before it, and its own.
        was_last: whether it had no epoch more to go.
    """

    epoch: int
    own: float
    values: tuple[float, ...]
    was_last: bool


def await_children(
    attempt: Attempt,
    parent: Spec,
    children: Sequence[Spec],
    *,
    each: bool = False,
    halving: Halving | None = None,
    sign: Callable[[Sequence[NewJob]], str] = lambda _: "",
) -> Call[bool]:
    """End an attempt by submitting its job's children, in order; False if the attempt had lost its job.

    They run on the device of the parent if they do not say otherwise, and need the labels that it needs.

    Args:
        each: whether the job goes on with each child that ends, instead of when all have succeeded; it then may ask
            for none, and waits for those that it asked for before.
        halving: at which epochs a child is held against the others.
        sign: signs the children, and says which the job has asked for in all; "" if it says nothing.
    """
    device = device_of(attempt.queue)
    first = attempt.following if each else 0
    jobs = []
    for number, child in enumerate(children, first):
        shared = {"tags": {**child.tags, **parent.tags}, "needs": {**child.needs, **parent.needs}}
        spec = child.model_copy(update={"priority": parent.priority, **shared})
        queue = queue_for(spec.kind, device_for(spec, device))
        job_id = f"{attempt.job_id}-{attempt.number}-{number}"
        jobs.append(NewJob(job_id, spec, queue, traceparent=attempt.traceparent))
    signed = sign(jobs)
    # An older worker would end the parent with the first of them that does not succeed.
    known = {"needs_release": str(RELEASE)} if each else {}
    if halving:
        known["halving"] = halving.model_dump_json()
    words = (attempt.job_id, attempt.owner, iso_now(), encoded(jobs, known), int(each), "" if each else signed)
    return Call(words, lambda answer: bool(answer == b"ok"), script("await_children"))


def device_for(child: Spec, parents: WorkDevice) -> WorkDevice:
    """Where a child runs: GPU memory only a GPU has."""
    if child.device != "auto":
        return child.device
    return parents if child.gpu_memory is None else "gpu"


def is_child(job_id: str) -> bool:
    """Whether an id is that of a child: one that is unknown was forgotten when it was dead, and is nobody's attack."""
    return _CHILD.fullmatch(job_id) is not None


def reach(attempt: Attempt, epoch: int, value: float, *, is_last: bool) -> Call[Standing | None]:
    """Note what a child has reached at an epoch, once; gives who was there before it.

    None if the attempt has lost its job, or nobody waits for that any more.
    """
    return _standing(attempt, epoch, "nan" if math.isnan(value) else repr(value), is_last=is_last)


def reached(attempt: Attempt) -> Call[Standing | None]:
    """What a child has reached at the last epoch where it was held against others; None if it has reached none."""
    return _standing(attempt, "", "nan", is_last=False)


def _standing(attempt: Attempt, epoch: Word, value: str, *, is_last: bool) -> Call[Standing | None]:
    def decode(answer: list[Any]) -> Standing | None:
        if not answer:
            return None
        at, own, was_last, *values = answer
        return Standing(int(at), float(own), tuple(map(float, values)), was_last == b"1")

    return Call((attempt.job_id, attempt.owner, epoch, value, int(is_last)), decode, script("reach_rung"))
