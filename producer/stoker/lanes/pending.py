"""A client's requests that are not answered yet. Does no I/O and takes no lock."""

import itertools
import random
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from ..errors import StokerError
from ..kinds import Priority
from ..redis.calls import Call
from ..redis.reading import Waiter
from . import LaneRequests, await_answers, frames

W = TypeVar("W", bound=Waiter)

# The most that one push carries, so that a large call neither blocks the server nor exceeds its limits.
_PUSHED_REQUESTS = 1_000
_PUSHED_BYTES = 8 << 20
# Back-pressure: a lane with so many requests refuses more.
LANE_HOLDS = 20_000


class PendingRequests(Generic[W]):
    """Numbers requests, collects them for the next push, and matches answers to waiters: a `reading.Dispatcher`.

    Attributes:
        client: names this client's list of answers.
    """

    def __init__(self) -> None:
        self._id = uuid.uuid4()
        self.client = self._id.hex
        self._numbers = itertools.count()
        # From anywhere: else the first call of every program would have the same place.
        self._places = itertools.count(random.randrange(frames.PLACES))
        self._waiting: dict[int, W] = {}
        self._unsent: list[tuple[str, str, Priority, int, int, bytes]] = []

    def next_place(self) -> int:
        """The place of the next call: see `frames.place`."""
        return next(self._places) % frames.PLACES

    def add(
        self, waiter: W, ref: str, queue: str, priority: Priority, timeout_s: float, tensors: bytes, place: int = 0
    ) -> int:
        """Add a request to the next push; gives its number."""
        number = frames.NAMES_VERSION | next(self._numbers) * frames.PLACES | place
        self._waiting[number] = waiter
        request = frames.encode_request(self._id, number, tensors)
        self._unsent.append((ref, queue, priority, round(timeout_s * 1000), number, request))
        return number

    def forget(self, numbers: Iterable[int]) -> None:
        """Drop requests that nobody waits for any more."""
        for number in numbers:
            self._waiting.pop(number, None)

    @property
    def has_waiters(self) -> bool:
        """Whether anybody waits for an answer."""
        return bool(self._waiting)

    @property
    def unsent(self) -> bool:
        """Whether requests are still to be pushed."""
        return bool(self._unsent)

    def outgoing(self) -> dict[tuple[int, ...], LaneRequests]:
        """The next push: requests by lane, under their numbers; empty when all are sent."""
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
            tuple(number for number, *_ in sent): LaneRequests(
                ref, queue, priority, LANE_HOLDS, [(timeout_ms, request) for _, timeout_ms, request in sent]
            )
            for (ref, queue, priority), sent in lanes.items()
        }

    def refuse(self, numbers: Iterable[int], error: StokerError) -> Iterator[tuple[W, StokerError]]:
        """The waiters of requests that could not be sent, each with the error."""
        for number in numbers:
            waiter = self._waiting.pop(number, None)
            if waiter is not None:
                yield waiter, error

    def next_call(self, block_s: float) -> Call[bytes | None]:
        """Waits for the next answers."""
        return await_answers(self.client, block_s)

    def dispatch(self, read: bytes | None) -> Iterator[tuple[W, frames.Answered | StokerError]]:
        """The waiters of these answers; an answer that came twice, or too late, has none."""
        for number, answer in frames.decode_answers(read or b""):
            waiter = self._waiting.pop(number, None)
            if waiter is not None:
                yield waiter, answer

    def fail(self, error: StokerError) -> Iterator[tuple[W, StokerError]]:
        """All waiters, each with the error: no answers can be read."""
        return self.refuse(list(self._waiting), error)
