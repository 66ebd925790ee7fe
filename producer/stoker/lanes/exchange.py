"""A client's side of the lanes: who waits for what, and what is to be sent. Does no I/O and takes no lock."""

import itertools
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from ..errors import StokerError, Unavailable
from ..kinds import Priority
from ..redis.connection import Call
from ..redis.reading import Waiter
from . import Pushed, await_answers, frames

W = TypeVar("W", bound=Waiter)

# What one push carries at most, so that a large call neither blocks the server nor outgrows its limits.
_PUSHED_REQUESTS = 1_000
_PUSHED_BYTES = 8 << 20
# Back-pressure: how many requests wait in a lane before more are refused.
LANE_HOLDS = 20_000


class Exchange(Generic[W]):
    """Numbers requests, gathers them for the next push, and finds who waits when an answer comes.

    Attributes:
        client: names this client's list of answers.
    """

    def __init__(self) -> None:
        self._id = uuid.uuid4()
        self.client = self._id.hex
        self._numbers = itertools.count()
        self._waiting: dict[int, W] = {}
        self._unsent: list[tuple[str, str, Priority, int, int, bytes]] = []

    def add(self, waiter: W, ref: str, queue: str, priority: Priority, timeout_s: float, tensors: bytes) -> int:
        """Note a request for the next push; gives its number."""
        number = next(self._numbers)
        self._waiting[number] = waiter
        request = frames.request(self._id, number, tensors)
        self._unsent.append((ref, queue, priority, round(timeout_s * 1000), number, request))
        return number

    def forget(self, numbers: Iterable[int]) -> None:
        """Nobody waits for these answers any more."""
        for number in numbers:
            self._waiting.pop(number, None)

    @property
    def waits(self) -> bool:
        """Whether anyone waits for an answer."""
        return bool(self._waiting)

    @property
    def unsent(self) -> bool:
        """Whether requests wait to be pushed."""
        return bool(self._unsent)

    def outgoing(self) -> dict[tuple[int, ...], Pushed]:
        """What to push now, one entry a lane, by the numbers of its requests; empty when all is sent."""
        chosen, size = 0, 0
        for *_, request in self._unsent[:_PUSHED_REQUESTS]:
            size += len(request)
            if chosen and size > _PUSHED_BYTES:
                break
            chosen += 1
        now, self._unsent = self._unsent[:chosen], self._unsent[chosen:]
        lanes: dict[tuple[str, str, Priority], list[tuple[int, int, bytes]]] = defaultdict(list)
        for ref, queue, priority, timeout_ms, number, request in now:
            lanes[ref, queue, priority].append((number, timeout_ms, request))
        return {
            tuple(number for number, *_ in sent): Pushed(
                ref, queue, priority, LANE_HOLDS, [(timeout_ms, request) for _, timeout_ms, request in sent]
            )
            for (ref, queue, priority), sent in lanes.items()
        }

    def refused(self, numbers: Iterable[int], error: StokerError) -> Iterator[tuple[W, StokerError]]:
        """Requests that could not be sent: who is to be told."""
        for number in numbers:
            waiter = self._waiting.pop(number, None)
            if waiter is not None:
                yield waiter, error

    def next_call(self, block_s: float) -> Call[bytes | None]:
        """Waits for the next answers."""
        return await_answers(self.client, block_s)

    def answered(self, entry: bytes | None) -> Iterator[tuple[W, bytes | StokerError]]:
        """Answers that came: who is to be told what. An answer that came before, or too late, is nobody's."""
        for number, outcome in frames.read_answers(entry or b""):
            waiter = self._waiting.pop(number, None)
            if waiter is not None:
                yield waiter, outcome

    def give_up(self, error: StokerError) -> Iterator[tuple[W, StokerError]]:
        """No answers can be read: all who wait are to be told."""
        return self.refused(list(self._waiting), error)


def lane_full(ref: str, depth: int) -> Unavailable:
    """The error of requests that their lane had no room for."""
    return Unavailable(
        f"the lane of {ref!r} is full: {depth:,} requests wait, {LANE_HOLDS:,} is the limit; "
        "send fewer at once, try again later or add workers"
    )
