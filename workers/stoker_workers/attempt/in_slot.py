"""Executing a job within its slot, where forking a process for it would take longer than the job."""

import os
import queue
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from ..ml.run import Outcome, StopRequest
from .messages import Blocked, Emitted, End
from .runner import end_of
from .slot import Slot


class InlineRunner:
    """Does what a runner does by a thread of the slot: for work that runs no TensorFlow and no code of the job's.

    A thread cannot be killed. One that hangs in a read of the store is left behind when its attempt ends by a timeout,
    a drain or a lost lease; it holds no lock and writes nothing.
    """

    def __init__(self, slot: Slot, work: Callable[[], Outcome]) -> None:
        self._slot = slot
        self._ends: queue.SimpleQueue[End] = queue.SimpleQueue()
        self._has_ended = False
        slot.thread.submit(lambda: self._ends.put(end_of(work)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the thread to itself if its work has not ended."""
        if not self._has_ended:
            self._slot.forget_thread()

    @property
    def pid(self) -> int:
        """The process whose memory it uses."""
        return os.getpid()

    def stop(self, reason: StopRequest) -> None:
        """Nothing to do: it ends sooner than it could be asked to, or not at all."""

    def receive(self, wait_s: float) -> Iterator[Emitted | Blocked | End]:
        """How the work has ended, waiting up to `wait_s` for it."""
        try:
            end = self._ends.get(timeout=wait_s)
        except queue.Empty:
            return
        self._has_ended = True
        yield end
