"""Keeps loaded models at hand, as many as fit."""

import threading
from collections import OrderedDict
from datetime import datetime
from pathlib import Path

from stoker.artifacts import ModelVersion
from stoker.store import Store

from .memory import give_back
from .predictor import Predictor


class LoadedModels:
    """The predictors used last, within a limit of memory. One thread may load while another asks what is there.

    Args:
        limit_bytes: memory the models may take together; the one in use stays, whatever its size.
        store: where model files come from.
        scratch: an existing folder for files on their way.
    """

    def __init__(self, limit_bytes: int, store: Store, scratch: Path) -> None:
        self._limit_bytes = limit_bytes
        self._store = store
        self._scratch = scratch
        self._lock = threading.Lock()
        # By reference and birth, as a registry begun anew counts from 1 again; the one used last at the end.
        self._predictors: OrderedDict[tuple[str, datetime], Predictor] = OrderedDict()

    @property
    def refs(self) -> tuple[str, ...]:
        """The exact references of the loaded models, the one used last at the end."""
        return tuple(ref for ref, _ in self._predictors)

    @property
    def size_bytes(self) -> int:
        """Memory that the loaded models take together."""
        return sum(predictor.size_bytes for predictor in self._predictors.values())

    def find(self, version: ModelVersion) -> Predictor | None:
        """The version's predictor, if it is loaded."""
        with self._lock:
            key = _key(version)
            if key in self._predictors:
                self._predictors.move_to_end(key)
            return self._predictors.get(key)

    def get(self, version: ModelVersion) -> Predictor:
        """The version's predictor, loaded if it is not; those unused for longest make room.

        Raises:
            InvalidJob, Corrupt, Unavailable: as `Predictor.load`.
        """
        predictor = self.find(version)
        if predictor is None:
            predictor = Predictor.load(version, self._store, self._scratch)
            with self._lock:
                self._predictors[_key(version)] = predictor
                self._make_room()
        return predictor

    def _make_room(self) -> None:
        evicted = False
        while len(self._predictors) > 1 and self.size_bytes > self._limit_bytes:
            self._predictors.popitem(last=False)
            evicted = True
        if evicted:
            give_back()


def _key(version: ModelVersion) -> tuple[str, datetime]:
    return version.ref, version.created_at
