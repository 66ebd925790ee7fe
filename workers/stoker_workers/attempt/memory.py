"""How much memory a slot's job may use, and where one goes that used more."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from stoker.errors import Unavailable
from stoker.events import Progress
from stoker.foresight.memory import MemoryNeed, memory_need
from stoker.kinds.likeness import Likeness
from stoker.ledger import foresight, presence
from stoker.ledger.attempt import Attempt
from stoker.ledger.presence import Worker

from ..node.machine import MemoryWatch, highest_bytes, private_bytes, resident_bytes
from .extras import Extra, GaveUp
from .messages import End, Outgrown, OutOfMemory
from .slot import Slot

# How much more a job gets that outgrew its slot, as far as a worker has that much: the same again would be a guess.
_LARGER = 4


# How long a worker keeps what becomes free for a job that needs more than a slot's share, before others may have it.
_WAIT_S = 300.0


class Allowance(Extra):
    """The memory of one attempt: what it asks for, more if an earlier one outgrew its slot, or a slot's share.

    One that asks for none is promised what jobs like it were seen to use: more than a share, so that it is not ended
    half-way; or less, so that another fits beside it. It may use a share all the same, if that is free when it does.

    Attributes:
        bytes: how much it may use; None for no limit.
        peak_bytes: the most that its runner was seen to use; 0 until it was looked at.
        remark: why it was promised more than a share; "" if it was not.

    Args:
        foresees: whether jobs like it are looked at.
    """

    def __init__(self, slot: Slot, attempt: Attempt, *, foresees: bool = False) -> None:
        self._slot = slot
        self.bytes = attempt.memory_bytes or slot.memory_bytes
        self._promise = self.bytes
        self._need = _foreseen(slot, attempt) if foresees and self.bytes and not attempt.memory_bytes else None
        self._queue = attempt.queue
        self.peak_bytes = self._shared = 0
        self.remark = ""
        if self._need and self.bytes:
            self._promise_foreseen(self._need, self.bytes)
        self._gives_up_at = time.monotonic() + _WAIT_S
        self._watch = MemoryWatch()

    def _promise_foreseen(self, need: MemoryNeed, share: int) -> None:
        if need.bytes <= share:
            # One that uses more after all, and gets four times as much then, has had a share.
            self._promise = max(need.bytes, share // _LARGER)
            return
        self.bytes = self._promise = min(need.bytes, self._slot.offers.memory_bytes or need.bytes)
        self.remark = f"it is foreseen to use {need.bytes:,} bytes of memory, by {need.basis}, and gets {self.bytes:,}"

    def missing(self) -> Progress | None:
        """The memory that it was granted."""
        if self._need and (own := self._slot.offers.memory_bytes) and self._need.bytes > own:
            self._leave_to_a_larger(self._need, own)
        if self.reserve():
            return None
        wanted = self._promise or 0
        if time.monotonic() > self._gives_up_at:
            raise GaveUp(f"worker {self._slot.worker} had no {wanted:,} bytes of memory free within {_WAIT_S:g} s")
        return Progress(stage="waiting for memory", done=0, total=wanted, unit="bytes")

    def _leave_to_a_larger(self, need: MemoryNeed, own: int) -> None:
        """Hand the job back if another worker has more; else it has all that there is."""
        workers = self._slot.insist(presence.workers())
        most = max((worker.memory_bytes or 0 for worker in workers if self._queue in worker.queues), default=0)
        if most > own:
            reason = f"it is foreseen to use {need.bytes:,} bytes of memory, by {need.basis}, and worker "
            raise GaveUp(f"{reason}{self._slot.worker} has {own:,}", memory_bytes=min(need.bytes, most))

    def looked_at(self, end: End | None, runner: int) -> End | None:
        """An attempt that uses more memory ends."""
        return end or self.outgrown(runner)

    def close(self) -> None:
        """The slot's processes use nothing any more."""
        self._slot.uses(0)

    def reserve(self) -> bool:
        """Reserve it; tells whether so much is free. If not, the slot is next in line for it until it releases it."""
        return self._slot.reservations.reserve(self._slot.place, self._promise)

    def outgrown(self, runner: int) -> Outgrown | None:
        """Whether the slot uses more. A predictor that only keeps models loaded gives way first."""
        predictor = self._slot.predictor
        counted = self._watch.counted([runner, predictor.pid] if predictor else [runner], self.bytes)
        if counted:
            self._shared = max(0, resident_bytes(runner) - counted[0])
            self.peak_bytes = max(self.peak_bytes, counted[0])
        # Between two counts: what it has had at once, but for what it shared when last counted.
        self.peak_bytes = max(self.peak_bytes, highest_bytes(runner) - self._shared)
        if counted is None:
            return self._uses_more_than_promised(runner)
        used, idle = counted[0], sum(counted[1:])
        self._slot.uses(used + idle)
        if self.bytes is None or used + idle <= self.bytes:
            return self._uses_more_than_promised(runner)
        self._slot.end_predictor()
        if used <= self.bytes:
            return self._uses_more_than_promised(runner)
        reason = f"it used {used:,} bytes of memory, and its slot allows {self.bytes:,}"
        return Outgrown(reason=reason, limit_bytes=self.bytes)

    def _uses_more_than_promised(self, runner: int) -> Outgrown | None:
        """Whether one that was foreseen to use less than a share uses more, and that is promised to others by now."""
        promise, share = self._promise, self.bytes
        if promise is None or share is None or promise >= share or self.peak_bytes <= promise:
            return None
        if self._slot.reservations.regain_share(self._slot.place):
            self._promise = share
            return None
        used = private_bytes(runner) or 0
        if used <= promise:
            return None
        reason = f"it used {used:,} bytes of memory, {promise:,} were foreseen, and the rest is promised to other jobs"
        return Outgrown(reason=reason, limit_bytes=share)


def _foreseen(slot: Slot, attempt: Attempt) -> MemoryNeed | None:
    """What jobs like an attempt's were seen to use; None where that is unknown."""
    try:
        likeness = Likeness.model_validate_json(attempt.likeness)
        examples = slot.connection.run(foresight.examples(slot.offers.device, attempt.kind))
    except (ValidationError, Unavailable):
        return None
    return memory_need(examples, likeness)


@dataclass(frozen=True)
class Room:
    """The memory of which an attempt has run out.

    Attributes:
        had: its bytes; None where they are unknown.
        is_gpu: whether it is a GPU's.
    """

    had: int | None
    is_gpu: bool = False


def room_of(attempt: Attempt, slot: Slot, end: Outgrown | OutOfMemory) -> Room:
    """The memory of which an attempt has run out: of what its slot allows, or of what its device has."""
    if isinstance(end, Outgrown):
        return Room(end.limit_bytes)
    if slot.device == "gpu":
        return Room(slot.offers.gpu_memory_bytes, is_gpu=True)
    return Room(attempt.memory_bytes or slot.memory_bytes or slot.offers.memory_bytes)


def larger(attempt: Attempt, room: Room, workers: Iterable[Worker]) -> int | None:
    """How much memory a job gets next; None if it got more once already, or no live worker of its queue has more."""
    mine = [worker for worker in workers if attempt.queue in worker.queues]
    offered = [(worker.gpu_memory_bytes if room.is_gpu else worker.memory_bytes) or 0 for worker in mine]
    most = max(offered, default=0)
    if attempt.has_outgrown or room.had is None or most <= room.had:
        return None
    # A GPU is one job's as a whole.
    return min(offer for offer in offered if offer > room.had) if room.is_gpu else min(_LARGER * room.had, most)
