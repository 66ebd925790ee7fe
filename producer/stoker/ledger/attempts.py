"""What workers do with the ledger: claim a job, report on it, end it or hand it back."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..artifacts import Artifact, ModelVersion
from ..connection import Call
from ..events import Checkpoint, Epoch, Event, JobState, Progress
from ..jobs import SPEC, Priority, Result, Spec
from ..wire import bell, summary
from .scripts import iso_now, script


@dataclass(frozen=True)
class Attempt:
    """A job that one worker runs.

    Attributes:
        owner: names this attempt and no other; the fencing token of all it writes.
        number: 1 for the first claim of the job, 2 for the second, …
        checkpoint: where an earlier attempt left off.
    """

    job_id: str
    owner: str
    number: int
    queue: str
    spec: Spec
    checkpoint: Artifact | None


class Refused(StrEnum):
    """Why a claim was refused."""

    MISSING = "missing"
    TAKEN = "taken"


class Answer(StrEnum):
    """What the ledger says to a report."""

    OK = "ok"
    CANCEL = "cancel"
    LOST = "lost"


class Committed(StrEnum):
    """What the ledger says to a commit."""

    OK = "ok"
    LOST = "lost"
    VERSION_TAKEN = "version"


def claim(job_id: str, owner: str, worker: str, lease_s: float) -> Call[Attempt | Refused]:
    """Take a queued job; refused if it is unknown, or no longer queued."""

    def decode(answer: list[bytes | int]) -> Attempt | Refused:
        if answer[0] != b"claimed":
            return Refused(_text(answer[0]))
        _, number, queue, raw_spec, checkpoint = answer
        return Attempt(
            job_id=job_id,
            owner=owner,
            number=int(number),
            queue=_text(queue),
            spec=SPEC.validate_json(_text(raw_spec)),
            checkpoint=Artifact.model_validate_json(_text(checkpoint)) if checkpoint else None,
        )

    return Call((job_id, owner, worker, _ms(lease_s)), decode, script("claim"))


def report(attempt: Attempt, lease_s: float, events: Sequence[Event] = ()) -> Call[Answer]:
    """Renew an attempt's lease and add its events; `LOST` means that nothing was written."""
    progress = next((event for event in reversed(events) if isinstance(event, Epoch | Progress)), None)
    checkpoint = next((event.artifact for event in reversed(events) if isinstance(event, Checkpoint)), None)
    return Call(
        (
            attempt.job_id,
            attempt.owner,
            _ms(lease_s),
            _event_json(progress) if progress else "",
            checkpoint.model_dump_json() if checkpoint else "",
            *map(_event_json, events),
        ),
        lambda answer: Answer(_text(answer)),
        script("report"),
    )


def succeed(attempt: Attempt, result: Result, version: ModelVersion | None = None) -> Call[Committed]:
    """End an attempt with its result, and register the model it made."""
    model = (version.name, version.version, version.model_dump_json(exclude={"aliases"})) if version else ("", 0, "")
    words = (attempt.job_id, attempt.owner, JobState.SUCCEEDED, result.model_dump_json(), "", iso_now(), *model)
    return Call(words, lambda answer: Committed(_text(answer)), script("commit"))


def fail(
    attempt: Attempt, state: Literal[JobState.FAILED, JobState.CANCELLED], reason: str, traceback: str = ""
) -> Call[Committed]:
    """End an attempt without a result."""
    words = (attempt.job_id, attempt.owner, state, reason, traceback, iso_now(), "", 0, "")
    return Call(words, lambda answer: Committed(_text(answer)), script("commit"))


def release(attempt: Attempt, why: Literal["drained", "lost"], reason: str) -> Call[None]:
    """Hand a job back to its queue; once lost too often it is DEAD instead."""
    spec = attempt.spec
    ring = bell(attempt.job_id, spec.kind, attempt.queue, spec.priority, summary(spec))
    words = (attempt.job_id, attempt.owner, why, reason, *ring, iso_now())
    return Call(words, lambda _: None, script("release"))


class Expired(BaseModel):
    """An attempt whose worker has gone silent."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    owner: str
    worker: str
    kind: str
    queue: str
    priority: Priority
    summary: str


def expired(limit: int = 100) -> Call[list[Expired]]:
    """Attempts whose lease has run out, the oldest first."""
    return Call((limit,), lambda rows: [_expired(row) for row in rows], script("expired"))


def _expired(row: list[bytes]) -> Expired:
    return Expired.model_validate(dict(zip(Expired.model_fields, map(_text, row), strict=True)))


def reclaim(lost: Expired) -> Call[None]:
    """Take a silent worker's job from it, unless it has spoken meanwhile."""
    ring = bell(lost.job_id, lost.kind, lost.queue, lost.priority, lost.summary)
    reason = f"worker {lost.worker} went silent"
    return Call((lost.job_id, lost.owner, "expired", reason, *ring, iso_now()), lambda _: None, script("release"))


def _event_json(event: Event) -> str:
    return event.model_dump_json(exclude={"id", "at"})


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _text(answer: bytes | int) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)
