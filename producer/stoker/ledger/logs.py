"""What a job has printed: a file in the store up to some attempt, and behind that its events."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from pydantic import BaseModel, ConfigDict

from ..events import Event, Log, Queued, Started, Waiting
from ..models.manifest import Artifact
from ..redis.calls import Call, Steps
from ..status import JobStatus
from . import records
from .attempt import Attempt
from .keys import key
from .readable import readable
from .scripts import script

# The first event of a job is of the moment when it was submitted.
_AT_ONCE = timedelta(seconds=1)


class KeptLog(BaseModel):
    """What a job has printed, as a file in the store; the job's record names it.

    Attributes:
        attempt: the attempt up to which it has everything; what later ones printed is among the events.
        left_out: how many bytes were left out in its middle.
    """

    model_config = ConfigDict(frozen=True)

    attempt: int
    artifact: Artifact
    left_out: int = 0


def beginning(attempt: int) -> list[str]:
    """What stands before the lines of an attempt: a line that says so, but for the first."""
    return [f"… attempt {attempt} begins here …"] if attempt > 1 else []


@dataclass(frozen=True)
class LoggedLines:
    """The lines among a job's events, with those that say where an attempt begins.

    Attributes:
        lines: each with its attempt, the oldest first.
        lacks: the attempt of which the first lines are no longer there; None if all are.
        last: the id of the last event, for `records.events`; None if there is none.
    """

    lines: tuple[tuple[int, str], ...] = ()
    lacks: int | None = None
    last: str | None = None

    def after(self, attempt: int) -> list[str]:
        """The lines of later attempts than this one."""
        return [line for number, line in self.lines if number > attempt]


def kept(job_id: str) -> Call[KeptLog | None]:
    """The file of what a job has printed so far; None if there is none."""
    return Call(("HGET", key("job", job_id), "log"), partial(readable, KeptLog))


def keep(attempt: Attempt, log: KeptLog) -> Call[bool]:
    """Note the file of what a job has printed so far; gives whether the attempt still has the job."""
    words = (attempt.job_id, attempt.owner, log.model_dump_json())
    return Call(words, lambda answer: answer == b"ok", script("keep_log"))


def logged(job_id: str) -> Steps[LoggedLines]:
    """The lines among a job's events.

    Raises:
        JobNotFound: no job has this id.
    """
    status: JobStatus = yield records.status(job_id)
    events: list[Event] = []
    while page := (yield records.events(job_id, events[-1].id if events else None)):
        events += page
    if not events:
        return LoggedLines()
    # What stands before the first start that is there is of the attempt before it.
    attempt = next((event.attempt - 1 for event in events if isinstance(event, Started)), status.attempt)
    lacks = None if _is_first(status, events[0]) else attempt
    lines: list[tuple[int, str]] = []
    for event in events:
        if isinstance(event, Started):
            attempt = event.attempt
            lines += ((attempt, line) for line in beginning(attempt))
        elif isinstance(event, Log):
            lines += ((attempt, line) for line in event.line.split("\n"))
    return LoggedLines(tuple(lines), lacks, events[-1].id)


def _is_first(status: JobStatus, event: Event) -> bool:
    """Whether no older event has been dropped."""
    began = isinstance(event, Queued | Waiting) and event.at and event.at - status.submitted_at < _AT_ONCE
    return bool(began)
