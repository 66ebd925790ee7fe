"""A window drawn of the rows of a bulk prediction, evenly over all of it, however many there are."""

from collections.abc import Iterator, Mapping

import numpy as np

from stoker.models.manifest import ModelVersion
from stoker.models.tensors import Array, Outputs

from ..run import Draw
from .batches import encoded
from .columns import columns_of
from .reference import Values

_BATCH = 64


class Drawn:
    """Each row has a random key, and those with the smallest are kept."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._rng = np.random.default_rng()
        self._keys = np.zeros(0)
        self._columns: dict[str, Values] = {}

    def add(self, version: ModelVersion, inputs: Mapping[str, Array], outputs: Outputs) -> None:
        """Draw of the rows of a batch."""
        rows = len(next(iter(inputs.values())))
        keys = self._rng.random(rows)
        cutoff = self._keys[-1] if len(self._keys) >= self._draw.most else 1.0
        [kept] = np.nonzero((keys < cutoff) & (self._rng.random(rows) < self._draw.share))
        kept = kept[np.argsort(keys[kept])][: self._draw.most]
        if not len(kept):
            return
        given = {name: values[kept] for name, values in inputs.items()}
        gave = {name: each[kept] for name, each in outputs.items()} if isinstance(outputs, Mapping) else outputs[kept]
        columns = columns_of(version, given, gave, self._draw.off)
        keys = np.concatenate([self._keys, keys[kept]])
        order = np.argsort(keys)[: self._draw.most]
        before = self._columns or {name: values[:0] for name, values in columns.items()}
        self._keys = keys[order]
        self._columns = {name: np.concatenate([before[name], values])[order] for name, values in columns.items()}

    def batches(self) -> Iterator[bytes]:
        """What was drawn, as `ledger.sampling.keep` takes it."""
        # In the order of random keys: so each batch is a draw of all rows.
        for start in range(0, len(self._keys), _BATCH):
            yield encoded({name: values[start : start + _BATCH] for name, values in self._columns.items()})
