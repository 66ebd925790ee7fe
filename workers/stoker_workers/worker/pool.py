"""The slots of a worker: Celery's prefork pool, which grows and shrinks at once and never kills a child with a job.

In Celery's own pool, growing waits for a timer, and shrinking kills a child that looks idle, even if it has just got a
task. Here the pool's size is adjusted in every turn of the event loop.
"""

import logging
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

from billiard.common import human_status
from billiard.pool import RUN, ApplyResult
from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool
from celery.worker.control import control_command
from celery.worker.state import reserved_requests

from stoker.kinds import KINDS
from stoker.kinds.tasks import task_name

from ..attempt.slot import MOST_SLOTS

_log = logging.getLogger(__name__)
# Under `celery control autoscale`, a slot that was idle for this long ends, as with Celery's own autoscaler.
_IDLE_S = 30.0
# Tasks that are executed within a slot, in milliseconds.
_BRIEF = {task_name(kind.name) for kind in KINDS.values() if kind.is_brief}


class LostTask(NamedTuple):
    """A task whose child has died.

    Attributes:
        task_id: of a job's task, the job's id.
        pid: the child's process id.
        how: how it has ended, in words.
    """

    task_id: str
    pid: int
    how: str


class _Children(AsynPool):  # type: ignore[misc]  # Celery has no types
    """The processes of the pool."""

    @cached_property
    def lost(self) -> list[LostTask]:
        """The tasks whose children have died, until somebody takes them."""
        return []

    def on_job_process_lost(self, job: ApplyResult, pid: int, exitcode: int) -> None:
        """Note the task of a child that has died with it."""
        super().on_job_process_lost(job, pid, exitcode)
        self.lost.append(LostTask(job.correlation_id, pid, human_status(exitcode)))

    def fork(self) -> None:
        """Add a child.

        Raises:
            OSError, MemoryError: the machine has no memory or process left for it.
        """
        self.grow(1)
        try:
            self.maintain_pool()
        except (OSError, MemoryError):
            self._count_down()
            raise

    def retire(self) -> bool:
        """Let one idle child end by itself; gives whether there was one.

        A child is idle if it has answered everything that was sent to it. It reads the request to end after any
        earlier message, so that no job is lost even if it was not idle.
        """
        if self.outbound_buffer:
            return False
        for child in self._pool:
            inbox = child.inqW_fd
            if inbox in self._all_inqueues and inbox not in self._busy_workers and inbox not in self._active_writes:
                self._all_inqueues.discard(inbox)
                child._controlled_termination = True  # noqa: SLF001  # its end is no error to log
                child.inq.put(None)
                self._count_down()
                return True
        return False

    def _count_down(self) -> None:
        self._processes -= 1
        self._putlock.shrink()

    @property
    def size(self) -> int:
        """The number of children that the pool keeps running."""
        return int(self._processes)

    @property
    def runs(self) -> bool:
        """Whether the pool runs, and does not end."""
        return bool(self._state == RUN)


class SlotPool(TaskPool):  # type: ignore[misc]  # Celery has no types
    """A pool of slots: a fixed number, or under `celery control autoscale` as many as there is work for.

    Attributes:
        limit: the number of slots wanted now, at most.
        takes: gives whether the worker is reading the next message, which may be a job.
    """

    Pool = _Children
    takes: Callable[[], bool] = staticmethod(lambda: False)

    def on_start(self) -> None:
        """Fork the first children."""
        super().on_start()
        self._least = self.limit
        self._needed_at = time.monotonic()
        # What `celery control pool_grow` and `pool_shrink` call.
        self.grow = lambda count=1: self.resize(self.limit + count)
        self.shrink = lambda count=1: self.resize(self.limit - count)

    @property
    def num_processes(self) -> int:
        """How many jobs the worker may hold; it reads no more messages than that."""
        if self.size > self.limit:
            # A read that began before the pool was to shrink may still bring a message.
            return self.size if self.takes() else int(self.limit)
        if len(reserved_requests) < self.limit:
            return int(self.limit)
        # A brief job's slot is free again when the next message arrives; other jobs are never prefetched.
        brief = sum(request.name in _BRIEF for request in reserved_requests)
        return int(self.limit + min(brief, self.limit))

    @property
    def size(self) -> int:
        """The number of slots."""
        return self._pool.size if self._pool else 0

    @property
    def busy(self) -> int:
        """The number of slots that have a job or a lane."""
        return min(len(reserved_requests), self.size)

    def take_lost(self) -> list[LostTask]:
        """The tasks whose slots have died since this was called last."""
        lost = list(self._pool.lost) if self._pool else []
        if lost:
            self._pool.lost.clear()
        return lost

    @property
    def places(self) -> list[int]:
        """The index of each slot."""
        return [child.index for child in self._pool._pool] if self._pool else []  # noqa: SLF001

    def resize(self, most: int, least: int | None = None) -> None:
        """Set the pool to `most` slots; with `least`, to as many between the two as there is work for."""
        self.limit = min(max(most, 0), MOST_SLOTS)
        self._least = self.limit if least is None else min(max(least, 0), self.limit)
        _log.info("%d to %d slots are wanted; there are %d", self._least, self.limit, self.size)

    def settle(self) -> None:
        """Fork or retire children towards the wanted number; called in every turn of the event loop."""
        children = self._pool
        if children is None or not children.runs:
            return
        jobs = len(reserved_requests)
        wanted = min(max(jobs, self._least), self.limit)
        if jobs >= children.size:
            self._needed_at = time.monotonic()
        if children.size < wanted:
            # One fork in each turn: a child that is ready is an event, which starts the next turn.
            self._fork()
        elif self._least == self.limit or time.monotonic() - self._needed_at > _IDLE_S:
            # A message that is being read needs a slot, too.
            while children.size > max(wanted, jobs + self.takes()) and children.retire():
                pass

    def _fork(self) -> None:
        try:
            self._pool.fork()
        except (OSError, MemoryError) as error:
            self.limit = self._pool.size
            self._least = min(self._least, self.limit)
            _log.warning("no further slot, %d it stays: %s", self.limit, error)


@control_command(args=[("max", int), ("min", int)], signature="[max [min]]")  # type: ignore[untyped-decorator]
def autoscale(state: Any, max: int, min: int = 0, **_: Any) -> dict[str, str]:  # noqa: A002  # Celery's names
    """Resize the pool to as many slots as there is work for, between min and max."""
    state.consumer.pool.resize(max, min)
    return {"ok": f"autoscale now max={max} min={min}"}
