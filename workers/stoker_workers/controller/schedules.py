"""Starts what schedules have planned."""

import logging
from collections.abc import Callable
from datetime import datetime

from stoker.client import submission
from stoker.client.signing import sign
from stoker.errors import InvalidJob, ModelNotFound, Untrusted
from stoker.kinds import Spec
from stoker.ledger import alarms, clock, schedules
from stoker.ledger.intake import NewJob
from stoker.ledger.schedules import Changed
from stoker.redis.calls import drive
from stoker.redis.connection import Connection
from stoker.schedules.schedule import JobSchedule, LastStart, ScheduleState
from stoker.schedules.starting import MOST_CAUGHT_UP, Step, job_ids, next_step
from stoker.security import audit
from stoker.security.signatures import UNSIGNED, Signatures
from stoker.security.signing import said_of

from .duties import for_each

_log = logging.getLogger(__name__)
_ALARMS = 100


class Schedules:
    """The schedules, as a controller sees to them.

    Each start is one script: the schedule's next state, if it is still what was read, and the jobs. So whatever stops
    a controller, wherever, a start is made once, and whoever comes next goes on from there.

    Args:
        now: the time; that of Redis if it is left out.
        signatures: what this controller signs with, and whom it believes.
    """

    def __init__(
        self, connection: Connection, now: Callable[[], datetime] | None = None, signatures: Signatures = UNSIGNED
    ) -> None:
        self._connection = connection
        self._signatures = signatures
        self._now = now or (lambda: connection.run(clock.now()))

    def step(self) -> None:
        """Start what is due.

        Raises:
            ExceptionGroup: what failed, when every schedule has had its turn.
        """
        states = self._connection.run(schedules.states())
        if not states:
            return
        now = self._now()
        newest = self._connection.run(alarms.newest(1))
        last_alarm = newest[-1].id if newest else ""

        def is_due(state: ScheduleState) -> bool:
            return state.next_at <= now if state.next_at else state.cursor != last_alarm

        due = [
            name
            for name, raw in states.items()
            if (state := schedules.read_state(raw)) and not state.paused and is_due(state)
        ]
        for_each(due, lambda name: self._start(name, now))

    def _start(self, name: str, now: datetime) -> None:
        """Take the steps of a schedule, until nothing is due or somebody else takes them."""
        for _ in range(MOST_CAUGHT_UP + 1):
            raw = self._connection.run(schedules.state(name))
            state = schedules.read_state(raw)
            document = self._connection.run(schedules.document(name))
            schedule = schedules.read_schedule(document)
            if raw is None or state is None or document is None or schedule is None:
                return
            raised = self._connection.run(alarms.since(state.cursor or "0-0", _ALARMS)) if schedule.alarm else ()
            step = next_step(schedule, state, now, raised)
            if step is None or not self._take(schedule, document, raw, step):
                return

    def _take(self, schedule: JobSchedule, document: bytes, raw: bytes, step: Step) -> bool:
        """Take a step; False if it is somebody else's, or to be tried again."""
        if step.starts_at is None:
            return self._change(schedule, raw, step.state).was_first
        try:
            ids = job_ids(schedule, step.starts_at, step.alarm)
            jobs = drive(submission.scheduled(_tagged(schedule, step.starts_at), ids), self._connection.run)
            self._sign(schedule, document, jobs)
        except (InvalidJob, ModelNotFound, Untrusted) as error:
            return self._leave_out(schedule, raw, step, error.message)
        last = LastStart(at=step.starts_at, jobs=tuple(ids), why=step.why)
        fields = {"started": step.state.started + 1, "last": last, "problem": None}
        call = schedules.change(schedule.name, raw, step.state.model_copy(update=fields), jobs=jobs)
        changed = self._connection.run(call)
        if changed.busy:
            return self._leave_out(schedule, raw, step, f"job {changed.busy} with its singleton key has not ended")
        if changed.refused:
            # It is tried again, until the next time has come.
            _log.warning("schedule %s: %s", schedule.name, changed.refused)
        elif changed.was_first:
            _log.info("schedule %s: %s starts %s", schedule.name, step.why or step.starts_at, ", ".join(ids))
        return changed.was_first

    def _sign(self, schedule: JobSchedule, document: bytes, jobs: list[NewJob]) -> None:
        """Sign the jobs, by this controller for who has signed the schedule.

        Raises:
            Untrusted: nobody has who is trusted, or this controller has no key, so that no worker would believe it.
        """
        signer, trust = self._signatures.signer, self._signatures.trust
        if trust:
            try:
                trust.check_document("schedule", schedule.name, document)
            except Untrusted as error:
                self._connection.run(audit.note("refused", "", schedule.name, error.message))
                raise
            if signer is None:
                raise Untrusted("its controller has no STOKER_SIGNING_KEY, without which no worker believes its jobs")
        if signer:
            sign(jobs, signer, under=_wanted_by(document))

    def _leave_out(self, schedule: JobSchedule, raw: bytes, step: Step, problem: str) -> bool:
        _log.warning("schedule %s starts nothing for %s: %s", schedule.name, step.why or step.starts_at, problem)
        before = schedules.read_state(raw)
        # It has started nothing, and so begins no cool-down.
        recent = before.recent if before else ()
        fields = {"skipped": step.state.skipped + 1, "problem": problem, "recent": recent}
        return self._change(schedule, raw, step.state.model_copy(update=fields)).was_first

    def _change(self, schedule: JobSchedule, raw: bytes, state: ScheduleState) -> Changed:
        return self._connection.run(schedules.change(schedule.name, raw, state))


def _wanted_by(document: bytes) -> str:
    """The key of who has added a schedule; "" for nobody, for whom a controller starts jobs that trusts everybody."""
    try:
        return said_of(document).authority
    except Untrusted:
        return ""


def _tagged(schedule: JobSchedule, at: datetime) -> list[Spec]:
    """The schedule's specs, from which their jobs can be told."""
    tags = {"schedule": schedule.name, "scheduled": at.isoformat()}
    return [spec.model_copy(update={"tags": spec.tags | tags}) for spec in schedule.specs]
