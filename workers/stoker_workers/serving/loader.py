"""Loading models in a predictor process: beside its batches, within its memory, and no retry of a recent failure."""

import logging
import os
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from stoker.errors import InvalidJob, StokerError, Unavailable
from stoker.kinds.needs import modules_in
from stoker.lanes import failures
from stoker.ledger import registry
from stoker.models.access import Unsafe
from stoker.models.manifest import ModelVersion
from stoker.models.store import Store
from stoker.redis.connection import Connection

from ..attempt.slot import Slot
from ..ml.prediction.loading import NoMemory, loading
from ..ml.prediction.models import LoadedModels, loading_bytes
from ..ml.prediction.predictor import Predictor
from ..ml.prediction.runtime.pace import Pace
from ..node.machine import private_bytes
from .drainer import Unable
from .journal import Journal, activity_of
from .model import Response

_log = logging.getLogger(__name__)
# The target latency of a request, waiting included; it decides the size of batches.
_TARGET_S = 0.1
_LARGEST_BATCH = 1024
# A predictor's memory besides its models: TensorFlow and the batches.
_WORKING_BYTES = 200 << 20


class LoadedModel:
    """A drainer's handle of a loaded model; batches are as large as the target latency allows.

    The reference is weak, so that an evicted model is freed.
    """

    def __init__(self, predictor: Predictor, pace: Pace, journal: Journal) -> None:
        self._predictor = weakref.ref(predictor)
        self._pace = pace
        self._journal = journal
        self._activity = activity_of(predictor.version)

    @property
    def evicted(self) -> bool:
        return self._predictor() is None

    @property
    def most(self) -> int:
        return self._pace.max_rows

    def answer(self, requests: Sequence[bytes]) -> Sequence[Response]:
        predictor = self._predictor()
        assert predictor, "models are evicted only between two steps of a drainer"
        if not requests:
            return []
        started = time.perf_counter()
        with self._journal.compute(self._activity):
            responses = predictor.predict_encoded(requests)
        self._pace.took(len(requests), time.perf_counter() - started)
        return responses


class Loader:
    """Loads models in a thread of its own, while loaded ones are served.

    A model is served as soon as TensorFlow can compute it. The thread then makes and compares the other engines, which
    takes longer than all that is before.

    One model is loaded at a time, and the next is chosen when that has ended: its memory is known only then.
    """

    def __init__(self, slot: Slot, journal: Journal, connection: Connection, scratch: Path) -> None:
        settings, memory = slot.settings, slot.memory_bytes
        # The cache is part of the slot's memory: models are evicted before the process is over its limit.
        room = max(0, memory - _WORKING_BYTES) if memory else settings.model_cache_bytes
        self._models = LoadedModels(min(settings.model_cache_bytes, room))
        self._memory_bytes = memory
        self._empty_bytes = _used_bytes()
        self._connection = connection
        self._journal = journal
        self._worker = slot.worker
        self._slot = slot
        self._custom = modules_in(slot.offers.offers)
        self._store = Store(settings.store_place)
        self._scratch = scratch
        self._thread = ThreadPoolExecutor(1, "stoker-loader")
        # What is loaded, beside which version, if that may not be evicted for it.
        self._loading: tuple[ModelVersion, Future[Predictor], ModelVersion | None] | None = None
        self._comparing: Future[None] | None = None
        # Outages that loads ended with, by version, until the version is wanted again or another load succeeds.
        self._away: dict[tuple[str, datetime], Unavailable] = {}
        self._paces: weakref.WeakKeyDictionary[Predictor, Pace] = weakref.WeakKeyDictionary()

    def model(self, version: ModelVersion) -> LoadedModel | StokerError | None:
        """A version's model; None while it or another one is loaded, or the error that it cannot be loaded for.

        Raises:
            Unavailable: the store or Redis is away.
        """
        return self._model(version, None)

    def model_beside(self, version: ModelVersion, served: ModelVersion) -> LoadedModel | StokerError | None:
        """`model` for a version that is tried beside the one that is served, which is not evicted for it."""
        return self._model(version, served)

    def _model(self, version: ModelVersion, beside: ModelVersion | None) -> LoadedModel | StokerError | None:
        self._settle()
        if predictor := self._models.find(version):
            # Not at the first look at it, so that its first request is not computed beside that.
            if not predictor.is_compared and predictor in self._paces and not self._loading and not self._comparing:
                self._comparing = self._thread.submit(self._compare, predictor)
            return self._handle(predictor)
        if away := self._away.pop((version.ref, version.created_at), None):
            raise away
        if not set(version.modules) <= set(self._custom):
            # Not recorded as a failure to load: it is this worker's, and others may have them.
            return Unable(
                f"{version.ref} needs {', '.join(version.modules)}, and no live worker has all of that; add it to "
                "`custom_objects` in the settings of one where it is installed"
            )
        # Checked before `admit_load`, which admits one worker at a time.
        if self._loading or self._comparing:
            return None
        if failure := self._connection.run(failures.admit_load(version)):
            return failure.as_error()
        try:
            self._make_room(version, beside)
        except NoMemory as error:
            return self._failed(version, error)
        self._begin(version, beside)
        return None

    def shrink(self) -> None:
        """Evict all models but the one used or loaded last."""
        with suppress(Unavailable):  # of Redis, which only records how a load ended
            self._settle()
        self._models.evict_all(keep=1)

    def _begin(self, version: ModelVersion, beside: ModelVersion | None) -> None:
        self._loading = version, self._thread.submit(self._load, version, compare=beside is not None), beside

    def _load(self, version: ModelVersion, *, compare: bool) -> Predictor:
        # It was read without a look at who has signed it.
        if self._slot.signatures.trust:
            version = self._connection.run(registry.resolve(version.ref, self._slot.check_version))
        with self._journal.load(version):
            return Predictor.load(version, self._store, self._scratch, custom=self._custom, compare=compare)

    def _compare(self, predictor: Predictor) -> None:
        with self._journal.load(predictor.version), loading(predictor.version.ref):
            predictor.compare()

    def _settle(self) -> None:
        """Keep the model, or the error, of a load that has ended, even if nobody waits for it any more.

        Raises:
            Unavailable: Redis is away.
        """
        if self._comparing and self._comparing.done():
            self._compared(self._comparing)
        if not self._loading or not self._loading[1].done():
            return
        (version, load, beside), self._loading = self._loading, None
        try:
            predictor = load.result()
            if beside and not self._models.fits_beside(predictor, beside):
                raise NoMemory(_does_not_fit(version, beside))
        except NoMemory as error:
            if not beside and self._models.evict_all():
                self._begin(version, None)
            else:
                self._failed(version, error)
        except Unavailable as error:
            self._away[version.ref, version.created_at] = error
        except StokerError as error:
            self._failed(version, error)
        else:
            self._models.add(version, predictor)
            self._away.clear()
            self._connection.run(failures.loaded(version))

    def _compared(self, comparison: Future[None]) -> None:
        self._comparing = None
        self._models.keep_within_limit()
        try:
            comparison.result()
        except StokerError as error:
            _log.error("a model is computed by TensorFlow alone, for its engines were not compared: %s", error.message)

    def _handle(self, predictor: Predictor) -> LoadedModel:
        return LoadedModel(predictor, self._paces.setdefault(predictor, Pace(_TARGET_S, _LARGEST_BATCH)), self._journal)

    def _make_room(self, version: ModelVersion, beside: ModelVersion | None) -> None:
        """Evict models until this one can be loaded; none if it would not fit into an empty process.

        Raises:
            NoMemory: it does not fit, or not beside the other.
        """
        self._check_memory(version, self._empty_bytes)
        if not self._models.make_room(version, beside):
            raise NoMemory(_does_not_fit(version, beside))
        self._check_memory(version, _used_bytes())

    def _check_memory(self, version: ModelVersion, used_bytes: int) -> None:
        needed = loading_bytes(version) + used_bytes
        if self._memory_bytes and needed > self._memory_bytes:
            raise NoMemory(
                f"{version.ref} cannot be loaded: its process would use about {needed:,} bytes of memory, and its slot "
                f"allows {self._memory_bytes:,}; give the slot more memory (fewer slots, or STOKER_SLOT_MEMORY_BYTES), "
                "or make the model smaller"
            )

    def _failed(self, version: ModelVersion, error: StokerError) -> StokerError:
        """Record for all workers that a version cannot be loaded; gives the error for its callers."""
        prefix = f"{version.ref} cannot be loaded: "
        message = error.message if error.message.startswith(prefix) else prefix + error.message
        public = Unavailable(message) if isinstance(error, NoMemory) else InvalidJob(message)
        if isinstance(error, Unsafe):
            self._slot.refused(version.ref, message)
        else:
            _log.error("%s", message)
        created_at = version.created_at.isoformat()
        return self._connection.run(failures.load_failed(version.ref, created_at, public, self._worker)).as_error()


def _does_not_fit(version: ModelVersion, beside: ModelVersion | None) -> str:
    return (
        f"{version.ref} does not fit into memory beside {beside.ref if beside else 'nothing'}, which is served: give "
        "workers more memory (fewer slots, or STOKER_SLOT_MEMORY_BYTES and STOKER_MODEL_CACHE_BYTES)"
    )


def _used_bytes() -> int:
    return private_bytes(os.getpid()) or 0
