"""How an attempt ends: what is written to the ledger, and the message for Celery's log and Flower."""

import logging
from collections import Counter
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeVar

from stoker.errors import ModelNotFound
from stoker.events import JobState
from stoker.kinds import Spec, kind_of
from stoker.ledger import attempts, children, presence, registry, waits
from stoker.ledger.attempt import Attempt
from stoker.ledger.attempts import Unsuccessful
from stoker.ledger.replies import CommitReply
from stoker.models.effects import MoveAlias, Register
from stoker.models.manifest import ModelVersion
from stoker.tenants import TENANT

from .admission import sign_children, sign_for
from .memory import Allowance, larger, room_of
from .messages import Asked, Away, Done, End, Failed, Halted, Lacks, Lost, Outgrown, OutOfMemory, Pruned, Waits
from .slot import Slot

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Ending(NamedTuple):
    """How an attempt ended, and a message that says so in Celery's log and Flower."""

    how: Literal["succeeded", "failed", "cancelled", "pruned", "handed back", "waiting", "dropped"]
    message: str


TAKEN_AWAY = Ending("dropped", "its lease ran out, and another worker has the job")


class Settlement:
    """The end of one attempt at one job.

    Each way to end is one script under the attempt's token: if another has the job by now, nothing is written.
    """

    def __init__(self, slot: Slot, attempt: Attempt, spec: Spec, allowance: Allowance | None = None) -> None:
        self._slot = slot
        self._attempt = attempt
        self._spec = spec
        self._allowance = allowance

    def settle(self, end: End) -> Ending:
        """Write down how the attempt has ended."""
        with self._slot.tracer.step("stoker.commit"):
            return self._end(end)

    def _end(self, end: End) -> Ending:
        match end:
            case Done():
                try:
                    return self._commit(end)
                except ModelNotFound as error:
                    return self._fail(JobState.FAILED, Ending("failed", error.message))
            case Failed():
                if end.is_unsafe:
                    self._slot.refused(self._attempt.job_id, end.reason, self._spec.tags.get(TENANT, ""))
                return self._fail(JobState.FAILED, Ending("failed", end.reason), end.traceback)
            case Asked():
                return self._await_children(end)
            case Waits():
                is_followed = kind_of(self._spec).is_followed
                call = waits.wait(self._attempt, end.why, seconds=end.seconds, keep=end.keep, is_followed=is_followed)
                return Ending("handed back", end.why) if self._slot.insist(call) else TAKEN_AWAY
            case Halted(reason="cancel"):
                return self._fail(JobState.CANCELLED, Ending("cancelled", "cancelled while it ran"))
            case Pruned():
                return self._fail(JobState.PRUNED, Ending("pruned", end.reason))
            case Halted():
                return self.release("drained", f"worker {self._slot.worker} was drained")
            case Outgrown() | OutOfMemory():
                return self._ran_out(end)
            case Lacks():
                state = self._slot.insist(attempts.await_worker(self._attempt, end.words))
                return Ending("handed back", f"it needs {', '.join(end.words)}") if state else TAKEN_AWAY
            case Away():
                return self._await(end)
            case Lost():
                return self.release("lost", end.reason)

    def _fail(self, state: Unsuccessful, ending: Ending, traceback: str = "") -> Ending:
        sign = sign_for(self._slot, self._attempt)
        committed = self._slot.insist(attempts.fail(self._attempt, state, ending.message, traceback, sign=sign))
        return TAKEN_AWAY if committed is CommitReply.LOST else ending

    def _await(self, end: Away) -> Ending:
        if not end.elsewhere:
            self._slot.dependencies.met(end.outage)
        state = self._slot.insist(attempts.await_outage(self._attempt, end.outage))
        return Ending("handed back", end.outage.reason) if state else TAKEN_AWAY

    def _await_children(self, asked: Asked) -> Ending:
        call = children.await_children(
            self._attempt,
            self._spec,
            asked.children,
            each=asked.each,
            halving=asked.halving,
            sign=sign_children(self._slot, self._attempt),
        )
        if not self._slot.insist(call):
            return TAKEN_AWAY
        if asked.each and not asked.children:
            return Ending("waiting", "waits for the next of its jobs to end")
        return Ending("waiting", f"waits for {len(asked.children)} jobs that it has asked for")

    def _ran_out(self, end: Outgrown | OutOfMemory) -> Ending:
        """Queue the job again by its next memory plan, after the last once with more if a worker has more."""
        used, plans = self._attempt.memory_plan, kind_of(self._spec).memory_plans(self._spec)
        if end.plan_helps and used < len(plans):
            return self.release("outgrown", f"{end.reason}; it goes on with {plans[used]}", memory_plan=used + 1)
        reason = end.reason
        room = room_of(self._attempt, self._slot, end)
        if isinstance(end, OutOfMemory) and room.had is not None:
            reason += f", and had {room.had:,} bytes"
        if used:
            reason += f"; it ran with {plans[used - 1]}"
        more = larger(self._attempt, room, self._slot.insist(presence.workers()))
        if more is None:
            why = "it has had more than its share already" if self._attempt.has_outgrown else "no live worker has more"
            return self._fail(JobState.FAILED, Ending("failed", f"{reason}; {why}"))
        told = f"{reason}; it gets {more:,}"
        if room.is_gpu:
            return self.release("outgrown", f"{told} of a GPU", gpu_memory_bytes=more)
        return self.release("outgrown", told, memory_bytes=more)

    def release(
        self,
        why: Literal["drained", "lost", "outgrown"],
        reason: str,
        *,
        memory_bytes: int | None = None,
        gpu_memory_bytes: int | None = None,
        memory_plan: int = 0,
    ) -> Ending:
        """Hand the job back to its queue, at once or after a wait, or give it up."""
        call = attempts.release(
            self._attempt, why, reason, memory_bytes, gpu_memory_bytes=gpu_memory_bytes, memory_plan=memory_plan
        )
        state = self._slot.insist(call)
        if why == "drained" and state is JobState.WAITING:
            return Ending("handed back", "paused")
        return Ending("failed" if state is JobState.DEAD else "handed back", reason) if state else TAKEN_AWAY

    def _commit(self, done: Done) -> Ending:
        """Write the result and all effects in one step; a new version takes the next number that is free."""
        committed = CommitReply.VERSION_TAKEN
        while committed is CommitReply.VERSION_TAKEN:
            result, effects = done.result, list[ModelVersion | MoveAlias]()
            made = Counter[str]()
            for effect in done.effects:
                if isinstance(effect, Register):
                    name = effect.manifest.name
                    number = self._slot.insist(registry.next_number(name)) + made[name]
                    made[name] += 1
                    version = ModelVersion(**dict(effect.manifest), version=number, created_at=datetime.now(UTC))
                    result = result.with_version(effect.named_in, version.ref)
                    effects.append(version)
                    if effect.alias:
                        effects.append(MoveAlias(model=version.ref, alias=effect.alias))
                else:
                    effects.append(effect)
            brief = result.brief() if children.is_child(self._attempt.job_id) else None
            peak_bytes = self._allowance.peak_bytes if self._allowance else 0
            sign = sign_for(self._slot, self._attempt)
            call = attempts.succeed(
                self._attempt,
                result,
                effects,
                brief=brief,
                peak_bytes=peak_bytes,
                sign=sign,
            )
            committed = self._slot.insist(call)
        if committed is CommitReply.VERSION_GONE:
            aliased = ", ".join(effect.model for effect in done.effects if isinstance(effect, MoveAlias))
            raise ModelNotFound(f"{aliased} was removed while the job ran: name a version that there is")
        return TAKEN_AWAY if committed is CommitReply.LOST else Ending("succeeded", result.words())
