"""A cache of loaded models, within a limit of memory."""

from collections import OrderedDict
from datetime import datetime

from stoker.models.manifest import ModelVersion

from ..garbage import collect
from .predictor import Predictor

# During loading, the file and the weights are both in memory.
_LOADING_COPIES = 2
_WEIGHT_BYTES = 4


class LoadedModels:
    """The most recently used predictors, within a limit of memory. For one thread.

    Args:
        limit_bytes: the models' memory in all; the newest model stays even if it is larger.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        # By reference and registration time, because a new registry counts versions from 1 again; in order of use.
        self._predictors: OrderedDict[tuple[str, datetime], Predictor] = OrderedDict()

    @property
    def refs(self) -> tuple[str, ...]:
        """The exact references of the loaded models, the most recently used at the end."""
        return tuple(ref for ref, _ in self._predictors)

    @property
    def size_bytes(self) -> int:
        """The loaded models' memory in all."""
        return sum(predictor.size_bytes for predictor in self._predictors.values())

    def find(self, version: ModelVersion) -> Predictor | None:
        """The version's predictor, if it is loaded."""
        key = _key(version)
        if key in self._predictors:
            self._predictors.move_to_end(key)
        return self._predictors.get(key)

    def make_room(self, version: ModelVersion, beside: ModelVersion | None = None) -> bool:
        """Evict the least recently used models until this one can be loaded; gives whether there is room for it.

        Args:
            beside: a version that is not evicted, if it is loaded.
        """
        keep = 1 if beside and self.find(beside) else 0
        self._evict(self._limit_bytes - loading_bytes(version), keep)
        return not keep or self.size_bytes <= self._limit_bytes - loading_bytes(version)

    def fits_beside(self, predictor: Predictor, beside: ModelVersion) -> bool:
        """Whether a predictor and that of another version are within the limit together."""
        other = self.find(beside)
        return other is None or other.size_bytes + predictor.size_bytes <= self._limit_bytes

    def add(self, version: ModelVersion, predictor: Predictor) -> None:
        """Add a predictor; evicts the least recently used ones if necessary."""
        self._predictors[_key(version)] = predictor
        self.keep_within_limit()

    def keep_within_limit(self) -> None:
        """Evict the least recently used predictors if some have grown; the newest stays."""
        self._evict(self._limit_bytes, keep=1)

    def evict_all(self, *, keep: int = 0) -> bool:
        """Evict all models but the `keep` most recently used; gives whether there were any."""
        return self._evict(0, keep)

    def _evict(self, limit_bytes: int, keep: int) -> bool:
        evicted = False
        while len(self._predictors) > keep and self.size_bytes > limit_bytes:
            self._predictors.popitem(last=False)
            evicted = True
        if evicted:
            collect()
        return evicted


def loading_bytes(version: ModelVersion) -> int:
    """The approximate memory for loading a version."""
    return _LOADING_COPIES * _WEIGHT_BYTES * version.parameters


def _key(version: ModelVersion) -> tuple[str, datetime]:
    return version.ref, version.created_at
