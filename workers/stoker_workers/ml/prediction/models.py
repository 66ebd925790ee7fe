"""Keeps loaded models at hand, as many as fit."""

from collections import OrderedDict
from datetime import datetime

from stoker.models.manifest import ModelVersion

from ..memory import give_back
from .predictor import Predictor

# While a model is loaded, its file is in memory beside the weights that are read from it.
_LOADING_COPIES = 2
_WEIGHT_BYTES = 4


class LoadedModels:
    """The predictors used last, within a limit of memory. For one thread.

    Args:
        limit_bytes: memory the models may take together; the newest one stays, whatever its size.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
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
        key = _key(version)
        if key in self._predictors:
            self._predictors.move_to_end(key)
        return self._predictors.get(key)

    def make_room(self, version: ModelVersion) -> None:
        """Evict the models unused for longest until there is room to load this one."""
        self._evict(self._limit_bytes - loading_bytes(version), keep=0)

    def add(self, version: ModelVersion, predictor: Predictor) -> None:
        """Keep a predictor that has been loaded; those unused for longest make room."""
        self._predictors[_key(version)] = predictor
        self._evict(self._limit_bytes, keep=1)

    def evict_all(self, *, keep: int = 0) -> bool:
        """Evict all models but those used last; gives whether there were any."""
        return self._evict(0, keep)

    def _evict(self, limit_bytes: int, keep: int) -> bool:
        evicted = False
        while len(self._predictors) > keep and self.size_bytes > limit_bytes:
            self._predictors.popitem(last=False)
            evicted = True
        if evicted:
            give_back()
        return evicted


def loading_bytes(version: ModelVersion) -> int:
    """About how much memory loading a version takes."""
    return _LOADING_COPIES * _WEIGHT_BYTES * version.parameters


def _key(version: ModelVersion) -> tuple[str, datetime]:
    return version.ref, version.created_at
