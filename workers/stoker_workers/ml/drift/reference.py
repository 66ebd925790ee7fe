"""What windows are held against: the values of each column in the reference, and how far chance leads from them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stoker.models.described import Described

from ..data.source import Floats

Values = NDArray[Any]
"""One column: numbers with NaN, or objects with None, for what is missing."""

# Windows drawn from the reference, of which one in a thousand is above the limit.
_DRAWS = 2000
_LIMIT = 0.999
# As many points of a distribution are kept and compared as show a shift of a fiftieth of its spread.
_POINTS = 2000
_MOST_CATEGORIES = 50
# A category of fewer rows is one of the rare ones, and so is one that was never seen.
_RARE_ROWS = 5
RARE = "(rare or unseen)"


class NumberReference(Described):
    """A column of numbers.

    Attributes:
        rows: how many of the reference's rows have a value.
        missing: the share of rows that have none.
        points: the sorted values, thinned out to 2,000.
        spread: their standard deviation, or what stands for it where all are equal.
        limit: how far windows of `size` rows are from it by chance, in spreads, once in a thousand times.
        missing_limit: likewise, by how much the share of missing values differs.
    """

    kind: Literal["number"] = "number"
    rows: int
    missing: float
    points: tuple[float, ...]
    spread: float
    limit: float
    missing_limit: float


class CategoryReference(Described):
    """A column of categories: see `NumberReference`.

    Attributes:
        shares: of each category the share of the rows that have one; those that few rows have are one.
        limit: by how much the share of any of them differs by chance, once in a thousand windows.
    """

    kind: Literal["category"] = "category"
    rows: int
    missing: float
    shares: dict[str, float]
    limit: float
    missing_limit: float


ColumnReference = Annotated[NumberReference | CategoryReference, Field(discriminator="kind")]


class Reference(Described):
    """All columns, for windows of one size.

    Attributes:
        size: rows of a window.
        rows: rows of the reference.
        columns: by name, the predictions first.
    """

    size: int
    rows: int
    columns: dict[str, ColumnReference]


def reference_of(columns: Mapping[str, Values], size: int, seed: int = 0) -> Reference:
    """Describe the reference, and draw the limits of windows of `size` rows from it."""
    rng = np.random.default_rng(seed)
    rows = len(next(iter(columns.values())))
    return Reference(size=size, rows=rows, columns={name: _column(each, size, rng) for name, each in columns.items()})


def _column(values: Values, size: int, rng: np.random.Generator) -> NumberReference | CategoryReference:
    known = values[~is_missing(values)]
    missing = 1 - len(known) / max(len(values), 1)
    missing_limit = _share_limit([missing, 1 - missing], size, len(values), rng)
    if values.dtype.kind == "O":
        shares = _shares(known)
        limit = _share_limit(list(shares.values()), size, len(known), rng)
        return CategoryReference(
            rows=len(known), missing=missing, shares=shares, limit=limit, missing_limit=missing_limit
        )
    points = quantiles(np.sort(known.astype(np.float64)), min(len(known), _POINTS))
    spread = float(np.std(known)) if len(known) else 0.0
    # Of a column of equal values, any other one is far away.
    spread = spread or (float(abs(points[0])) if len(points) else 0.0) or 1.0
    return NumberReference(
        rows=len(known),
        missing=missing,
        points=tuple(points.tolist()),
        spread=spread,
        limit=_distance_limit(points, spread, size, len(known), rng),
        missing_limit=missing_limit,
    )


def is_missing(values: Values) -> NDArray[np.bool_]:
    """Which of a column's values are missing."""
    if values.dtype.kind == "O":
        return np.array([value is None for value in values], dtype=bool)
    missing: NDArray[np.bool_] = ~np.isfinite(values.astype(np.float64))
    return missing


def quantiles(ordered: Floats, count: int) -> Floats:
    """So many points of a distribution, from its sorted values."""
    if not count:
        return np.zeros(0)
    places = (np.arange(count) + 0.5) / count * len(ordered) - 0.5
    return np.interp(places, np.arange(len(ordered)), ordered)


def distance(ordered: Floats, points: Floats, spread: float) -> float:
    """The Wasserstein distance of sorted values from the reference's, in spreads."""
    count = min(len(ordered), _POINTS)
    return float(np.abs(quantiles(ordered, count) - quantiles(points, count)).mean() / spread)


def counted(values: Sequence[object], shares: Mapping[str, float]) -> Floats:
    """How many values are each of the reference's categories, the rare and unseen ones as one at the end."""
    names = [name for name in shares if name != RARE]
    places = {name: at for at, name in enumerate(names)}
    found = np.array([places.get(str(value), len(names)) for value in values], dtype=np.intp)
    return np.bincount(found, minlength=len(names) + 1).astype(np.float64)


def expected(shares: Mapping[str, float]) -> Floats:
    """The shares in the order of `counted`."""
    return np.array([*(share for name, share in shares.items() if name != RARE), shares.get(RARE, 0.0)])


def _shares(known: Values) -> dict[str, float]:
    names, counts = np.unique([str(value) for value in known], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES]
    common = {str(names[at]): int(counts[at]) for at in order if counts[at] >= _RARE_ROWS}
    total = max(len(known), 1)
    return {name: count / total for name, count in common.items()} | {RARE: 1 - sum(common.values()) / total}


def _widened(limits: Floats, size: int, rows: int) -> float:
    """The reference is itself a draw: its own chance comes on top of the window's."""
    return float(np.quantile(limits, _LIMIT) * np.sqrt(1 + size / max(rows, 1)))


def _distance_limit(points: Floats, spread: float, size: int, rows: int, rng: np.random.Generator) -> float:
    """Of large windows fewer rows are drawn, and the distance shrinks by the root of their number."""
    if not len(points):
        return 0.0
    drawn = min(size, _POINTS)
    against = quantiles(points, drawn)
    distances = np.empty(_DRAWS)
    for start in range(0, _DRAWS, 100):
        draws = np.sort(points[rng.integers(0, len(points), (100, drawn))], axis=1)
        distances[start : start + 100] = np.abs(draws - against).mean(axis=1) / spread
    return _widened(distances, size, rows) * float(np.sqrt(drawn / size))


def _share_limit(shares: Sequence[float], size: int, rows: int, rng: np.random.Generator) -> float:
    wanted = np.clip(np.array(shares, dtype=np.float64), 0, 1)
    wanted = wanted / wanted.sum() if wanted.sum() else np.full(len(wanted), 1 / max(len(wanted), 1))
    drawn = rng.multinomial(size, wanted, _DRAWS) / size
    return _widened(np.abs(drawn - wanted).max(axis=1), size, rows)
