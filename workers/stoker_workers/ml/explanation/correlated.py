"""Columns that say nearly the same, and so share their importance."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from stoker.models.rows import MISSING_TIME
from stoker.models.signature import Signature
from stoker.models.tensors import Array

from ..data.source import Floats
from .features import Feature

STRONG = 0.8
"""Rank correlation from which on two columns are named; of two columns of categories, Cramér's V."""
MOST_PAIRS = 10
_MOST_CATEGORIES = 50
_LEAST_ROWS = 20


def correlated(
    tensors: Mapping[str, Array], features: Sequence[Feature], signature: Signature
) -> list[tuple[str, str, float]]:
    """The pairs of columns that are strongly correlated, the strongest first."""
    rows = len(next(iter(tensors.values())))
    if rows < _LEAST_ROWS:
        return []
    kinds = {spec.name: spec for spec in signature.inputs}
    numbers: dict[str, Floats] = {}
    categories: dict[str, Array] = {}
    for feature in features:
        spec = kinds[feature.tensor]
        values = tensors[feature.tensor] if feature.place is None else tensors[feature.tensor][..., feature.place]
        if values.ndim > 1:
            continue
        if spec.dtype != "string":
            numbers[feature.name] = _known(values, is_time=spec.kind == "time")
        elif spec.kind == "category":
            categories[feature.name] = np.unique(values.astype(str), return_inverse=True)[1]
    pairs = [*_of_numbers(numbers), *_of_categories(categories)]
    return sorted(pairs, key=lambda pair: -abs(pair[2]))


def correlation_warning(pairs: Sequence[tuple[str, str, float]]) -> str:
    """What strong correlations mean for importance."""
    shown = ", ".join(f"{one!r} and {other!r} ({share:.2f})" for one, other, share in pairs[:MOST_PAIRS])
    more = f" and {len(pairs) - MOST_PAIRS} more pairs" if len(pairs) > MOST_PAIRS else ""
    return (
        f"columns that say nearly the same share their importance, so that each seems to matter less than both do: "
        f"{shown}{more}"
    )


def _known(values: Array, *, is_time: bool) -> Floats:
    """Numbers with NaN for what is missing."""
    if is_time:
        return np.where(values == MISSING_TIME, np.nan, values.astype(np.float64))
    return values.astype(np.float64)


def _of_numbers(columns: Mapping[str, Floats]) -> Iterator[tuple[str, str, float]]:
    """By rank: so one column may also be any monotone function of the other."""
    names = list(columns)
    ranks = [_ranked(values) for values in columns.values()]
    if len(ranks) < 2:
        return
    matrix = np.stack(ranks)
    lengths = np.sqrt((matrix**2).sum(axis=1))
    matrix = matrix / np.where(lengths, lengths, 1)[:, None]
    found = matrix @ matrix.T
    for one, other in zip(*np.nonzero(np.triu(np.abs(found) >= STRONG, 1)), strict=True):
        yield names[one], names[other], float(found[one, other])


def _ranked(values: Floats) -> Floats:
    """Ranks around 0, those of equal values alike; 0 for missing ones."""
    known = ~np.isnan(values)
    ranks = np.zeros(len(values))
    if known.any():
        _, places, counts = np.unique(values[known], return_inverse=True, return_counts=True)
        middles = np.cumsum(counts) - (counts - 1) / 2
        ranks[known] = middles[places] - middles[places].mean()
    return ranks


def _of_categories(columns: Mapping[str, Array]) -> Iterator[tuple[str, str, float]]:
    few = {name: codes for name, codes in columns.items() if 1 < codes.max() + 1 <= _MOST_CATEGORIES}
    names = list(few)
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            share = _cramers_v(few[one], few[other])
            if share >= STRONG:
                yield one, other, share


def _cramers_v(one: Array, other: Array) -> float:
    """Cramér's V (1946), from 0 for independent columns to 1 where one tells the other."""
    sizes = int(one.max()) + 1, int(other.max()) + 1
    counts = np.bincount(one * sizes[1] + other, minlength=sizes[0] * sizes[1]).reshape(sizes).astype(np.float64)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / counts.sum()
    squared = (np.divide((counts - expected) ** 2, expected, where=expected > 0, out=np.zeros(sizes))).sum()
    return float(np.sqrt(squared / counts.sum() / (min(sizes) - 1)))
