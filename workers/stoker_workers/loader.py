"""Loading models in a predictor's process: beside its batches, within its memory, and not again what just failed."""

import logging
import os
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from stoker.artifacts import ModelVersion
from stoker.connection import Connection
from stoker.errors import InvalidJob, StokerError, Unavailable
from stoker.lanes import failures
from stoker.store import Store

from .drainer import Outcome
from .engine.loading import NoMemory
from .engine.models import LoadedModels, loading_bytes
from .engine.predictor import Predictor
from .engine.runtime.pace import Pace
from .journal import Journal, entry_of
from .machine import private_bytes
from .slot import Slot

_log = logging.getLogger(__name__)
# What a request shall take at most, waiting included, as far as the size of batches decides it.
_TARGET_S = 0.1
_LARGEST_BATCH = 1024
# What a predictor needs besides its models: TensorFlow, and batches on their way.
_WORKING_BYTES = 200 << 20


class LoadedModel:
    """A loaded model as a drainer wants it; its batches are as large as the target latency allows.

    It holds no model: one that made room for another is gone.
    """

    def __init__(self, predictor: Predictor, pace: Pace, journal: Journal) -> None:
        self._predictor = weakref.ref(predictor)
        self._pace = pace
        self._journal = journal
        self._entry = entry_of(predictor.version)

    @property
    def evicted(self) -> bool:
        return self._predictor() is None

    @property
    def most(self) -> int:
        return self._pace.max_rows

    def answer(self, requests: Sequence[bytes]) -> Sequence[Outcome]:
        predictor = self._predictor()
        assert predictor, "models make room only between two steps of a drainer"
        if not requests:
            return []
        started = time.perf_counter()
        with self._journal.compute(self._entry):
            outcomes = predictor.predict_encoded(requests)
        self._pace.took(len(requests), time.perf_counter() - started)
        return outcomes


class Loader:
    """Loads models in a thread of its own, one at a time; those that are loaded already are served meanwhile."""

    def __init__(self, slot: Slot, journal: Journal, connection: Connection, scratch: Path) -> None:
        settings, memory = slot.settings, slot.memory_bytes
        # The cache is a part of what the slot may use, or its models would end the process before they are evicted.
        room = max(0, memory - _WORKING_BYTES) if memory else settings.model_cache_bytes
        self._models = LoadedModels(min(settings.model_cache_bytes, room))
        self._memory_bytes = memory
        self._connection = connection
        self._journal = journal
        self._worker = slot.worker
        self._store = Store(settings.store)
        self._scratch = scratch
        self._thread = ThreadPoolExecutor(1, "stoker-loader")
        self._loading: dict[tuple[str, datetime], Future[Predictor]] = {}
        self._paces: weakref.WeakKeyDictionary[Predictor, Pace] = weakref.WeakKeyDictionary()

    def model(self, version: ModelVersion) -> LoadedModel | StokerError | None:
        """A version's model, None as long as it is being loaded, or why it cannot be.

        Raises:
            Unavailable: the store or Redis is away.
        """
        key = version.ref, version.created_at
        loading = self._loading.get(key)
        if loading:
            return self._ended(version, self._loading.pop(key)) if loading.done() else None
        if found := self._models.find(version):
            return self._served(found)
        if failure := self._connection.run(failures.admit_load(version)):
            return failure.as_error()
        self._models.make_room(version)
        try:
            self._check_memory(version)
        except NoMemory as error:
            return self._failed(version, error)
        self._loading[key] = self._thread.submit(self._load, version)
        return None

    def let_go(self) -> None:
        """Evict all models but the one used last."""
        self._models.evict_all(keep=1)

    def _load(self, version: ModelVersion) -> Predictor:
        with self._journal.load(version):
            return Predictor.load(version, self._store, self._scratch)

    def _ended(self, version: ModelVersion, loading: Future[Predictor]) -> LoadedModel | StokerError | None:
        try:
            predictor = loading.result()
        except NoMemory as error:
            if self._models.evict_all():
                self._loading[version.ref, version.created_at] = self._thread.submit(self._load, version)
                return None
            return self._failed(version, error)
        except Unavailable:
            raise
        except StokerError as error:
            return self._failed(version, error)
        self._connection.run(failures.loaded(version))
        self._models.add(version, predictor)
        return self._served(predictor)

    def _served(self, predictor: Predictor) -> LoadedModel:
        return LoadedModel(predictor, self._paces.setdefault(predictor, Pace(_TARGET_S, _LARGEST_BATCH)), self._journal)

    def _check_memory(self, version: ModelVersion) -> None:
        needed = loading_bytes(version) + (private_bytes(os.getpid()) or 0)
        if self._memory_bytes and needed > self._memory_bytes:
            raise NoMemory(
                f"{version.ref} cannot be loaded: its process would use about {needed:,} bytes of memory, and its slot "
                f"allows {self._memory_bytes:,}; give the slot more memory (fewer slots, or STOKER_SLOT_MEMORY_BYTES), "
                "or make the model smaller"
            )

    def _failed(self, version: ModelVersion, error: StokerError) -> StokerError:
        """Note for all workers that a version cannot be loaded; gives what its callers are raised."""
        prefix = f"{version.ref} cannot be loaded: "
        message = error.message if error.message.startswith(prefix) else prefix + error.message
        told = Unavailable(message) if isinstance(error, NoMemory) else InvalidJob(message)
        _log.error("%s", message)
        created_at = version.created_at.isoformat()
        return self._connection.run(failures.load_failed(version.ref, created_at, told, self._worker)).as_error()
