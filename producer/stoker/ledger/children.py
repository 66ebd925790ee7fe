"""A job's children: jobs that it submits, for which it waits without a slot, and whose results it gathers.

                asks for children                    all have succeeded
    RUNNING ───────────────────────▶ WAITING for them ──────────────────▶ QUEUED: its next attempt has their results
                                        │
                                        └── one has not ──▶ FAILED, DEAD or CANCELLED as that one, the others cancelled

A child is a job like any other, with a Celery message, a lease and attempts of its own: a lost worker costs one child.
It takes its parent's turn in the queue, and has its tenant, tags and priority. Its result is kept with the parent.
"""

import re
from collections.abc import Sequence

from ..fleet.topology import device_of, queue_for
from ..kinds import Spec
from ..redis.calls import Call
from .attempts import Attempt
from .intake import NewJob, encoded
from .scripts import iso_now, script

_CHILD = re.compile(r"[0-9a-f-]{36}(-\d+-\d+)+")


def await_children(attempt: Attempt, parent: Spec, children: Sequence[Spec]) -> Call[bool]:
    """End an attempt by submitting its job's children, in order; False if the attempt had lost its job.

    They run on the device of the parent if they do not name one, and need the labels that it needs.
    """
    device = device_of(attempt.queue)
    jobs = []
    for number, child in enumerate(children):
        shared = {"tags": {**child.tags, **parent.tags}, "needs": {**child.needs, **parent.needs}}
        spec = child.model_copy(update={"priority": parent.priority, **shared})
        queue = queue_for(spec.kind, device if spec.device == "auto" else spec.device)
        jobs.append(NewJob(f"{attempt.job_id}-{attempt.number}-{number}", spec, queue, traceparent=attempt.traceparent))
    words = (attempt.job_id, attempt.owner, iso_now(), encoded(jobs))
    return Call(words, lambda answer: bool(answer == b"ok"), script("await_children"))


def is_child(job_id: str) -> bool:
    """Whether an id is that of a child: one that is unknown was forgotten when it was dead, and is nobody's attack."""
    return _CHILD.fullmatch(job_id) is not None
