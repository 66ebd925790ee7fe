"""The life of one attempt, from claim to commit, as its slot sees it."""

import logging
import time
from collections import deque
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeVar

from stoker import ledger, registry
from stoker.artifacts import ModelVersion
from stoker.connection import Call
from stoker.errors import ModelNotFound, StokerError, Unavailable
from stoker.events import Event, JobState
from stoker.jobs import Train, TrainResult
from stoker.ledger import Answer, Attempt, Committed, Refused

from .messages import Done, Emitted, End, Failed, Halted, Lost
from .runner import Assignment, Runner, StopReason
from .slot import Slot

T = TypeVar("T")
_log = logging.getLogger(__name__)

# How often a running job is looked at; a cancel is noticed within this.
TICK_S = 0.5
# How long a job may take to stop by itself before its process is killed. A drain writes a checkpoint meanwhile.
GRACE_S: dict[StopReason, float] = {"cancel": 10.0, "drain": 60.0}
_MOST_PENDING_EVENTS = 5_000
_RETRY_S = 1.0


class Ending(NamedTuple):
    """How an attempt ended, and what to tell Celery's log and Flower of it."""

    how: Literal["succeeded", "failed", "cancelled", "handed back", "dropped"]
    told: str


def run_job(slot: Slot, job_id: str) -> Ending:
    """Claim a job and see it to its end.

    A message that rings for a job which is taken, ended or unknown is dropped: the ledger decides, not the message.
    """
    claimed = slot.connection.run(ledger.claim(job_id, slot.new_owner(), slot.worker, slot.settings.lease_s))
    if isinstance(claimed, Refused):
        return Ending("dropped", f"the job is {claimed}")
    _deliver(slot)
    ending = _Execution(slot, claimed).follow()
    _deliver(slot)
    return ending


def _deliver(slot: Slot) -> None:
    try:
        slot.results.deliver()
    except StokerError as error:
        _log.warning("results will be copied later: %s", error)


_TAKEN_AWAY = Ending("dropped", "its lease ran out, and another worker has the job")


class _Execution:
    """One attempt at one job.

    1. The slot has claimed the job; it forks a runner and hands it the spec.
    2. While the runner works, the slot renews the lease every tick, passes its events on, and obeys: a cancel or a
       drain is passed on and enforced after a grace period, a timeout ends the process at once.
    3. The runner's last message, or its death, decides: commit, fail, or hand back to the queue.
    4. If the ledger says that the attempt lost the job, the runner is killed and nothing is written.

    Redis being away stops none of it: events wait, and the end is committed when it is back.
    """

    def __init__(self, slot: Slot, attempt: Attempt) -> None:
        self._slot = slot
        self._attempt = attempt
        self._pending: deque[Event] = deque(maxlen=_MOST_PENDING_EVENTS)
        self._answer = Answer.OK
        timeout_s = attempt.spec.timeout
        self._times_out_at = time.monotonic() + timeout_s if timeout_s else None
        self._stopping: StopReason | None = None
        self._kill_at: float | None = None

    def follow(self) -> Ending:
        """See the attempt to its end."""
        try:
            version = self._model()
        except ModelNotFound as error:
            return self._settle(Failed(reason=error.message, traceback=""))
        spec, settings = self._attempt.spec, self._slot.settings
        assignment = Assignment(
            job=self._attempt.job_id,
            spec=spec,
            store_url=settings.store,
            builders=settings.builders,
            model=version,
            resume_from=self._attempt.checkpoint,
        )
        with Runner(assignment) as runner:
            end = self._watch(runner)
        return _TAKEN_AWAY if end is None else self._settle(end)

    def _model(self) -> ModelVersion | None:
        spec = self._attempt.spec
        return None if isinstance(spec, Train) else self._insist(registry.resolve(spec.model))

    def _watch(self, runner: Runner) -> End | None:
        """Pass on what the runner tells until it ends; None if the lease is lost."""
        report_at = 0.0
        while True:
            end: End | None = None
            for message in runner.receive(TICK_S):
                if isinstance(message, Emitted):
                    self._pending.append(message.event)
                else:
                    end = message
            if end or time.monotonic() >= report_at:
                report_at = time.monotonic() + TICK_S
                self._report()
            if self._answer is Answer.LOST:
                return None
            if end:
                return end
            if overdue := self._overdue():
                return overdue
            self._pass_on_stop(runner)

    def _report(self) -> None:
        try:
            call = ledger.report(self._attempt, self._slot.settings.lease_s, list(self._pending))
            self._answer = self._slot.connection.run(call)
        except Unavailable as error:
            _log.warning("job %s goes on without Redis: %s", self._attempt.job_id, error)
            return
        self._pending.clear()

    def _overdue(self) -> End | None:
        now = time.monotonic()
        if self._times_out_at is not None and now >= self._times_out_at:
            return Failed(reason=f"took longer than its timeout of {self._attempt.spec.timeout:g} s", traceback="")
        if self._stopping and self._kill_at is not None and now >= self._kill_at:
            return Halted(reason=self._stopping)
        return None

    def _pass_on_stop(self, runner: Runner) -> None:
        wanted: StopReason | None = "drain" if self._slot.draining.is_set() else None
        if self._answer is Answer.CANCEL:
            wanted = "cancel"
        if wanted and wanted != self._stopping:
            self._stopping, self._kill_at = wanted, time.monotonic() + GRACE_S[wanted]
            runner.stop(wanted)

    def _settle(self, end: End) -> Ending:
        attempt = self._attempt
        match end:
            case Done():
                return self._commit(end)
            case Failed():
                self._insist(ledger.fail(attempt, JobState.FAILED, end.reason, end.traceback))
                return Ending("failed", end.reason)
            case Halted(reason="cancel"):
                self._insist(ledger.fail(attempt, JobState.CANCELLED, "cancelled while it ran"))
                return Ending("cancelled", "cancelled while it ran")
            case Halted():
                self._insist(ledger.release(attempt, "drained", f"worker {self._slot.worker} was drained"))
                return Ending("handed back", "the worker was drained")
            case Lost():
                self._insist(ledger.release(attempt, "lost", end.reason))
                return Ending("handed back", end.reason)

    def _commit(self, done: Done) -> Ending:
        """Write result and model in one step; a model takes the next number that is free."""
        committed = Committed.VERSION_TAKEN
        while committed is Committed.VERSION_TAKEN:
            result, version = done.result, None
            if done.manifest is not None:
                number = self._insist(registry.next_number(done.manifest.name))
                version = ModelVersion(**dict(done.manifest), version=number, created_at=datetime.now(UTC))
                assert isinstance(result, TrainResult), "only training makes models"
                result = result.model_copy(update={"model": version.ref})
            committed = self._insist(ledger.succeed(self._attempt, result, version))
        return Ending("succeeded", result.model) if committed is Committed.OK else _TAKEN_AWAY

    def _insist(self, call: Call[T]) -> T:
        """Run a call however long Redis is away: the work behind it is done and must not be thrown away."""
        while True:
            try:
                return self._slot.connection.run(call)
            except Unavailable as error:
                _log.warning("job %s waits for Redis: %s", self._attempt.job_id, error)
                time.sleep(_RETRY_S)
