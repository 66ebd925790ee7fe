"""A job spread over several slots: its parts are jobs of their own, and it ends with them.

                     spread                                   all have succeeded
    RUNNING ─────────────────────▶ WAITING for its parts ───────────────────────▶ SUCCEEDED, their results as one
                                       │
                                       └── one has not ──▶ FAILED, DEAD or CANCELLED as that part, the others cancelled

Each part has a Celery message, a lease and attempts of its own; a lost worker costs the job one part. Parts are in no
list of jobs, and each is forgotten when it ends: what it gave, or why it failed, is kept with its job.
"""

import re
from collections.abc import Sequence

from ..kinds import Infer, kind_of
from ..redis.connection import Call, Word
from .attempts import Attempt
from .scripts import iso_now, script

Rows = tuple[int, int]
_PART = re.compile(r"[0-9a-f-]{36}-\d+-\d+")


def spread(attempt: Attempt, spec: Infer, parts: Sequence[Rows]) -> Call[bool]:
    """End an attempt by parts, each with some of the job's rows, in order; False if the attempt had lost the job."""
    words: list[Word] = [attempt.job_id, attempt.owner, iso_now(), sum(stop - start for start, stop in parts)]
    for number, rows in enumerate(parts):
        part = spec.model_copy(update={"rows": rows, "after": (), "not_before": None})
        part_id = f"{attempt.job_id}-{attempt.number}-{number}"
        words += (part_id, part.model_dump_json(), f"{kind_of(spec).summary(spec)}, rows {rows[0]} to {rows[1] - 1}")
    return Call(tuple(words), lambda answer: bool(answer == b"ok"), script("spread"))


def is_part(job_id: str) -> bool:
    """Whether an id is that of a part: one that is unknown has ended, and is nobody's attack."""
    return _PART.fullmatch(job_id) is not None
