"""Following a job to its end, or only waiting for that: what to do next, and how long to retry. Does no I/O."""

import math
import time
from dataclasses import dataclass

from ..errors import InvalidJob, Timeout
from ..events import OPEN, Event, Finished, JobState
from ..ledger import records
from ..redis.calls import Call
from ..status import JobStatus

# A wait without a timeout survives an outage of this length: a server's restart, a failover.
OUTAGE_S = 60.0


class Deadline:
    """The deadline of one wait.

    Args:
        timeout_s: None for no deadline; also an attribute.
        patience_s: how long an outage is survived without a deadline, if longer than `OUTAGE_S`.
    """

    def __init__(self, timeout_s: float | None, patience_s: float) -> None:
        self.timeout_s = timeout_s
        self._at = None if timeout_s is None else time.monotonic() + timeout_s
        self._outage_s = max(patience_s, OUTAGE_S)

    def left_s(self) -> float:
        """Seconds left; infinite without a deadline."""
        return math.inf if self._at is None else max(0.0, self._at - time.monotonic())

    def patience_s(self) -> float:
        """How long to retry the next call while Redis is away."""
        return self._outage_s if self._at is None else self.left_s()


@dataclass(frozen=True)
class Pause:
    """Wait until the job has an event after `after`, for `seconds` at most."""

    after: str | None
    seconds: float


class Follower:
    """Reads a job's events to the last: do what `next_step` says, and pass the result to `take` or `waited`.

    The job's status is read when it sends no event for a while, or none although there was news, so that nobody waits
    for a job that has been forgotten, or for events after the last one.

    Args:
        after: the id of the event to start after; None for the first event.
        longest_pause_s: after how long without an event the job's status is read.
    """

    def __init__(self, job_id: str, after: str | None, deadline: Deadline, longest_pause_s: float) -> None:
        self._job_id = job_id
        self._after = after
        self._deadline = deadline
        self._longest_pause_s = longest_pause_s
        self._look_up = True
        self._pause = False
        self._expects_news = False
        self._job_ended = False
        self._done = False

    def next_step(self) -> Call[list[Event] | JobStatus] | Pause | None:
        """The next read, for `take`, or wait, for `waited`; None after the last event or the deadline."""
        left_s = self._deadline.left_s()
        if self._done or left_s <= 0:
            return None
        if self._pause:
            return Pause(self._after, min(left_s, self._longest_pause_s))
        return records.status(self._job_id) if self._look_up else records.events(self._job_id, self._after)

    def take(self, read: list[Event] | JobStatus) -> list[Event]:
        """The new events in a read."""
        if isinstance(read, JobStatus):
            self._look_up, self._job_ended = False, read.state.final
            return []
        if read:
            self._after = read[-1].id
        elif self._expects_news:
            self._look_up = True
        else:
            self._pause, self._done = True, self._job_ended
        self._expects_news = False
        self._done = self._done or any(isinstance(event, Finished) for event in read)
        return read

    def waited(self, news: bool) -> None:
        """Go on after a pause, which ended with news of the job or without."""
        self._pause, self._look_up, self._expects_news = False, not news, news


class AwaitedEnd:
    """The end of a job that is waited for: pause as `pause` says, and pass the result to `waited`; look each time.

    Looks are between pauses, so that nobody waits for a job that has been forgotten, or whose last event is lost.

    Args:
        deadline: also an attribute.
        longest_pause_s: after how long without an end the job is looked at.

    Attributes:
        was_told: whether the last pause ended because an event says that the job has ended.
    """

    def __init__(self, deadline: Deadline, longest_pause_s: float) -> None:
        self.deadline = deadline
        self._longest_pause_s = longest_pause_s
        self._after: str | None = None
        self.was_told = False

    def pause(self) -> Pause | None:
        """The next wait for the end; None once the time is up."""
        left_s = self.deadline.left_s()
        return Pause(self._after, min(left_s, self._longest_pause_s)) if left_s > 0 else None

    def waited(self, newest: str) -> None:
        """Look at the job after a pause; `newest` is the id of its newest event, "" if it has not ended."""
        self.was_told = bool(newest)
        self._after = newest or self._after

    def has_come(self, state: JobState) -> bool:
        """Whether a job in this state has ended; of a state that only a newer version knows, events say so."""
        return state.final or (self.was_told and state not in OPEN)


def check_time(status: JobStatus, deadline: Deadline) -> None:
    """Check that a job has ended whose time is up.

    Raises:
        Timeout: it has not.
    """
    if not status.state.final:
        waited_s = deadline.timeout_s or 0
        raise Timeout(f"job {status.id} is {status.state} after {waited_s:g} s of waiting; it goes on, ask again later")


def check_end(job_id: str, state: JobState) -> None:
    """Check that the result of a job can be read of which an event says that it has ended; it may go on by now.

    Raises:
        InvalidJob: only a newer version knows the state that the job ended in.
    """
    if not state.final and state not in OPEN:
        raise InvalidJob(
            f"job {job_id} has ended as {state}, which this version of Stoker does not know: "
            "a newer one's client reads what came of it"
        )
