"""Following a job to its end: what to ask next, and how long an outage to ride out. Does no I/O."""

import math
import time
from dataclasses import dataclass

from .. import ledger
from ..errors import InvalidJob
from ..events import Event, Finished, JobState, JobStatus
from ..redis.connection import Call

# Whoever waits without a timeout rides out an outage of this length: a server that starts again, a failover.
OUTAGE_S = 60.0


class Deadline:
    """How long someone waits.

    Args:
        timeout_s: None waits as long as Redis is there.
        patience_s: the least time that an outage is ridden out where there is no timeout.
    """

    def __init__(self, timeout_s: float | None, patience_s: float) -> None:
        self._at = None if timeout_s is None else time.monotonic() + timeout_s
        self._outage_s = max(patience_s, OUTAGE_S)

    def left_s(self) -> float:
        """Seconds left; infinite where there is no timeout."""
        return math.inf if self._at is None else max(0.0, self._at - time.monotonic())

    def patience_s(self) -> float:
        """How long the next call is to be tried while Redis is away."""
        return self._outage_s if self._at is None else self.left_s()


@dataclass(frozen=True)
class Pause:
    """Nothing to ask until the job has an event behind `after`, or the time is up."""

    after: str | None
    seconds: float


class Follower:
    """Reads a job's events from behind one of them to the last: do what `next_step` says, and give the outcome back.

    A job that says nothing for a while, or of which there was news that cannot be read, is looked up, so that nobody
    waits for one that has been forgotten, or for events behind the last.

    Args:
        after: the id of the event to go on behind; None for the first.
        longest_pause_s: after how long without an event the job is looked up.
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
        """What to ask, for `take`; or how to wait, for `waited`; None if the last event has come or the time is up."""
        left_s = self._deadline.left_s()
        if self._done or left_s <= 0:
            return None
        if self._pause:
            return Pause(self._after, min(left_s, self._longest_pause_s))
        return ledger.status(self._job_id) if self._look_up else ledger.events(self._job_id, self._after)

    def take(self, answer: list[Event] | JobStatus) -> list[Event]:
        """The events in an answer."""
        if isinstance(answer, JobStatus):
            self._look_up, self._job_ended = False, answer.state.final
            return []
        if answer:
            self._after = answer[-1].id
        elif self._expects_news:
            self._look_up = True
        else:
            self._pause, self._done = True, self._job_ended
        self._expects_news = False
        self._done = self._done or any(isinstance(event, Finished) for event in answer)
        return answer

    def waited(self, news: bool) -> None:
        """A pause is over, with news of the job or without."""
        self._pause, self._look_up, self._expects_news = False, not news, news


def late(status: JobStatus, timeout_s: float) -> str:
    """What a caller is told who did not want to wait any longer."""
    return f"job {status.id} is {status.state} after {timeout_s:g} s of waiting; it goes on, ask again later"


def ended_as(job_id: str, state: JobState) -> None:
    """Take note of a job's end, whose result is to be asked for next.

    Raises:
        InvalidJob: only a newer version knows this end, and what came of it.
    """
    if not state.final:
        raise InvalidJob(
            f"job {job_id} has ended as {state}, which this version of Stoker does not know: "
            "a newer one's client reads what came of it"
        )
