"""A job as an app holds it, for threads."""

from collections.abc import Iterator

from .. import ledger
from ..errors import Timeout
from ..events import Event, Finished, JobState, JobStatus
from ..kinds import Result, Spec
from ..redis.connection import Connection
from ..redis.scopes import PerProcess
from .arguments import event_id, timeout_or_none
from .following import Deadline, Follower, Pause, ended_as, late
from .listening import Listener


class Job:
    """A job in the ledger; made by `Client.submit` and `Client.job`. Safe wherever its client is.

    Attributes:
        id: also its Celery task id.
    """

    def __init__(self, connection: Connection, listener: PerProcess[Listener], job_id: str) -> None:
        self._connection = connection
        self._listener = listener
        self.id = job_id

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    @property
    def state(self) -> JobState:
        """Where the job stands now."""
        return self.status().state

    def status(self) -> JobStatus:
        """The job as it stands now."""
        return self._connection.run(ledger.status(self.id))

    def spec(self) -> Spec:
        """What was asked for."""
        return self._connection.run(ledger.spec(self.id))

    def events(self, after: str | None = None) -> Iterator[Event]:
        """The job's events, from the first or from behind the event with id `after`; ends with the job.

        An event that this version does not know, because a newer one has sent it, comes as `events.Other`.

        Raises:
            Unavailable: Redis has been away for a minute, or for `patience_s` if that is longer.
            InvalidArgument: `after` is no event's id.
        """
        return self._events(event_id(after), Deadline(None, self._connection.patience_s))

    def wait(self, timeout: float | None = None) -> JobState:
        """Wait for the end and give the final state, or the one in which a newer version has ended the job.

        Raises:
            Timeout: it has not ended after `timeout` seconds.
            Unavailable: Redis is away when the time is up or, without a timeout, has been for as long as in `events`.
            InvalidArgument: `timeout` is no number of seconds.
        """
        timeout = timeout_or_none(timeout)
        return self._wait(timeout, Deadline(timeout, self._connection.patience_s))

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the end and give the result.

        Raises:
            JobFailed, JobCancelled, JobDead: it ended without one; the message says why.
            InvalidJob: a newer version has ended it, in a state or with a result that this one does not know.
            Timeout, Unavailable, InvalidArgument: as `wait` does.
        """
        timeout = timeout_or_none(timeout)
        deadline = Deadline(timeout, self._connection.patience_s)
        while True:
            ready = self._connection.run(ledger.result(self.id), patience_s=deadline.patience_s())
            if ready is not None:
                return ready
            ended_as(self.id, self._wait(timeout, deadline))

    def cancel(self) -> None:
        """Ask for the job's end: at once if it is queued, at its next step if it runs; none if it has ended."""
        self._connection.run(ledger.cancel(self.id))

    def _wait(self, timeout: float | None, deadline: Deadline) -> JobState:
        for event in self._events(None, deadline):
            if isinstance(event, Finished):
                return event.state
        status = self.status()
        if status.state.final:
            return status.state
        raise Timeout(late(status, timeout or 0))

    def _events(self, after: str | None, deadline: Deadline) -> Iterator[Event]:
        follower = Follower(self.id, after, deadline, self._connection.longest_block_s)
        while step := follower.next_step():
            if isinstance(step, Pause):
                follower.waited(self._listener.get().wait(self.id, step.after, step.seconds))
            else:
                yield from follower.take(self._connection.run(step, patience_s=deadline.patience_s()))
