"""Serving lanes: a slot hands the lane of a doorbell to a predictor process, which it keeps warm with its models."""

import logging
import tempfile
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from weakref import WeakKeyDictionary

from pydantic import BaseModel

from stoker import lanes
from stoker.artifacts import ModelVersion
from stoker.connection import Connection
from stoker.errors import StokerError
from stoker.settings import Settings
from stoker.store import Store

from .drainer import Outcome
from .engine.models import LoadedModels
from .engine.predictor import Predictor
from .engine.runtime.pace import Pace
from .machine import private_bytes
from .process import ForkedProcess
from .slot import Slot
from .watch import Watch

_log = logging.getLogger(__name__)
_TICK_S = 0.5
# A predictor gives a sign of life between batches; one silent for longer hangs. Long enough to load a large model.
_SILENT_S = 120.0
# What a request shall take at most, waiting included, as far as the size of batches decides it.
_TARGET_S = 0.1
_LARGEST_BATCH = 1024
_ALIVE, _STOP = b"", b"stop"


class _Assignment(BaseModel):
    """A lane to drain, and the name of the watch to do it in."""

    ref: str
    watch: str


class Predictors:
    """The slot's side of its predictor process, which is forked for the first lane."""

    def __init__(self, slot: Slot, queues: Sequence[str]) -> None:
        self._slot = slot
        self._queues = tuple(queues)

    def drain(self, ref: str) -> str:
        """Have a lane drained; gives what to show for it in Celery's log."""
        assignment = _Assignment(ref=ref, watch=uuid.uuid4().hex)
        if self._slot.predictor is None:
            arguments = (self._slot.settings, self._slot.redis_url, self._queues)
            self._slot.predictor = ForkedProcess(_serve, *arguments)
        try:
            return self._follow(self._slot.predictor, assignment)
        except (EOFError, OSError) as error:
            _log.warning("the predictor process of lane %s ended: %s", ref, error or "it was killed")
            self._slot.end_predictor()
            # What it had in hand goes to others at once, not only when its lease runs out.
            self._slot.connection.run(lanes.leave(ref, lanes.drainer_name(assignment.watch, 0)))
            self._slot.connection.run(lanes.abandon(assignment.watch))
            return f"{ref}: its process died, the rest goes to another"

    def _follow(self, predictor: ForkedProcess, assignment: _Assignment) -> str:
        pipe, most = predictor.pipe, self._slot.memory_bytes
        look_at = 0.0
        pipe.send_bytes(assignment.model_dump_json().encode())
        asked_to_stop, silent_s = False, 0.0
        while True:
            if pipe.poll(_TICK_S):
                told = pipe.recv_bytes()
                if told != _ALIVE:
                    return told.decode()
                silent_s = 0.0
            else:
                silent_s += _TICK_S
                if silent_s > _SILENT_S:
                    raise OSError(f"it gave no sign of life for {_SILENT_S:g} s")
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + _TICK_S
                used = private_bytes(predictor.pid) or 0
                self._slot.uses(used)
                if most and used > most:
                    raise OSError(f"it used {used:,} bytes of memory, and its slot allows {most:,}")
            if self._slot.draining_s and not asked_to_stop:
                pipe.send_bytes(_STOP)
                asked_to_stop = True


class _Served:
    """A loaded model as a drainer wants it; its batches are as large as the target latency allows."""

    def __init__(self, predictor: Predictor, pace: Pace) -> None:
        self._predictor = predictor
        self._pace = pace

    @property
    def most(self) -> int:
        return self._pace.max_rows

    def answer(self, requests: Sequence[bytes]) -> Sequence[Outcome]:
        if not requests:
            return []
        started = time.perf_counter()
        outcomes = self._predictor.predict_encoded(requests)
        self._pace.took(len(requests), time.perf_counter() - started)
        return outcomes


class _Loader:
    """Loads models in a thread of its own, one at a time; those that are loaded already are served meanwhile."""

    def __init__(self, models: LoadedModels) -> None:
        self._models = models
        self._thread = ThreadPoolExecutor(1, "stoker-loader")
        self._loading: dict[tuple[str, datetime], Future[Predictor]] = {}
        self._paces: WeakKeyDictionary[Predictor, Pace] = WeakKeyDictionary()

    def model(self, version: ModelVersion) -> _Served | None:
        """A version's model, or None as long as it is being loaded.

        Raises:
            StokerError: it cannot be loaded; told once, then it is tried again.
        """
        key = version.ref, version.created_at
        loading = self._loading.get(key)
        if loading:
            if not loading.done():
                return None
            del self._loading[key]
            predictor = loading.result()
        elif found := self._models.find(version):
            predictor = found
        else:
            self._loading[key] = self._thread.submit(self._models.get, version)
            return None
        return _Served(predictor, self._paces.setdefault(predictor, Pace(_TARGET_S, _LARGEST_BATCH)))


def _serve(pipe: Pipe, settings: Settings, redis_url: str, queues: Sequence[str]) -> None:
    """The predictor process's whole life: one watch over lanes after the other."""
    connection = Connection.open(settings, redis_url, patience_s=_SILENT_S / 4)
    with tempfile.TemporaryDirectory(prefix="stoker-") as scratch:
        loader = _Loader(LoadedModels(settings.model_cache_bytes, Store(settings.store), Path(scratch)))
        while True:
            try:
                told = pipe.recv_bytes()
            except EOFError:
                return
            if told == _STOP:
                continue
            assignment = _Assignment.model_validate_json(told)
            watch = Watch(connection, assignment.watch, queues, loader.model, stop=lambda: _asked_to_stop(pipe))
            try:
                summary = watch.run(assignment.ref)
            except StokerError as error:
                summary = f"{assignment.ref}: {error.message}"
            pipe.send_bytes(summary.encode())


def _asked_to_stop(pipe: Pipe) -> bool:
    """Whether the slot wants its predictor to end; also this process's sign of life."""
    pipe.send_bytes(_ALIVE)
    return pipe.poll()
