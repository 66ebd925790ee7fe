"""Serving lanes: for a doorbell, a slot has its predictor drain the lane, a process that keeps models loaded."""

import logging
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from pydantic import BaseModel

from stoker import lanes
from stoker.errors import StokerError, Unavailable
from stoker.lanes import failures
from stoker.outages import DependencyUnavailable
from stoker.redis.connection import Connection

from ..attempt.process import ForkedProcess
from ..attempt.slot import Slot
from ..node.machine import MemoryWatch
from .journal import Activity, Journal
from .loader import Loader
from .watch import Watch

_log = logging.getLogger(__name__)
_TICK_S = 0.5
# A predictor sends a heartbeat between batches; without one for so long it hangs. Long enough to load a large model.
_SILENT_S = 120.0
# A predictor over its slot's memory has a second to evict models, unless it is far over.
_PATIENT_LOOKS = 2
_FAR_TOO_MUCH = 1.5
_HEARTBEAT, _STOP, _EVICT = b"", b"stop", b"evict"
# How long a process may take to end after its pipe broke.
_END_S = 5.0
# Signals that come from other processes; the kernel also sends SIGKILL when memory runs out.
_FROM_OUTSIDE = "SIGKILL SIGTERM SIGINT"


class _Misbehaved(Exception):
    """A predictor process hangs or uses too much memory: its slot ends it."""


class _Assignment(BaseModel):
    """A lane to drain, and the name for the watch that drains it."""

    ref: str
    watch: str


class Predictors:
    """A slot's predictor process, which is forked for the first lane."""

    def __init__(self, slot: Slot, queues: Sequence[str]) -> None:
        self._slot = slot
        self._queues = tuple(queues)
        self._journal = Journal()
        self._memory = MemoryWatch()

    def drain(self, ref: str) -> str:
        """Have a lane drained; gives the task's result for Celery's log."""
        assignment = _Assignment(ref=ref, watch=uuid.uuid4().hex)
        if self._slot.predictor is None:
            self._journal = Journal()
            process = _Process(self._slot, self._queues, self._journal)
            try:
                self._slot.predictor = ForkedProcess(_serve, process)
            except DependencyUnavailable as error:
                self._slot.dependencies.met(error.outage)
                # The controller sends another doorbell for the lane.
                return f"{ref}: not served here: {error.message}"
        try:
            return self._follow(self._slot.predictor, assignment)
        except (EOFError, OSError, _Misbehaved) as error:
            # A process whose pipe broke has ended by itself, or is about to.
            ended = None if isinstance(error, _Misbehaved) else self._slot.predictor.join(_END_S)
            reason = f"it {ended}" if ended else str(error)
            _log.warning("the predictor process of lane %s ended: %s", ref, reason)
            self._slot.end_predictor()
            self._record_cause(reason)
            # Its requests go to others at once, not only when its lease runs out.
            self._slot.connection.run(lanes.leave(ref, lanes.drainer_name(assignment.watch, 0)))
            self._slot.connection.run(lanes.abandon(assignment.watch))
            return f"{ref}: its process died, the rest goes to another"

    def _record_cause(self, reason: str) -> None:
        """Record the model that was loading or computing when the process died, so that no other process dies of it.

        A model that was computing is excused once: another process answers the batch, and records it if it dies, too.
        """
        outside = any(reason.endswith(signal) for signal in _FROM_OUTSIDE.split())
        if activity := self._journal.loading:
            self._record(activity, f"cannot be loaded: that ended its process: {reason}", excused=outside)
        elif (activity := self._journal.computing) and not outside:
            self._record(
                activity, f"cannot be served: batches of it end their process: {reason}", excused=True, computed=True
            )

    def _record(self, activity: Activity, what: str, *, excused: bool, computed: bool = False) -> None:
        error = Unavailable(
            f"{activity.ref} {what}; make the model smaller or give its slot more memory, or roll its "
            "alias back to a version that can be loaded"
        )
        call = failures.load_failed(
            activity.ref, activity.created_at, error, self._slot.worker, excused=excused, computed=computed
        )
        try:
            _log.error("%s", self._slot.connection.run(call).reason)
        except StokerError as unreachable:
            _log.warning("%s; it could not be noted: %s", error.message, unreachable)

    def _follow(self, predictor: ForkedProcess, assignment: _Assignment) -> str:
        pipe = predictor.pipe
        next_check = 0.0
        pipe.send_bytes(assignment.model_dump_json().encode())
        stop_sent, silent_s, over_looks = False, 0.0, 0
        while True:
            if pipe.poll(_TICK_S):
                message = pipe.recv_bytes()
                if message != _HEARTBEAT:
                    return message.decode()
                silent_s = 0.0
            else:
                silent_s += _TICK_S
                if silent_s > _SILENT_S:
                    raise _Misbehaved(f"it gave no sign of life for {_SILENT_S:g} s")
            if time.monotonic() >= next_check:
                next_check = time.monotonic() + _TICK_S
                over_looks = self._check_memory(predictor, over_looks)
                self._check_loading()
            if self._slot.draining_s and not stop_sent:
                pipe.send_bytes(_STOP)
                stop_sent = True

    def _check_memory(self, predictor: ForkedProcess, over_looks: int) -> int:
        """Compare a predictor's memory with its slot's limit; gives how many checks in a row it was above.

        Raises:
            _Misbehaved: it stayed above, although the predictor was asked to evict models.
        """
        most = self._slot.memory_bytes
        counted = self._memory.counted([predictor.pid], most)
        if counted is None:
            return 0
        [used] = counted
        self._slot.uses(used)
        if not most or used <= most:
            return 0
        if over_looks >= _PATIENT_LOOKS or used > _FAR_TOO_MUCH * most:
            raise _Misbehaved(f"it used {used:,} bytes of memory, and its slot allows {most:,}")
        if not over_looks:
            predictor.pipe.send_bytes(_EVICT)
        return over_looks + 1

    def _check_loading(self) -> None:
        """Raises _Misbehaved if a model takes too long to load: a thread that hangs can only be ended so."""
        activity, longest_s = self._journal.loading, self._slot.settings.model_load_timeout_s
        if activity and time.monotonic() - activity.since > longest_s:
            raise _Misbehaved(f"it took longer than {longest_s:g} s (STOKER_MODEL_LOAD_TIMEOUT_S)")


@dataclass(frozen=True)
class _Process:
    """The arguments of a predictor process."""

    slot: Slot
    queues: tuple[str, ...]
    journal: Journal


def _serve(pipe: Pipe, process: _Process) -> None:
    """The main function of a predictor process: it runs one watch after the other."""
    slot = process.slot
    connection = Connection.open(slot.settings, slot.redis_url, patience_s=_SILENT_S / 4)
    with tempfile.TemporaryDirectory(prefix="stoker-") as scratch:
        loader = Loader(slot, process.journal, connection, Path(scratch))

        def stop() -> bool:
            """Send a heartbeat; gives whether the slot wants its predictor to stop."""
            pipe.send_bytes(_HEARTBEAT)
            while pipe.poll():
                if pipe.recv_bytes() == _STOP:
                    return True
                loader.shrink()
            return False

        while True:
            try:
                message = pipe.recv_bytes()
            except EOFError:
                return
            if message in (_STOP, _EVICT):
                continue
            assignment = _Assignment.model_validate_json(message)
            watch = Watch(connection, assignment.watch, process.queues, loader.model, stop, loader.model_beside)
            try:
                summary = watch.run(assignment.ref)
            except StokerError as error:
                summary = f"{assignment.ref}: {error.message}"
            pipe.send_bytes(summary.encode())
