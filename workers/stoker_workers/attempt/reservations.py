"""What the slots of one worker have promised of its memory to their jobs."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawArray, RawValue
from pathlib import Path
from tempfile import mkstemp
from typing import NamedTuple


class _Promise(NamedTuple):
    """Bytes that a slot has reserved, bytes that it waits for, and since when; of two at one moment, which is first."""

    reserved: int
    awaited: int
    since: tuple[float, int]


class Reservations:
    """A worker's memory, reserved by its slots. Made before the pool forks, and shared by all its processes.

    A job gets a slot's share; more if it was granted more, asks for more, or is foreseen to use more; less if it is
    foreseen to use less. From the moment that a slot reserves
    more than a share, all promises together are never more than the worker has. Slots that wait for more get it in the
    order in which they came; meanwhile others get their share only where it fits now, and would also fit beside what is
    waited for once the other large jobs have ended. So no number of small jobs keeps a large one waiting for ever.
    Shares alone are never refused: how many there are is the operator's choice.

    Args:
        total_bytes: what the jobs may use together; None where that is unknown, and all is granted.
        share_bytes: what a job has that asks for nothing.
        slots: how many slots there may ever be.
    """

    def __init__(self, total_bytes: int | None, share_bytes: int | None, slots: int) -> None:
        self._total = total_bytes
        self._share = share_bytes
        # The system gives a lock on a file back when its process is killed.
        self._lock, path = mkstemp()
        Path(path).unlink()
        self._reserved = RawArray("Q", slots)
        self._awaited = RawArray("Q", slots)
        self._since = RawArray("d", slots)
        self._pids = RawArray("i", slots)
        # How many of these there have ever been.
        self._places = RawValue("i", 0)

    def reserve_share(self, slot: int) -> bool:
        """Reserve a share for a slot, if there is one; tells whether there was."""
        if not self._share:
            return True
        with self._locked(slot):
            if not self.has_room():
                return False
            self._reserved[slot] = self._share
            return True

    def reserve(self, slot: int, wish_bytes: int | None) -> bool:
        """Reserve as much for a slot that has its share; tells whether that much is free.

        If it is not, the slot lets its share go and waits: no other slot is promised what would be missing. It asks
        again until it gets it, or calls `release`. Of a share, it gives back what the job does not wish for.
        """
        if not self._share or not self._total or not wish_bytes:
            return True
        if wish_bytes <= self._share:
            with self._locked(slot):
                self._reserved[slot] = wish_bytes
            return True
        with self._locked(slot):
            if not self._awaited[slot]:
                self._reserved[slot], self._awaited[slot], self._since[slot] = 0, wish_bytes, time.monotonic()
            since = (self._since[slot], slot)
            taken = sum(
                promise.reserved + (promise.awaited if promise.since < since else 0)
                for promise in self._promises(but=slot)
            )
            # Alone it fits: the claim has compared it with all that the worker has.
            if taken and taken + wish_bytes > self._total:
                return False
            self._reserved[slot], self._awaited[slot] = wish_bytes, 0
            return True

    def regain_share(self, slot: int) -> bool:
        """Reserve a share again for a slot that has given some of it back; tells whether that much is free.

        A slot that waits for more waits on: it has nothing yet, and the job that needs its share runs already.
        """
        if not self._share:
            return True
        with self._locked(slot):
            others = [promise.reserved for promise in self._promises(but=slot)]
            is_free = max(others, default=0) <= self._share or sum(others) + self._share <= (self._total or 0)
            if is_free:
                self._reserved[slot] = self._share
            return is_free

    def release(self, slot: int) -> None:
        """Give back what a slot has reserved, and wait for no more."""
        self._reserved[slot] = self._awaited[slot] = 0

    def free_bytes(self, slot: int) -> int | None:
        """What a job can have in a slot that has its share; None where that is unknown.

        It is a hint, taken without a look whether all slots live: `reserve` decides.
        """
        if not self._share or not self._total:
            return None
        places = self._places.value
        others = sum(self._reserved[:places]) - self._reserved[slot]
        others += sum(self._awaited[:places]) - self._awaited[slot]
        return max(self._share, self._total - int(others))

    def has_room(self) -> bool:
        """Whether one more job can have its share."""
        if not self._share or not self._total or self._has_shares_alone():
            return True
        promises = list(self._promises())
        shares = sum(promise.reserved for promise in promises if promise.reserved <= self._share)
        reserved = sum(promise.reserved for promise in promises)
        awaited = max((promise.awaited for promise in promises), default=0)
        if reserved == shares and not awaited:
            return True
        return max(reserved, shares + awaited) + self._share <= self._total

    def _has_shares_alone(self) -> bool:
        places = self._places.value
        return not any(self._awaited[:places]) and max(self._reserved[:places], default=0) <= (self._share or 0)

    def _promises(self, *, but: int | None = None) -> Iterator[_Promise]:
        """What has been promised to slots other than one, whose processes are alive."""
        for slot in range(self._places.value):
            reserved, awaited = self._reserved[slot], self._awaited[slot]
            if (reserved or awaited) and slot != but and _is_alive(self._pids[slot]):
                yield _Promise(reserved, awaited, (self._since[slot], slot))

    @contextmanager
    def _locked(self, slot: int) -> Iterator[None]:
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            if self._pids[slot] != os.getpid():
                # Another process had this slot before.
                self.release(slot)
                self._pids[slot] = os.getpid()
                self._places.value = max(self._places.value, slot + 1)
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # ended, or another user's that has its number now
        return False
    return True
