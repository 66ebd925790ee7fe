"""Serving lanes: a slot hands the lane of a doorbell to a predictor process, which it keeps warm with its models."""

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
from ..node.machine import private_bytes
from .journal import Entry, Journal
from .loader import Loader
from .watch import Watch

_log = logging.getLogger(__name__)
_TICK_S = 0.5
# A predictor gives a sign of life between batches; one silent for longer hangs. Long enough to load a large model.
_SILENT_S = 120.0
# A predictor over its slot's memory has a second to let go of models, unless it is far over.
_PATIENT_LOOKS = 2
_FAR_TOO_MUCH = 1.5
_ALIVE, _STOP, _EVICT = b"", b"stop", b"evict"
# How long a process may take to end after its pipe broke.
_END_S = 5.0
# Signals by which others end a process. It may also have been the kernel, for want of memory.
_FROM_OUTSIDE = "SIGKILL SIGTERM SIGINT"


class _Misbehaved(Exception):
    """A predictor process hangs or uses too much: its slot ends it."""


class _Assignment(BaseModel):
    """A lane to drain, and the name of the watch to do it in."""

    ref: str
    watch: str


class Predictors:
    """The slot's side of its predictor process, which is forked for the first lane."""

    def __init__(self, slot: Slot, queues: Sequence[str]) -> None:
        self._slot = slot
        self._queues = tuple(queues)
        self._journal = Journal()

    def drain(self, ref: str) -> str:
        """Have a lane drained; gives what to show for it in Celery's log."""
        assignment = _Assignment(ref=ref, watch=uuid.uuid4().hex)
        if self._slot.predictor is None:
            self._journal = Journal()
            process = _Process(self._slot, self._queues, self._journal)
            try:
                self._slot.predictor = ForkedProcess(_serve, process)
            except DependencyUnavailable as error:
                self._slot.dependencies.met(error.outage)
                # The lane is rung for again.
                return f"{ref}: not served here: {error.message}"
        try:
            return self._follow(self._slot.predictor, assignment)
        except (EOFError, OSError, _Misbehaved) as error:
            # One whose pipe broke has ended by itself, or is about to.
            ended = None if isinstance(error, _Misbehaved) else self._slot.predictor.join(_END_S)
            reason = f"it {ended}" if ended else str(error)
            _log.warning("the predictor process of lane %s ended: %s", ref, reason)
            self._slot.end_predictor()
            self._blame(reason)
            # What it had in hand goes to others at once, not only when its lease runs out.
            self._slot.connection.run(lanes.leave(ref, lanes.drainer_name(assignment.watch, 0)))
            self._slot.connection.run(lanes.abandon(assignment.watch))
            return f"{ref}: its process died, the rest goes to another"

    def _blame(self, reason: str) -> None:
        """Have the callers of the model refused that was being loaded when the process ended, before others load it.

        A batch that ends its process is answered by another; only if that ends as well, its model is to blame.
        """
        outside = any(reason.endswith(signal) for signal in _FROM_OUTSIDE.split())
        if entry := self._journal.loading:
            self._note(entry, f"cannot be loaded: that ended its process: {reason}", excused=outside)
        elif (entry := self._journal.computing) and not outside:
            self._note(
                entry, f"cannot be served: batches of it end their process: {reason}", excused=True, computed=True
            )

    def _note(self, entry: Entry, what: str, *, excused: bool, computed: bool = False) -> None:
        error = Unavailable(
            f"{entry.ref} {what}; make the model smaller or give its slot more memory, or roll its "
            "alias back to a version that can be loaded"
        )
        call = failures.load_failed(
            entry.ref, entry.created_at, error, self._slot.worker, excused=excused, computed=computed
        )
        try:
            _log.error("%s", self._slot.connection.run(call).reason)
        except StokerError as unreachable:
            _log.warning("%s; it could not be noted: %s", error.message, unreachable)

    def _follow(self, predictor: ForkedProcess, assignment: _Assignment) -> str:
        pipe = predictor.pipe
        look_at = 0.0
        pipe.send_bytes(assignment.model_dump_json().encode())
        asked_to_stop, silent_s, over_looks = False, 0.0, 0
        while True:
            if pipe.poll(_TICK_S):
                told = pipe.recv_bytes()
                if told != _ALIVE:
                    return told.decode()
                silent_s = 0.0
            else:
                silent_s += _TICK_S
                if silent_s > _SILENT_S:
                    raise _Misbehaved(f"it gave no sign of life for {_SILENT_S:g} s")
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + _TICK_S
                over_looks = self._look_at_memory(predictor, over_looks)
                self._look_at_loading()
            if self._slot.draining_s and not asked_to_stop:
                pipe.send_bytes(_STOP)
                asked_to_stop = True

    def _look_at_memory(self, predictor: ForkedProcess, over_looks: int) -> int:
        """Compare what a predictor uses with what its slot allows; gives how many looks in a row it was more.

        Raises:
            _Misbehaved: it was too much, also after the predictor was asked to let go of models.
        """
        most, used = self._slot.memory_bytes, private_bytes(predictor.pid) or 0
        self._slot.uses(used)
        if not most or used <= most:
            return 0
        if over_looks >= _PATIENT_LOOKS or used > _FAR_TOO_MUCH * most:
            raise _Misbehaved(f"it used {used:,} bytes of memory, and its slot allows {most:,}")
        if not over_looks:
            predictor.pipe.send_bytes(_EVICT)
        return over_looks + 1

    def _look_at_loading(self) -> None:
        """Raises _Misbehaved if a model takes too long to load: the thread that hangs in it can only be ended so."""
        entry, longest_s = self._journal.loading, self._slot.settings.model_load_timeout_s
        if entry and time.monotonic() - entry.since > longest_s:
            raise _Misbehaved(f"it took longer than {longest_s:g} s (STOKER_MODEL_LOAD_TIMEOUT_S)")


@dataclass(frozen=True)
class _Process:
    """What a predictor process is given when it is forked."""

    slot: Slot
    queues: tuple[str, ...]
    journal: Journal


def _serve(pipe: Pipe, process: _Process) -> None:
    """The predictor process's whole life: one watch over lanes after the other."""
    slot = process.slot
    connection = Connection.open(slot.settings, slot.redis_url, patience_s=_SILENT_S / 4)
    with tempfile.TemporaryDirectory(prefix="stoker-") as scratch:
        loader = Loader(slot, process.journal, connection, Path(scratch))

        def stop() -> bool:
            """Whether the slot wants its predictor to end; also this process's sign of life."""
            pipe.send_bytes(_ALIVE)
            while pipe.poll():
                if pipe.recv_bytes() == _STOP:
                    return True
                loader.let_go()
            return False

        while True:
            try:
                told = pipe.recv_bytes()
            except EOFError:
                return
            if told in (_STOP, _EVICT):
                continue
            assignment = _Assignment.model_validate_json(told)
            watch = Watch(connection, assignment.watch, process.queues, loader.model, stop)
            try:
                summary = watch.run(assignment.ref)
            except StokerError as error:
                summary = f"{assignment.ref}: {error.message}"
            pipe.send_bytes(summary.encode())
