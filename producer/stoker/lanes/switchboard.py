"""A client's lanes for threads: any number of them call at once, over one connection for answers."""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future

from ..errors import StokerError
from ..kinds import Priority
from ..redis.connection import Connection
from ..redis.reading import ThreadReader, settle
from . import Pushed, push, wake_reader
from .exchange import Exchange, lane_full

Answer = Future[bytes]


class Switchboard:
    """Sends requests of many threads together, and hands each its answer.

    Whoever comes first sends what has gathered, for the others too; a thread of its own reads the answers as long as
    anyone waits for one. It serves the process that made it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._exchange: Exchange[Answer] = Exchange()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._reader = ThreadReader(connection, self._exchange, self._lock, "stoker-answers")

    def ask(
        self, ref: str, queue: str, priority: Priority, timeout_s: float, requests: Sequence[bytes]
    ) -> dict[int, Answer]:
        """Send requests; gives where their answers will be, by the numbers that `forget` takes, in order.

        Raises:
            ClientClosed: after `close`.
        """
        answers: list[Answer] = [Future() for _ in requests]
        with self._lock:
            self._reader.begin()
            numbers = [
                self._exchange.add(answer, ref, queue, priority, timeout_s, tensors)
                for answer, tensors in zip(answers, requests, strict=True)
            ]
        self._send()
        return dict(zip(numbers, answers, strict=True))

    def forget(self, numbers: Iterable[int]) -> None:
        """Nobody waits for these answers any more."""
        with self._lock:
            self._exchange.forget(numbers)

    def close(self) -> None:
        """Stop reading; whoever still waits is told."""
        self._reader.close(wake_reader(self._exchange.client))

    def _send(self) -> None:
        """Push what has gathered, unless another thread is at it: that one takes ours along."""
        while self._sending.acquire(blocking=False):
            try:
                with self._lock:
                    lanes = self._exchange.outgoing()
                if lanes:
                    self._push(lanes)
            finally:
                self._sending.release()
            # A request that came before the release, whose thread saw us at it, is ours to send.
            with self._lock:
                if not self._exchange.unsent:
                    return

    def _push(self, lanes: dict[tuple[int, ...], Pushed]) -> None:
        try:
            depths = self._connection.run(push(lanes.values()))
        except StokerError as error:
            for numbers in lanes:
                self._refuse(numbers, error)
            return
        for (numbers, lane), depth in zip(lanes.items(), depths, strict=True):
            if depth is not None:
                self._refuse(numbers, lane_full(lane.ref, depth))

    def _refuse(self, numbers: tuple[int, ...], error: StokerError) -> None:
        with self._lock:
            outcomes = list(self._exchange.refused(numbers, error))
        settle(outcomes)
