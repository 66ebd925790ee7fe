"""The execution of a claimed job, as its slot sees it."""

import time
from dataclasses import replace

from pydantic import ValidationError

from stoker import ledger
from stoker.errors import InvalidJob, StokerError, Unavailable
from stoker.events import Checkpoint, Progress
from stoker.kinds import KINDS, RESULT, Result, Spec, kind_of
from stoker.ledger import Answer, Attempt, registry
from stoker.ledger.keys import key
from stoker.models.access import Access
from stoker.models.manifest import ModelVersion
from stoker.outages import DependencyUnavailable, Outage

from ..ml.run import StopRequest
from .ending import GRACE_S, TAKEN_AWAY, Ending, Settlement, insist
from .gang import Leader
from .in_slot import InlineRunner
from .memory import Allowance
from .messages import Away, Blocked, Emitted, End, Failed, Halted
from .reports import Reports
from .runner import Assignment, Runner
from .slot import Slot

# How often a running job is looked at; a cancel is noticed within this.
TICK_S = 0.5
# How long a worker keeps what becomes free for a job that needs more than a slot's share, before others may have it.
MEMORY_WAIT_S = 300.0


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
        self._slot = slot
        self._attempt = attempt
        self._spec = spec
        self._wanted_slots = kind_of(spec).slots(spec)
        self._settlement = Settlement(slot, attempt, spec)
        self._reports = Reports(slot, attempt, spec)
        # A gang's time begins when all of it are there.
        self._times_out_at = None if self._wanted_slots > 1 else self._timeout_from_now()
        self._allowance = Allowance(slot, attempt)
        self._leader: Leader | None = None
        self._stopping: StopRequest | None = None
        self._kill_at: float | None = None
        self._blocked_at: float | None = None

    def follow(self) -> Ending:
        """See the attempt to its end."""
        if self._slot.draining_s:
            return self._settlement.settle(Halted(reason="drain"))
        try:
            return self._await_memory() or self._begin()
        except DependencyUnavailable as error:
            return self._settlement.settle(Away(outage=error.outage))

    def _begin(self) -> Ending:
        try:
            versions, children = self._models(), self._children()
        except Unavailable:
            raise
        except StokerError as error:
            return self._settlement.settle(Failed(reason=error.message, traceback=""))
        settings = self._slot.settings
        assignment = Assignment(
            job=self._attempt.job_id,
            spec=self._spec,
            device=self._slot.device,
            store_url=settings.store,
            builders=settings.builders,
            access=Access(settings.data_roots, settings.store),
            models=versions,
            checkpoints=self._attempt.checkpoints,
            children=children,
            children_s=self._attempt.children_ms / 1000,
            slots=self._slots_to_share(),
            part_s=settings.part_s,
        )
        if self._wanted_slots > 1:
            return self._lead(assignment, self._wanted_slots)
        is_brief = kind_of(self._spec).is_brief
        return self._execute(InlineRunner(self._slot, assignment) if is_brief else Runner(assignment))

    def _await_memory(self) -> Ending | None:
        """Wait until the worker has the memory that the job was granted; gives how the attempt ended meanwhile."""
        if self._allowance.reserve():
            return None
        gives_up_at, wanted = time.monotonic() + MEMORY_WAIT_S, self._allowance.bytes or 0
        is_timed, self._times_out_at = self._times_out_at is not None, None
        self._reports.tell(Progress(stage="waiting for memory", done=0, total=wanted, unit="bytes"))
        while not self._allowance.reserve():
            if time.monotonic() > gives_up_at:
                reason = f"worker {self._slot.worker} had no {wanted:,} bytes of memory free within {MEMORY_WAIT_S:g} s"
                return self._settlement.release("drained", reason)
            if ended := self._ended_while_waiting():
                return ended
        self._reports.tell(Progress(stage="waiting for memory", done=wanted, total=wanted, unit="bytes"))
        if is_timed:
            self._times_out_at = self._timeout_from_now()
        return None

    def _slots_to_share(self) -> int:
        """How many slots of this device a job's children could run on; 1 if it asks for none."""
        if not kind_of(self._spec).may_ask(self._spec):
            return 1
        workers = insist(self._slot, ledger.workers())
        return sum(worker.slots for worker in workers if worker.device == self._slot.device)

    def _lead(self, assignment: Assignment, wanted: int) -> Ending:
        """Execute together with other slots, once all of them are there."""
        self._leader = Leader(self._slot, self._attempt, wanted)
        try:
            gathered = self._gather(self._leader)
            if isinstance(gathered, Ending):
                return gathered
            return self._execute(Runner(replace(assignment, gang=gathered)))
        finally:
            self._leader.disband()

    def _gather(self, leader: Leader) -> tuple[str, ...] | Ending:
        """Wait for the members; gives where all are, or how the attempt ended meanwhile."""
        there = 0
        while True:
            gang = leader.look()
            if gang and gang.state == "complete":
                self._times_out_at = self._timeout_from_now()
                return gang.addresses
            if gang and (reason := leader.gave_up(gang)):
                return self._settlement.release("drained", reason)
            if gang and len(gang.addresses) != there:
                there = len(gang.addresses)
                self._reports.tell(Progress(stage="gathering workers", done=there, total=leader.wanted, unit="workers"))
            if ended := self._ended_while_waiting():
                return ended

    def _ended_while_waiting(self) -> Ending | None:
        """Report, and pause until the next look; gives how the attempt ended, if it did."""
        self._reports.send()
        if self._reports.answer is Answer.LOST:
            return TAKEN_AWAY
        if wanted := self._wanted_stop():
            return self._settlement.settle(Halted(reason=wanted))
        if overdue := self._overdue():
            return self._settlement.settle(overdue)
        time.sleep(TICK_S)
        return None

    def _execute(self, runner: Runner | InlineRunner) -> Ending:
        try:
            with self._slot.tracer.step("stoker.run"), runner:
                end = self._watch(runner)
        finally:
            self._slot.uses(0)
        # What happened last comes before the end, even if Redis has been away since: it may be a drain's checkpoint.
        if end:
            self._reports.send_all()
        return TAKEN_AWAY if end is None or self._reports.answer is Answer.LOST else self._settlement.settle(end)

    def _models(self) -> tuple[ModelVersion, ...]:
        """The versions that the spec names: by reference, or as the model that another job made."""
        refs = kind_of(self._spec).models(self._spec)
        # What the claim has not brought is looked for by its own call, which can say what is wrong.
        brought = self._attempt.models if len(self._attempt.models) == len(refs) else (b"",) * len(refs)
        return tuple(
            registry.read_version(version) if version else self._resolved(ref)
            for ref, version in zip(refs, brought, strict=True)
        )

    def _resolved(self, ref: str) -> ModelVersion:
        if ref.startswith(registry.JOB_MODEL):
            made = insist(self._slot, ledger.result(ref.removeprefix(registry.JOB_MODEL)))
            field = KINDS[made.kind].makes if made else None
            if field is None:
                raise InvalidJob(f"{ref} has made no model: name a training that has succeeded")
            ref = str(getattr(made, field))
        return insist(self._slot, registry.resolve(ref))

    def _children(self) -> tuple[Result, ...]:
        """What the jobs gave that an earlier attempt has asked for."""
        try:
            return tuple(map(RESULT.validate_json, self._attempt.children))
        except ValidationError:
            raise InvalidJob(
                "the result of a job that it has asked for cannot be read: something else than Stoker has written to "
                f"{key('children', self._attempt.job_id)}"
            ) from None

    def _watch(self, runner: Runner | InlineRunner) -> End | None:
        """Pass on what the runner tells until it ends; None if the lease is lost."""
        report_at = time.monotonic() + TICK_S
        while True:
            end: End | None = None
            for message in runner.receive(TICK_S):
                if isinstance(message, Blocked):
                    self._block(message.outage)
                elif isinstance(message, Emitted):
                    self._reports.tell(message.event)
                    # At once, unless Redis is away: what is not told of is repeated after a loss, and its file stays.
                    if isinstance(message.event, Checkpoint) and self._reports.were_heard:
                        report_at = 0.0
                else:
                    end = message
            if (end and (self._reports.pending or self._leader)) or time.monotonic() >= report_at:
                started = time.monotonic()
                self._reports.send()
                # While Redis does not answer, listen to the runner as long as was waited for it; but once it is back,
                # renew the lease in time.
                waited_s = min(time.monotonic() - started, self._slot.settings.lease_s / 3)
                report_at = time.monotonic() + max(TICK_S, waited_s)
                end = self._leader.explained(end) if self._leader else end
                end = end or self._allowance.outgrown(runner.pid)
            if self._reports.answer is Answer.LOST:
                return None
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

    def _timeout_from_now(self) -> float | None:
        return time.monotonic() + self._spec.timeout if self._spec.timeout else None

    def _overdue(self) -> End | None:
        now = time.monotonic()
        if self._times_out_at is not None and self._blocked_at is None and now >= self._times_out_at:
            return Failed(reason=f"took longer than its timeout of {self._spec.timeout:g} s", traceback="")
        if self._slot.hurrying or (self._kill_at is not None and now >= self._kill_at):
            return Halted(reason=self._stopping or "drain")
        return None

    def _wanted_stop(self) -> StopRequest | None:
        if self._reports.answer is Answer.CANCEL:
            return "cancel"
        return "drain" if self._slot.draining_s else None

    def _pass_on_stop(self, runner: Runner | InlineRunner) -> None:
        wanted = self._wanted_stop()
        if wanted and wanted != self._stopping:
            self._stopping, self._kill_at = wanted, time.monotonic() + GRACE_S[wanted]
            runner.stop(wanted)
