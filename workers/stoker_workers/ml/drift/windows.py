"""The test of one window against the reference."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy.stats import chi2, kstwobign

from stoker.models.described import Described

from ..data.source import Floats
from .reference import (
    CategoryReference,
    ColumnReference,
    NumberReference,
    Reference,
    Values,
    counted,
    distance,
    expected,
    is_missing,
)

# The chance that anything of a window is taken for different although nothing is; two windows running must be.
_ALPHA = 0.05
# What fewer values than these say of a column is not asked.
_FEWEST = 20
# The least number of rows that are to be expected in a bin of a chi-squared test.
_FEWEST_EXPECTED = 5.0
_BINS = 10


class ColumnTest(Described):
    """What was found of a column in a window.

    Attributes:
        of: "values", or "missing" where that is about the share of missing ones.
        distance: of numbers Wasserstein's, in standard deviations of the reference; of categories and of missing
            values, the largest difference of a share.
        limit: what the distance may be by chance.
        p: how likely such a window is without drift; by Kolmogorov-Smirnov, or chi-squared.
        js: Jensen-Shannon's distance, 0 to 1, to look at: nothing is decided by it.
        differs: whether it is above its limit and the floor, and passes Holm's test among all columns.
    """

    column: str
    of: Literal["values", "missing"] = "values"
    distance: float
    limit: float
    p: float
    js: float = 0.0
    differs: bool = False


def compared(
    columns: Mapping[str, Values], reference: Reference, *, floor: float = 0.1, share_floor: float = 0.05
) -> tuple[ColumnTest, ...]:
    """Hold a window against the reference.

    Args:
        columns: those that the reference has; others are left out.
        floor: the least distance of numbers that matters, in standard deviations.
        share_floor: the least difference of a share that matters.
    """
    tests = [
        test
        for name, about in reference.columns.items()
        if name in columns
        for test in _tests(name, columns[name], about)
    ]
    passed = _holm([test.p for test in tests])
    return tuple(
        test.model_copy(update={"differs": is_significant and test.distance > max(test.limit, least)})
        for test, is_significant in zip(tests, passed, strict=True)
        for least in [floor if _is_number(test, reference) else share_floor]
    )


def _is_number(test: ColumnTest, reference: Reference) -> bool:
    return test.of == "values" and reference.columns[test.column].kind == "number"


def _tests(name: str, values: Values, about: ColumnReference) -> list[ColumnTest]:
    missing = is_missing(values)
    known = values[~missing]
    tests: list[ColumnTest] = []
    share = float(missing.mean()) if len(values) else 0.0
    if share or about.missing:
        counts = np.array([missing.sum(), (~missing).sum()], dtype=np.float64)
        rows = about.rows / (1 - about.missing) if about.missing < 1 else len(values)
        p = _chi_squared(counts, np.array([about.missing, 1 - about.missing]) * rows)
        tests.append(
            ColumnTest(column=name, of="missing", distance=abs(share - about.missing), limit=about.missing_limit, p=p)
        )
    if len(known) >= _FEWEST and about.rows >= _FEWEST:
        if isinstance(about, CategoryReference):
            tests.insert(0, _of_categories(name, known, about))
        else:
            tests.insert(0, _of_numbers(name, known.astype(np.float64), about))
    return tests


def _of_numbers(name: str, known: Floats, about: NumberReference) -> ColumnTest:
    ordered, points = np.sort(known), np.array(about.points)
    edges = np.unique(np.quantile(points, np.arange(1, _BINS) / _BINS))
    ours, theirs = (np.bincount(np.searchsorted(edges, each), minlength=len(edges) + 1) for each in (ordered, points))
    return ColumnTest(
        column=name,
        distance=distance(ordered, points, about.spread),
        limit=about.limit,
        p=_kolmogorov_smirnov(ordered, points, about.rows),
        js=_jensen_shannon(ours / len(ordered), theirs / len(points)),
    )


def _of_categories(name: str, known: Values, about: CategoryReference) -> ColumnTest:
    counts, shares = counted(known.tolist(), about.shares), expected(about.shares)
    ours = counts / counts.sum()
    return ColumnTest(
        column=name,
        distance=float(np.abs(ours - shares).max()),
        limit=about.limit,
        p=_chi_squared(counts, shares * about.rows),
        js=_jensen_shannon(ours, shares),
    )


def _kolmogorov_smirnov(ordered: Floats, points: Floats, rows: int) -> float:
    """The p-value of two samples, of which the second is known by points of its distribution."""
    every = np.concatenate([ordered, points])
    ours = np.searchsorted(ordered, every, side="right") / len(ordered)
    theirs = np.searchsorted(points, every, side="right") / len(points)
    count = len(ordered) * rows / (len(ordered) + rows)
    return float(kstwobign.sf(np.abs(ours - theirs).max() * np.sqrt(count)))


def _chi_squared(ours: Floats, theirs: Floats) -> float:
    """The p-value of two rows of counts; bins that few rows are to be expected in are one."""
    share = ours.sum() / (ours.sum() + theirs.sum())
    few = (ours + theirs) * min(share, 1 - share) < _FEWEST_EXPECTED
    if few.any():
        ours, theirs = (np.append(each[~few], each[few].sum()) for each in (ours, theirs))
    totals = ours + theirs
    ours, theirs, totals = (each[totals > 0] for each in (ours, theirs, totals))
    if len(totals) < 2:
        return 1.0
    statistic = (ours - totals * share) ** 2 / (totals * share) + (theirs - totals * (1 - share)) ** 2 / (
        totals * (1 - share)
    )
    return float(chi2.sf(statistic.sum(), len(totals) - 1))


def _jensen_shannon(ours: Floats, theirs: Floats) -> float:
    between = (ours + theirs) / 2

    def divergence(shares: Floats) -> float:
        there = shares > 0
        return float((shares[there] * np.log2(shares[there] / between[there])).sum())

    return float(np.sqrt(max((divergence(ours) + divergence(theirs)) / 2, 0.0)))


def _holm(ps: Sequence[float]) -> list[bool]:
    """Which of several p-values are significant, so that the chance of one false alarm among all is bounded."""
    passed = [False] * len(ps)
    for rank, at in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        if ps[at] > _ALPHA / (len(ps) - rank):
            break
        passed[at] = True
    return passed
