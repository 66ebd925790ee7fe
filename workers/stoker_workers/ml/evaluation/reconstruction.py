"""How well a model gives its input back."""

import numpy as np

from stoker.kinds import Accuracy
from stoker.models.tensors import Array

from ..data.source import Floats, Ints
from . import regression
from .quality import Quality
from .stability import Scored, counted


class ReconstructionTally:
    """Counts the errors of reconstructed numbers; missing ones do not count.

    Args:
        columns: the names of a row's numbers, which have figures each; those of arrays count together.
        spreads: in which the error is measured, of each number or of all.
    """

    def __init__(self, columns: tuple[str, ...], spreads: tuple[float, ...]) -> None:
        self._columns = columns
        self._spreads = np.array(spreads)
        self._centre: Floats | None = None
        self._rows: list[Floats] = []

    def add(self, truth: Array, outputs: Array) -> None:
        self._rows.append(self._by_row(truth, outputs))

    def quality(self) -> Quality:
        rows = np.concatenate(self._rows)
        total = rows.sum(axis=0)
        figures = _metrics(total)

        def metrics(counts: Ints) -> dict[str, float]:
            return _metrics(counted(counts, rows))

        errors: Floats = rows[:, :, 5].sum(axis=1) / np.maximum(rows[:, :, 0].sum(axis=1), 1)
        each = {
            name: Accuracy(metrics=_metrics(total[at : at + 1]))
            for at, name in enumerate(self._columns)
            if total[at, 0]
        }
        return Quality(
            accuracy=Accuracy(metrics={"loss": figures["error"], **figures}, outputs=each),
            scored=Scored(np.arange(len(rows)), metrics, {"error": errors}),
        )

    def sums(self, truth: Array, outputs: Array) -> Floats:
        total: Floats = self._by_row(truth, outputs).sum(axis=0)
        return total

    def score(self, sums: Floats) -> float:
        return _metrics(sums)["r2"]

    def _by_row(self, truth: Array, outputs: Array) -> Floats:
        """(rows, columns, 6): what `regression.error_sums` gives, and the squared error in spreads; 0 where missing."""
        true, given = (values.reshape(len(values), -1).astype(np.float64) for values in (truth, outputs))
        known = ~np.isnan(true)
        if self._centre is None:  # any number near the mean will do
            self._centre = np.where(known, true, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            if not self._columns:
                self._centre = np.full(true.shape[1], self._centre.mean())
        filled = np.where(known, true, given)
        sums = regression.error_sums(filled, given, self._centre)
        sums = np.concatenate([sums, (sums[..., 1] / self._spreads**2)[..., None]], axis=-1) * known[..., None]
        return sums if self._columns else sums.sum(axis=1, keepdims=True)


def _metrics(sums: Floats) -> dict[str, float]:
    """The error in spreads, and the usual figures, averaged over the columns that have numbers."""
    there = sums[sums[:, 0] > 0]
    return {"error": float((there[:, 5] / there[:, 0]).mean()), **regression.metrics(there[:, :5])}
