"""Executing a job within its slot, where forking a process for it would take longer than the job."""

import os
import queue
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from stoker.kinds import Spec

from ..kinds import execute
from ..ml.run import Run, StopRequest
from .messages import Blocked, Emitted, End, Note
from .runner import end_of
from .slot import Slot


class InlineRunner:
    """Does what a runner does by a thread of the slot: for work that runs no TensorFlow and no code of the job's.

    Nobody asks such a job to stop: it ends sooner than that. A thread cannot be killed: one that hangs in a read of
    the store is left behind when its attempt ends by a timeout, a drain or a lost lease. It holds no lock and writes
    nothing.
    """

    def __init__(self, slot: Slot, spec: Spec, prepared: Run) -> None:
        self._slot = slot
        self._messages: queue.SimpleQueue[Note | End] = queue.SimpleQueue()
        self._has_ended = False
        run = replace(
            prepared,
            emit=lambda event: self._messages.put(Emitted(event=event)),
            blocked=lambda outage: self._messages.put(Blocked(outage=outage)),
        )
        slot.thread.submit(lambda: self._messages.put(end_of(lambda: execute(spec, run))))

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

    def receive(self, wait_s: float) -> Iterator[Note | End]:
        """What the job has sent since, waiting up to `wait_s` for it; an `End` comes last."""
        try:
            message = self._messages.get(timeout=wait_s)
        except queue.Empty:
            return
        self._has_ended = not isinstance(message, Note)
        yield message
