"""An app's handle of a job, for threads."""

from collections.abc import Iterator, Mapping
from typing import Generic

from ..errors import StokerError
from ..events import Event, JobState
from ..foresight.eta import Eta
from ..kinds import Spec
from ..kinds.base import R_co
from ..ledger import dead_jobs, pauses, records, waits
from ..ledger.dead_jobs import PastAttempt
from ..ledger.logs import kept
from ..redis.connection import Connection
from ..redis.scopes import PerProcess
from ..settings import Settings
from ..status import JobStatus
from ..terminal.html import tag
from .arguments import event_id, timeout_or_none
from .calls import Calls
from .following import AwaitedEnd, Deadline, Follower, Pause, check_end, check_time
from .foreseeing import etas_of
from .history import so_far
from .job_files import JobFile, artifacts_of
from .listening import Listener
from .logs import LogFile, Printed, lines_of, printed
from .retrying import retry


class Job(Calls, Generic[R_co]):
    """A job in the ledger; made by `Client.submit` and `Client.job`. It may be shared as its client may.

    Type checkers know its result by its spec: that of a `Train` is a `Job[TrainResult]`.

    Attributes:
        id: also its Celery task id.
    """

    def __init__(
        self, connection: Connection, listener: PerProcess[Listener], job_id: str, settings: Settings, spec: str = ""
    ) -> None:
        self.settings = settings
        self._connection = connection
        self._listener = listener
        self.id = job_id
        # The digest of what was submitted; "" for a job that somebody else has.
        self._spec = spec

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    def _repr_html_(self) -> str:
        """Its status; what a notebook shows must not raise."""
        try:
            return self.status()._repr_html_()  # the protocol of notebooks
        except StokerError as error:
            return tag("p", f"{self!r}: {error}")

    @property
    def state(self) -> JobState:
        """The job's state now."""
        return self.status().state

    def status(self) -> JobStatus:
        """The job's status now."""
        return self._connection.run(records.status(self.id))

    def spec(self) -> Spec:
        """The spec that was submitted."""
        return self._connection.run(records.spec(self.id))

    def events(self, after: str | None = None) -> Iterator[Event]:
        """The job's events, from the first one or the one after `after`; ends with the job.

        An event that only a newer version knows comes as `events.Other`.

        Raises:
            Unavailable: Redis has been away for a minute, or for `patience_s` if that is longer.
            InvalidArgument: `after` is not an event's id.
        """
        return self._events(event_id(after), self._deadline(None))

    def events_so_far(self, after: str | None = None) -> list[Event]:
        """The events that `events` would give at once: those until now.

        Raises:
            JobNotFound: no job has this id.
            InvalidArgument: `after` is not an event's id.
        """
        return self._drive(so_far(self.id, event_id(after)))

    def attempts(self) -> list[PastAttempt]:
        """The attempts that have ended, the first one first: who made them, when, how each ended, and why."""
        return self._run(dead_jobs.history(self.id))

    def requeue(self) -> None:
        """Give the job, which was given up, its `max_attempts` once more, from its last checkpoint.

        Raises:
            JobNotFound: no job has this id.
            InvalidJob: it is not DEAD.
            Unavailable: another job with its singleton key has not ended.
        """
        self._run(dead_jobs.requeue(self.id))

    def drop(self) -> None:
        """Forget the job, which was given up, with its events and its checkpoints.

        Raises:
            JobNotFound: no job has this id.
            InvalidJob: it is not DEAD.
        """
        self._run(dead_jobs.drop(self.id))

    def wait(self, timeout: float | None = None) -> JobState:
        """Wait for the end; gives the final state, which may be one that only a newer version knows.

        Raises:
            Timeout: it has not ended after `timeout` seconds.
            Unavailable: Redis is away when the time is up or, without a timeout, has been for as long as in `events`.
            InvalidArgument: `timeout` is not a number of seconds.
        """
        end = self._end(timeout)
        while not end.has_come(state := self._status(end).state):
            self._await(end)
        return state

    def result(self, timeout: float | None = None) -> R_co:
        """Wait for the end; gives the result.

        Raises:
            JobFailed, JobCancelled, JobDead, JobPruned: it ended without a result; the message says why.
            Untrusted: `trusted_keys` is set, and no worker among them has signed this result; or it is of a job with
                another spec than was submitted.
            InvalidJob: it ended in a state, or with a result, that only a newer version knows.
            Timeout, Unavailable, InvalidArgument: as `wait`.
        """
        end, call = self._end(timeout), self._result_of(self.id, self._spec)
        while True:
            result = self._connection.run(call, patience_s=end.deadline.patience_s())
            if result is not None:
                return result  # type: ignore[return-value]  # the kind of the spec has made it
            if end.was_told:
                check_end(self.id, self._status(end).state)
            self._await(end)

    @property
    def files(self) -> Mapping[str, JobFile]:
        """The files of a job that has succeeded, by name: `job.files["html"].open()`; and of a Monitor, those so far.

        What it printed is in "log.txt", if it printed anything.

        Raises:
            JobFailed, JobCancelled, JobDead, JobPruned, InvalidJob: as `result`.
            Timeout: it has not ended.
        """
        if so_far := self._run(waits.kept_files(self.id)):
            return {name: JobFile(file, self.settings.store_place) for name, file in so_far.items()}
        files = artifacts_of(self.result(timeout=0), self._run(kept(self.id)))
        return {name: JobFile(file, self.settings.store_place) for name, file in files.items()}

    def cancel(self) -> None:
        """Cancel the job: at once if it is queued, at its next step if it runs. No effect once it has ended."""
        self._connection.run(records.cancel(self.id))

    def logs(self) -> list[str]:
        """The lines that the job has printed and logged so far, in all its attempts, the oldest first.

        At the end of an attempt they are put into the store, up to 10 MB, and kept there as long as the job's record.
        Before that, and of an attempt whose worker was killed, they are the `Log` events among the newest 10,000 events
        of the job. A line says so where some are left out, where the file is gone, and where the next attempt begins.

        Raises:
            JobNotFound: no job has this id.
        """
        return self._printed().lines

    def follow_logs(self) -> Iterator[str]:
        """The lines of `logs`, and those that come, until the job ends.

        Raises:
            JobNotFound, Unavailable: as `logs` and `events`.
        """
        printed = self._printed()
        yield from printed.lines
        for event in self.events(printed.last):
            yield from lines_of(event)

    def _printed(self) -> Printed:
        return self._drive(printed(self.id, LogFile(self._run(kept(self.id)), self.settings.store_place)))

    def pause(self) -> None:
        """Pause the job, and its children: if it runs, it saves a checkpoint at its next step and leaves its slot.

        It is WAITING then, and `status().paused` says since when. `resume` lets it go on from there, on any worker and
        in its old place. It costs no attempt, and `cancel` ends it at once. No effect on a paused one.

        Raises:
            InvalidJob: it has ended, or it runs and keeps no checkpoint.
        """
        self._connection.run(pauses.pause(self.id))

    def resume(self) -> None:
        """Let the job go on if it is paused.

        Raises:
            InvalidJob: it has ended.
        """
        self._connection.run(pauses.resume(self.id))

    def eta(self) -> Eta:
        """When the job starts and ends: by what jobs like it took, and by what is queued and runs beside it.

        Of 100 such answers, 90 hold. One about a job that waits, for others or for a worker that nobody runs, says why
        nothing can be foreseen. It takes a few round trips, and a tenth of a second of this process.

        Raises:
            JobNotFound: no job has this id.
        """
        return self._drive(etas_of([self.id]))[self.id]

    def retry(self) -> "Job[R_co]":
        """Try a job again that is FAILED, CANCELLED, DEAD or PRUNED: a new job of the same spec, with an id of its own.

        The end of a job is final, also for those who have read its events: so this one stays as it is. Called again, it
        gives the same new job; to try that one again, call its `retry`. A job that had not started still comes after
        others: in place of those that have not succeeded, after their retries. The new job's status names this one in
        `resubmits`.

        Raises:
            InvalidJob: it has not ended, or it has succeeded; or its data or what it comes after is gone.
            Unavailable: Redis cannot take it.
        """
        new = self._drive(retry(self.id, self._signatures))
        return Job(self._connection, self._listener, new.id, self.settings, new.spec)

    def _deadline(self, timeout: float | None) -> Deadline:
        return Deadline(timeout_or_none(timeout), self._connection.patience_s)

    def _end(self, timeout: float | None) -> AwaitedEnd:
        return AwaitedEnd(self._deadline(timeout), self._connection.longest_block_s)

    def _status(self, end: AwaitedEnd) -> JobStatus:
        return self._connection.run(records.status(self.id), patience_s=end.deadline.patience_s())

    def _await(self, end: AwaitedEnd) -> None:
        if pause := end.pause():
            newest = self._listener.get().wait(self.id, pause.after, pause.seconds, for_end=True)
            if not newest:
                # Who waits for events that cannot be read is told, and holds up the one reader no longer.
                own = records.events(self.id, pause.after, limit=1)
                self._connection.run(own, patience_s=end.deadline.patience_s())
            end.waited(newest)
        else:
            check_time(self._status(end), end.deadline)

    def _events(self, after: str | None, deadline: Deadline) -> Iterator[Event]:
        follower = Follower(self.id, after, deadline, self._connection.longest_block_s)
        while step := follower.next_step():
            if isinstance(step, Pause):
                news = self._listener.get().wait(self.id, step.after, step.seconds)
                follower.waited(bool(news))
            else:
                yield from follower.take(self._connection.run(step, patience_s=deadline.patience_s()))
