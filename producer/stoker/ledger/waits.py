"""Jobs that wait in the middle of their work: for a time, or for somebody to wake them, without a slot.

                waits                                its time has come, or it is woken
    RUNNING ───────────────────────▶ WAITING ─────────────────────────────────────────▶ QUEUED: its next attempt
       ▲                                                                    │           has what this one kept
       └────────────────────────────────── claim ◀──────────────────────────┘

A wait costs no attempt and leaves no entry in the job's history, and an event only where its reason is another than
the last one: a job may wait thousands of times, over months. A wake that comes while the job runs, is queued or is
paused is kept in its record: its next wait ends at once. An end of one of its children wakes it as well. It may be
woken for nothing, so each attempt looks at the world anew.
"""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from ..models.manifest import Artifact
from ..redis.calls import Call
from .attempt import Attempt
from .keys import key
from .readable import readable
from .scripts import iso_now, script


def wait(
    attempt: Attempt, why: str, *, seconds: float | None = None, keep: bytes = b"", is_followed: bool = False
) -> Call[bool]:
    """End an attempt whose job goes on later; False if the attempt had lost its job.

    Args:
        why: what it waits for, as its status says it.
        seconds: after how long it is queued again; None for not by itself.
        keep: what the next attempt gets.
        is_followed: whether a controller goes on with it meanwhile: see rollouts.py.
    """
    after_ms = "" if seconds is None else round(seconds * 1000)
    words = (attempt.job_id, attempt.owner, iso_now(), why, after_ms, keep, int(is_followed))
    return Call(words, lambda answer: bool(answer == b"ok"), script("wait"))


def wake(job_id: str) -> Call[bool]:
    """Queue a job that waits so; one that runs does not wait the next time. False if it has ended, or never was."""
    return Call((job_id,), bool, script("wake_job"))


class _Kept(BaseModel):
    """What of it is read by others than the job."""

    files: dict[str, Artifact] = Field(default_factory=dict)


def kept_files(job_id: str) -> Call[Mapping[str, Artifact]]:
    """The files that a job lists as "files" in what it keeps over its waits, by name; none of one that has ended."""

    def decode(raw: bytes | None) -> Mapping[str, Artifact]:
        kept = readable(_Kept, raw)
        return kept.files if kept else {}

    return Call(("HGET", key("job", job_id), "kept"), decode)
