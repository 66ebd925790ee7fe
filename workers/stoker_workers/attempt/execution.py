"""The execution of a claimed job, as its slot sees it."""

import time
from contextlib import ExitStack

from stoker.errors import StokerError, Unavailable
from stoker.events import Checkpoint, Log, Progress
from stoker.kinds import Spec, kind_of
from stoker.kinds.tuning.halving import Halving
from stoker.ledger.attempt import Attempt
from stoker.ledger.replies import ReportReply
from stoker.outages import DependencyUnavailable, Outage

from ..ml.run import Lacking, StopRequest
from .ending import TAKEN_AWAY, Ending, Settlement
from .extras import Extra, GaveUp
from .flower_progress import FlowerProgress
from .gang import Chief
from .in_slot import InlineRunner
from .memory import Allowance
from .messages import (
    Asked,
    Away,
    Blocked,
    Drew,
    Emitted,
    End,
    Failed,
    Halted,
    Lacks,
    Outgrown,
    OutOfMemory,
    PlanHelps,
    Waits,
)
from .preparation import prepared
from .printed import Printed, keep
from .reports import Reports
from .runner import Runner
from .samples import BulkSamples, Samples
from .slot import GRACE_S, Slot
from .trial import Trial

# How often a running job is looked at; a cancel is noticed within this.
TICK_S = 0.5


class Execution:
    """One attempt at one job.

    1. The slot has claimed the job; it forks a runner and hands it the spec.
    2. While the runner works, the slot renews the lease every tick, passes its events on, and obeys: a cancel or a
       drain is passed on and enforced after a grace period, a timeout ends the process at once.
    3. The runner's last message, or its death, decides: commit, fail, or hand back to the queue.
    4. If the ledger says that the attempt lost the job, the runner is killed and nothing is written.

    Redis being away stops none of it: events wait, and the end is committed when it is back.
    """

    def __init__(self, slot: Slot, attempt: Attempt, spec: Spec) -> None:
        kind = kind_of(spec)
        self._slot = slot
        self._attempt = attempt
        self._spec = spec
        self._is_brief = kind.is_brief and not kind.takes_longer(spec)
        allowance = Allowance(slot, attempt, foresees=not self._is_brief and kind.slots(spec) == 1)
        self._settlement = Settlement(slot, attempt, spec, allowance)
        self._extras: list[Extra] = [allowance, FlowerProgress(slot, attempt.job_id, spec)]
        if (members := kind.slots(spec)) > 1:
            self._extras.append(Chief(slot, attempt, members))
        if attempt.halving:
            self._extras.append(Trial(slot, attempt, Halving.model_validate_json(attempt.halving)))
        if sampled := kind.samples(spec):
            self._extras.append(Samples(slot, attempt, sampled))
        if kind.predicts:
            self._extras.append(BulkSamples(slot))
        self._reports = Reports(slot, attempt, kind.checkpoints(spec), self._extras)
        if allowance.remark:
            self._reports.add(Log(line=allowance.remark))
        self._printed = Printed()
        # Its time begins when all is there that it needs.
        self._times_out_at: float | None = None
        self._stopping: StopRequest | None = None
        self._kill_at: float | None = None
        self._blocked_at: float | None = None
        self._plan_helps = False

    def follow(self) -> Ending:
        """See the attempt to its end."""
        if self._slot.draining_s:
            return self._settlement.settle(Halted(reason="drain"))
        with ExitStack() as around:
            around.callback(self._printed.close)
            for extra in self._extras:
                around.callback(extra.close)
                if ended := self._await(extra):
                    return ended
            try:
                end = self._execute()
            except DependencyUnavailable as error:
                end = Away(outage=error.outage)
            # What happened last comes before the end, however long Redis is away: it may be a drain's checkpoint.
            if end:
                self._reports.send_all()
                # A step of a job that goes on with each of its children, or waits, leaves its lines to the events.
                is_step = isinstance(end, Waits) or (isinstance(end, Asked) and end.each)
                if not self._printed.is_empty and not is_step:
                    keep(self._slot, self._attempt, self._printed, self._reports)
            return (
                TAKEN_AWAY if end is None or self._reports.answer is ReportReply.LOST else self._settlement.settle(end)
            )

    def _await(self, extra: Extra) -> Ending | None:
        """Wait for what must be there before the attempt begins; gives how it ended meanwhile."""
        last: Progress | None = None
        try:
            while missing := extra.missing():
                if missing != last:
                    last = missing
                    self._reports.add(missing)
                if ended := self._ended_while_waiting():
                    return ended
        except GaveUp as reason:
            if reason.memory_bytes:
                return self._settlement.release("outgrown", str(reason), memory_bytes=reason.memory_bytes)
            return self._settlement.release("drained", str(reason))
        if last:
            self._reports.add(last.model_copy(update={"done": last.total}))
        return None

    def _ended_while_waiting(self) -> Ending | None:
        """Report, and pause until the next look; gives how the attempt ended, if it did."""
        self._reports.send()
        if self._reports.answer is ReportReply.LOST:
            return TAKEN_AWAY
        if wanted := self._wanted_stop():
            return self._settlement.settle(Halted(reason=wanted))
        if overdue := self._overdue():
            return self._settlement.settle(overdue)
        time.sleep(TICK_S)
        return None

    def _execute(self) -> End | None:
        """Have a runner do the job; gives how it ended, None if the lease is lost."""
        try:
            run = prepared(self._slot, self._attempt, self._spec)
            for extra in self._extras:
                run = extra.prepared(run)
        except Unavailable:
            raise
        except Lacking as error:
            return Lacks(words=error.words)
        except StokerError as error:
            return Failed(reason=error.message, traceback="")
        self._times_out_at = time.monotonic() + self._spec.timeout if self._spec.timeout else None
        runner = InlineRunner(self._slot, self._spec, run) if self._is_brief else Runner(self._spec, run)
        with self._slot.tracer.step("stoker.run"), runner:
            return self._watch(runner)

    def _watch(self, runner: Runner | InlineRunner) -> End | None:
        """Pass the runner's events on until it ends; None if the lease is lost."""
        report_at = time.monotonic() + TICK_S
        while True:
            end: End | None = None
            for message in runner.receive(TICK_S):
                if isinstance(message, Blocked):
                    self._block(message.outage)
                elif isinstance(message, Drew):
                    for extra in self._extras:
                        extra.drew(message.batch)
                elif isinstance(message, PlanHelps):
                    self._plan_helps = True
                elif isinstance(message, Emitted):
                    self._reports.add(message.event)
                    for extra in self._extras:
                        extra.emitted(message.event)
                    if isinstance(message.event, Log):
                        self._printed.add(message.event.line)
                    # At once, unless Redis is away: what is not reported is repeated after a loss, and its file stays.
                    if isinstance(message.event, Checkpoint) and self._reports.were_received:
                        report_at = 0.0
                else:
                    end = message
            is_due = time.monotonic() >= report_at
            if is_due or (end and self._reports.pending):
                started = time.monotonic()
                self._reports.send()
                # While Redis does not answer, listen to the runner as long as was waited for it; but once it is back,
                # renew the lease in time.
                waited_s = min(time.monotonic() - started, self._slot.settings.lease_s / 3)
                report_at = time.monotonic() + max(TICK_S, waited_s)
            if is_due or end:
                for extra in self._extras:
                    end = extra.looked_at(end, runner.pid)
            if self._reports.answer is ReportReply.LOST:
                return None
            if isinstance(end, Outgrown | OutOfMemory):
                return end.model_copy(update={"plan_helps": self._plan_helps})
            if end:
                return end
            if overdue := self._overdue():
                return overdue
            self._pass_on_stop(runner)

    def _block(self, outage: Outage | None) -> None:
        """While the job waits for what is away, its time does not run."""
        now = time.monotonic()
        if outage:
            self._slot.dependencies.met(outage)
            self._blocked_at = self._blocked_at or now
        elif self._blocked_at is not None:
            self._times_out_at = self._times_out_at and self._times_out_at + now - self._blocked_at
            self._blocked_at = None

    def _overdue(self) -> End | None:
        now = time.monotonic()
        if self._times_out_at is not None and self._blocked_at is None and now >= self._times_out_at:
            return Failed(reason=f"took longer than its timeout of {self._spec.timeout:g} s", traceback="")
        if self._slot.hurrying or (self._kill_at is not None and now >= self._kill_at):
            return Halted(reason=self._stopping or "drain")
        return None

    def _wanted_stop(self) -> StopRequest | None:
        if self._reports.answer is ReportReply.CANCEL:
            return "cancel"
        # A paused job leaves its slot as by a drain, and the ledger knows that it is to wait.
        return "drain" if self._slot.draining_s or self._reports.answer is ReportReply.PAUSE else None

    def _pass_on_stop(self, runner: Runner | InlineRunner) -> None:
        wanted = self._wanted_stop()
        if wanted and wanted != self._stopping:
            self._stopping, self._kill_at = wanted, time.monotonic() + GRACE_S[wanted]
            runner.stop(wanted)
