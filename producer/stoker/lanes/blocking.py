"""A client's requests to lanes, for threads: any number of them send at once, and share one reader of answers."""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future

from ..errors import StokerError
from ..kinds import Priority
from ..redis.connection import Connection
from ..redis.reading import ThreadReader, deliver
from . import LaneRequests, push, wake_reader
from .frames import Answered
from .pending import PendingRequests


class LaneClient:
    """Sends the requests of many threads together, and gives each thread its answers.

    The first thread sends for all that came meanwhile; a thread of its own reads answers while anybody waits for one.
    A lane client belongs to the process that made it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pending: PendingRequests[Future[Answered]] = PendingRequests()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._reader = ThreadReader(connection, self._pending, self._lock, "stoker-answers")

    @property
    def client(self) -> str:
        """The id of this client, in hex."""
        return self._pending.client

    def send(
        self,
        ref: str,
        queue: str,
        priority: Priority,
        timeout_s: float,
        requests: Sequence[bytes],
        place: int | None = None,
    ) -> dict[int, Future[Answered]]:
        """Send requests; gives a future for each, in order, under the number that `forget` takes.

        Args:
            place: that of all of them (see `frames.place_of_key`), which None takes from the order of the calls.

        Raises:
            ClientClosed: after `close`.
        """
        answers: list[Future[Answered]] = [Future() for _ in requests]
        with self._lock:
            self._reader.wake()
            place = self._pending.next_place() if place is None else place
            numbers = [
                self._pending.add(answer, ref, queue, priority, timeout_s, tensors, place)
                for answer, tensors in zip(answers, requests, strict=True)
            ]
        self._send()
        return dict(zip(numbers, answers, strict=True))

    def forget(self, numbers: Iterable[int]) -> None:
        """Drop requests that nobody waits for any more."""
        with self._lock:
            self._pending.forget(numbers)

    def close(self) -> None:
        """Stop reading; whoever still waits gets `ClientClosed`."""
        self._reader.close(wake_reader(self._pending.client))

    def _send(self) -> None:
        """Push all unsent requests, unless another thread does so now: it pushes ours, too."""
        while self._sending.acquire(blocking=False):
            try:
                with self._lock:
                    lanes = self._pending.outgoing()
                if lanes:
                    self._push(lanes)
            finally:
                self._sending.release()
            # Requests may have come before the release, from threads that left them to this one.
            with self._lock:
                if not self._pending.unsent:
                    return

    def _push(self, lanes: dict[tuple[int, ...], LaneRequests]) -> None:
        try:
            refusals = self._connection.run(push(lanes.values()))
        except StokerError as error:
            for numbers in lanes:
                self._refuse(numbers, error)
            return
        for numbers, refused in zip(lanes, refusals, strict=True):
            if refused:
                self._refuse(numbers[refused.first :], refused.error)

    def _refuse(self, numbers: tuple[int, ...], error: StokerError) -> None:
        with self._lock:
            refused = list(self._pending.refuse(numbers, error))
        deliver(refused)
