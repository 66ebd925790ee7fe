"""A client's lanes for threads: any number of them call at once, over one connection for answers."""

import contextlib
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future

from ..connection import Connection
from ..errors import StokerError
from ..jobs import Priority
from . import Pushed, await_answers, push, wake_reader
from .exchange import Exchange, lane_full

Answer = Future[bytes]

_RETRY_S = 0.2


class Switchboard:
    """Sends requests of many threads together, and hands each its answer.

    Whoever comes first sends what has gathered, for the others too; a thread of its own reads the answers as long as
    anyone waits for one.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._exchange: Exchange[Answer] = Exchange()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._asked = threading.Condition(self._lock)
        self._reader: threading.Thread | None = None
        self._closed = False

    def ask(
        self, ref: str, queue: str, priority: Priority, timeout_s: float, requests: Sequence[bytes]
    ) -> dict[int, Answer]:
        """Send requests; gives where their answers will be, by the numbers that `forget` takes, in order."""
        answers: list[Answer] = [Future() for _ in requests]
        with self._asked:
            numbers = [
                self._exchange.add(answer, ref, queue, priority, timeout_s, tensors)
                for answer, tensors in zip(answers, requests, strict=True)
            ]
            if self._reader is None:
                self._reader = threading.Thread(target=self._read, name="stoker-answers", daemon=True)
                self._reader.start()
            self._asked.notify()
        self._send()
        return dict(zip(numbers, answers, strict=True))

    def forget(self, numbers: Iterable[int]) -> None:
        """Nobody waits for these answers any more."""
        with self._lock:
            self._exchange.forget(numbers)

    def close(self) -> None:
        """Stop reading; answers to whoever still waits are lost."""
        with self._asked:
            self._closed = True
            self._asked.notify()
        if self._reader:
            # The reader may be waiting in the server: an entry without answers ends that.
            with contextlib.suppress(StokerError):
                self._connection.run(wake_reader(self._exchange.client))
            self._reader.join()

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
            self._fail([(numbers, error) for numbers in lanes])
            return
        self._fail(
            [
                (numbers, lane_full(lane.ref, depth))
                for (numbers, lane), depth in zip(lanes.items(), depths, strict=True)
                if depth is not None
            ]
        )

    def _fail(self, unsent: list[tuple[tuple[int, ...], StokerError]]) -> None:
        with self._lock:
            failed = [(answer, error) for numbers, error in unsent for answer in self._exchange.failed(numbers)]
        for answer, error in failed:
            answer.set_exception(error)

    def _read(self) -> None:
        while True:
            with self._asked:
                self._asked.wait_for(lambda: self._exchange.waits or self._closed)
                if self._closed:
                    return
            try:
                entry = self._connection.run(await_answers(self._exchange.client, self._connection.longest_block_s))
            except StokerError:
                # Whoever waits has a deadline of his own; answers are kept for a minute.
                time.sleep(_RETRY_S)
                continue
            if entry is not None:
                self._deliver(entry)

    def _deliver(self, entry: bytes) -> None:
        with self._lock:
            told = list(self._exchange.incoming(entry))
        for answer, outcome in told:
            if isinstance(outcome, StokerError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)
