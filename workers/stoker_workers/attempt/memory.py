"""How much memory a slot's job may use, and where one goes that used more."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from stoker.events import Progress
from stoker.ledger.attempt import Attempt
from stoker.ledger.presence import Worker

from ..node.machine import MemoryWatch
from .extras import Extra, GaveUp
from .messages import End, Outgrown, OutOfMemory
from .slot import Slot

# How much more a job gets that outgrew its slot, as far as a worker has that much: the same again would be a guess.
_LARGER = 4


# How long a worker keeps what becomes free for a job that needs more than a slot's share, before others may have it.
_WAIT_S = 300.0


class Allowance(Extra):
    """The memory of one attempt: what it asks for, more if an earlier one outgrew its slot, or a slot's share.

    Attributes:
        bytes: how much that is; None for no limit.
        peak_bytes: the most that its runner was seen to use; 0 until it was looked at.
    """

    def __init__(self, slot: Slot, attempt: Attempt) -> None:
        self._slot = slot
        self.bytes = attempt.memory_bytes or slot.memory_bytes
        self.peak_bytes = 0
        self._gives_up_at = time.monotonic() + _WAIT_S
        self._watch = MemoryWatch()

    def missing(self) -> Progress | None:
        """The memory that it was granted."""
        if self.reserve():
            return None
        wanted = self.bytes or 0
        if time.monotonic() > self._gives_up_at:
            raise GaveUp(f"worker {self._slot.worker} had no {wanted:,} bytes of memory free within {_WAIT_S:g} s")
        return Progress(stage="waiting for memory", done=0, total=wanted, unit="bytes")

    def looked_at(self, end: End | None, runner: int) -> End | None:
        """An attempt that uses more memory ends."""
        return end or self.outgrown(runner)

    def close(self) -> None:
        """The slot's processes use nothing any more."""
        self._slot.uses(0)

    def reserve(self) -> bool:
        """Reserve it; tells whether so much is free. If not, the slot is next in line for it until it releases it."""
        return self._slot.reservations.reserve(self._slot.place, self.bytes)

    def outgrown(self, runner: int) -> Outgrown | None:
        """Whether the slot uses more. A predictor that only keeps models loaded gives way first."""
        predictor = self._slot.predictor
        counted = self._watch.counted([runner, predictor.pid] if predictor else [runner], self.bytes)
        if counted is None:
            return None
        used, idle = counted[0], sum(counted[1:])
        self.peak_bytes = max(self.peak_bytes, used)
        self._slot.uses(used + idle)
        if self.bytes is None or used + idle <= self.bytes:
            return None
        self._slot.end_predictor()
        if used <= self.bytes:
            return None
        reason = f"it used {used:,} bytes of memory, and its slot allows {self.bytes:,}"
        return Outgrown(reason=reason, limit_bytes=self.bytes)


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
