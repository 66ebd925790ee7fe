"""Which rows are held out: a share, or one of several folds; at random, by strata, groups or time."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stoker.kinds import Train

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Part:
    """What is to be held out: a share of the rows, or, of `folds` equal parts, the one that `fold` numbers from 0."""

    share: float
    fold: int = 0
    folds: int = 0

    @classmethod
    def of(cls, spec: Train) -> Self:
        """What a job holds out."""
        is_fold = spec.fold is not None and spec.folds is not None
        return cls(0, spec.fold or 0, spec.folds or 0) if is_fold else cls(spec.validation_split)

    @property
    def words(self) -> str:
        """Which fold it is, as the beginning of a sentence; nothing for a share."""
        return f"fold {self.fold} of {self.folds}, counted from 0: " if self.folds else ""

    @property
    def low(self) -> float:
        """The share of the rows before this part."""
        return self.fold / self.folds if self.folds else 0.0

    @property
    def high(self) -> float:
        """The share of the rows before this part and in it."""
        return (self.fold + 1) / self.folds if self.folds else self.share


def by_chance(rows: int, part: Part, seed: int) -> Rows:
    """Rows at random; of a share, at least one, and never all."""
    if not part.high or rows < 2:
        return np.empty(0, dtype=np.intp)
    order = np.random.default_rng(seed).permutation(rows)
    if part.folds:
        return order[part.fold :: part.folds]
    return order[: min(max(round(rows * part.share), 1), rows - 1)]


def by_strata(codes: Rows, part: Part, seed: int) -> Rows:
    """Rows of which each stratum has the same share, up to one row.

    Rows that are the only one of their stratum are not held out but by a fold, for nobody learns what is never shown.

    Args:
        codes: the stratum of each row; below 0 for rows that are not to be held out.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(codes))
    order = order[codes[order] >= 0]
    if not part.folds:
        order = order[np.bincount(codes[order])[codes[order]] > 1] if len(order) else order
    order = order[np.argsort(codes[order], kind="stable")]
    if part.folds:
        return order[part.fold :: part.folds]
    count = min(max(round(len(order) * part.share), 1), len(order) - 1)
    if count < 1:
        return order[:0]
    # One row of every so many, beginning anywhere among the first ones.
    return order[((np.arange(count) + random.random()) * len(order) / count).astype(np.intp)]


def by_group(codes: Rows, part: Part, seed: int) -> Rows:
    """Whole groups, which have about the share of the rows.

    Args:
        codes: the group of each row, from 0 on without a gap; at least two, and as many as folds.
    """
    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(len(sizes))
    if part.folds:
        # The largest first, each to the fold with the fewest rows yet.
        fold_of, rows = np.empty(len(sizes), dtype=np.intp), np.zeros(part.folds)
        for group in order[np.argsort(-sizes[order], kind="stable")]:
            fold_of[group] = rows.argmin()
            rows[fold_of[group]] += sizes[group]
        return np.flatnonzero(fold_of[codes] == part.fold)
    after = np.cumsum(sizes[order])[:-1]
    count = int(np.abs(after - len(codes) * part.share).argmin()) + 1
    return np.flatnonzero(np.isin(codes, order[:count]))


def by_time(times: NDArray[np.float64], part: Part) -> tuple[float, float | None] | None:
    """From when on rows are held out, and from when on they are left out (None for none), where there are enough times.

    The newest share is held out. Of folds, each is trained on all that is older: the first of one part more than there
    are folds is only trained on.

    Args:
        times: of the rows, none of them missing.
    """
    places = [part.share] if not part.folds else [1 - number / (part.folds + 1) for number in range(1, part.folds + 1)]
    distinct, counts = np.unique(times, return_counts=True)
    before = np.cumsum(counts)[:-1]
    if len(before) < len(places):
        return None
    edges = [float(distinct[1:][np.abs(before - len(times) * (1 - place)).argmin()]) for place in places]
    if len(set(edges)) < len(edges):
        return None
    return edges[part.fold], edges[part.fold + 1] if part.fold + 1 < len(edges) else None
