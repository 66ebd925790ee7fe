"""The input tensors of a model, from the columns that it reads."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stoker.errors import InvalidJob
from stoker.models.columns import Scaling
from stoker.models.data import ColumnKind, listed
from stoker.models.signature import TensorSpec

from ..columns.content import time_range
from ..columns.stats import ColumnStats

_SHARED: dict[ColumnKind, tuple[str, str]] = {
    "number": ("features", "float32"),
    "boolean": ("booleans", "float32"),
    "category": ("categories", "string"),
    "time": ("times", "int64"),
}
"""Kinds of which all columns share a tensor: its name and dtype."""
# Above this ratio of a column's mean to its spread, float32 would round away more than a thousandth of the spread.
_LARGEST_OFFSET = 1e4
LONGEST_LIST = 512
"""Entries of a list that are read; those behind them are not."""


@dataclass(frozen=True)
class Feature:
    """A column that the model reads.

    Attributes:
        why: the reason for its kind, in words.
        stats: of the training rows.
        warning: what else it may be, and which setting says so; None if nothing.
        scaling: of plain numbers.
    """

    kind: ColumnKind
    why: str
    stats: ColumnStats
    warning: str | None = None
    scaling: Scaling = "standard"


def input_tensors(features: Mapping[str, Feature], limits: Mapping[str, tuple[float, float]]) -> tuple[TensorSpec, ...]:
    """The tensors that columns become: one for all numbers, one for all categories, …, one for each array or text.

    Args:
        limits: the least and the most that columns of numbers may be in predictions.

    Raises:
        InvalidJob: a limit's column holds no numbers.
    """
    specs = []
    for kind, (name, dtype) in _SHARED.items():
        columns = {
            column: feature for column, feature in features.items() if _is_plain(feature) and feature.kind == kind
        }
        if columns:
            specs.append(_shared(kind, name, dtype, columns))
    sole = len(features) == 1
    for column, feature in features.items():
        if not _is_plain(feature):
            specs.append(_single(column, feature, "" if sole else free_name(column, feature.kind, specs)))
    return _limited(tuple(specs), limits)


def _is_plain(feature: Feature) -> bool:
    return feature.kind in _SHARED and not feature.stats.column.shape


def free_name(column: str, kind: ColumnKind, others: Sequence[TensorSpec]) -> str:
    """A name for a column's tensor that Keras takes, and that no other tensor and no layer has."""
    name = f"{kind}_{re.sub(r'[^A-Za-z0-9]+', '_', column).strip('_')}"
    while any(name == spec.name for spec in others):
        name += "_"
    return name


def _shared(kind: ColumnKind, name: str, dtype: str, features: Mapping[str, Feature]) -> TensorSpec:
    low = high = None
    if kind in ("number", "boolean") and all(feature.stats.present for feature in features.values()):
        low = min(feature.stats.moments.low for feature in features.values()) if kind == "number" else 0.0
        high = max(feature.stats.moments.high for feature in features.values()) if kind == "number" else 1.0
    if kind == "number" and any(_needs_float64(feature.stats) for feature in features.values()):
        dtype = "float64"
    if kind == "time":
        ranges = [time_range(feature.stats) for feature in features.values() if feature.stats.present]
        low = min((first for first, _ in ranges), default=None)
        high = max((last for _, last in ranges), default=None)
    return TensorSpec(
        name=name,
        shape=(len(features),),
        dtype=dtype,
        low=low,
        high=high,
        kind=kind,
        gaps=True,
        columns=tuple(features),
    )


def _single(column: str, feature: Feature, name: str) -> TensorSpec:
    """The tensor of one column; the only one of a model has the column's name and no kind, if it is an array."""
    stats, shape = feature.stats, feature.stats.column.shape
    named: dict[str, Any] = {"name": name, "columns": (column,)} if name else {"name": column}
    if feature.kind in ("text", "tags"):
        return TensorSpec(**named, dtype="string", kind=feature.kind, gaps=True)
    low, high = stats.moments.low, stats.moments.high
    length = shape[0] if shape else min(max(int(stats.lengths.high), 1), LONGEST_LIST) if stats.present else 1
    if feature.kind == "sequence" and not shape:
        return TensorSpec(**named, shape=(length,), dtype="float32", low=low, high=high, kind="sequence", gaps=True)
    if feature.kind == "tokens":
        return TensorSpec(**named, shape=(length,), dtype="int32", low=0, high=high, kind="tokens")
    if stats.column.role == "picture":
        return TensorSpec(**named, shape=shape, dtype="uint8", low=0, high=255, kind="image")
    dtype = "float64" if _needs_float64(stats) else "float32"
    kind = feature.kind if name else None
    return TensorSpec(**named, shape=shape, dtype=dtype, low=low, high=high, kind=kind, gaps=stats.missing > 0)


def _needs_float64(stats: ColumnStats) -> bool:
    spread = np.sqrt(stats.moments.variance)
    return bool((np.abs(stats.moments.mean) > _LARGEST_OFFSET * spread)[spread > 0].any())


def _limited(specs: tuple[TensorSpec, ...], limits: Mapping[str, tuple[float, float]]) -> tuple[TensorSpec, ...]:
    """The tensors with their limits."""
    numeric = [name for spec in specs if spec.kind in (None, "number") for name in (spec.columns or (spec.name,))]
    for name in limits:
        if name not in numeric:
            raise InvalidJob(
                f"limits names {name!r}, which is no column of numbers to learn from; there are {listed(numeric)}"
            )
    return tuple(
        spec.model_copy(
            update={"limits": {name: limits[name] for name in spec.columns or (spec.name,) if name in limits}}
        )
        for spec in specs
    )
