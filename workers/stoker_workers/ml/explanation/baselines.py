"""The row from which attributions are counted: a typical one, one of which nothing is known, or zeros."""

from collections.abc import Mapping, Sequence

import numpy as np

from stoker.kinds.explanation import BaselineKind
from stoker.models.lists import MISSING_TAGS
from stoker.models.rows import MISSING_CATEGORY, MISSING_TIME
from stoker.models.signature import TensorSpec
from stoker.models.tensors import Array

_UNKNOWN_WORD = "\ue000"
"""A word that no text is meant to hold."""
WORDS: Mapping[BaselineKind, str] = {
    "mean": "the mean of each number and the commonest of other values in {rows:,} rows of {data}",
    "missing": "a row of which nothing is known: missing values, zeros where none may be missing",
    "zero": "zeros, black pixels, and missing values where there is no zero",
}


def baseline_of(
    specs: Sequence[TensorSpec],
    rows: Mapping[str, Array],
    kind: BaselineKind,
    data: Mapping[str, Array],
    words: Mapping[str, Sequence[int]],
) -> dict[str, Array]:
    """A baseline for each row.

    Args:
        rows: the tensors of the rows that are explained.
        data: those of the rows that means are taken of; used for "mean" alone.
        words: for inputs of text that become a list of words, how many words each row has: its baseline has as many
            unknown ones, so that only what they say differs.
    """
    made: dict[str, Array] = {}
    for spec in specs:
        given = rows[spec.name]
        if spec.name in words:
            made[spec.name] = np.array([" ".join([_UNKNOWN_WORD] * count) for count in words[spec.name]], dtype=object)
        elif kind == "mean" and spec.kind not in ("text", "tokens"):
            made[spec.name] = np.repeat(_typical(spec, data[spec.name])[None], len(given), axis=0)
        else:
            made[spec.name] = np.full(given.shape, _empty(spec, kind), _dtype(spec, given))
    return made


def without_gaps(specs: Sequence[TensorSpec], baseline: Mapping[str, Array]) -> dict[str, Array]:
    """A baseline with zeros for missing numbers, for models that take none."""
    numbers = {spec.name for spec in specs if spec.dtype.startswith(("float", "bfloat"))}
    return {name: np.nan_to_num(values) if name in numbers else values for name, values in baseline.items()}


def _dtype(spec: TensorSpec, given: Array) -> np.dtype[np.generic]:
    return np.dtype(object) if spec.dtype == "string" else given.dtype


def _empty(spec: TensorSpec, kind: BaselineKind) -> object:
    match spec.kind:
        case "category":
            return MISSING_CATEGORY
        case "time":
            return MISSING_TIME
        case "tags":
            return MISSING_TAGS
    if spec.dtype == "string":
        return ""
    return np.nan if kind == "missing" and spec.gaps else 0


def _typical(spec: TensorSpec, data: Array) -> Array:
    """One row: means, or the commonest values."""
    if spec.dtype == "string":
        flat = data.reshape(len(data), -1)
        commonest = [_commonest(flat[:, place]) for place in range(flat.shape[1])]
        return np.array(commonest, dtype=object).reshape(data.shape[1:])
    if spec.kind == "time":
        return np.array([_mean_time(data[:, place]) for place in range(data.shape[1])], dtype=np.int64)
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(data) if data.dtype.kind == "f" else np.ones(data.shape, bool)
        count = known.sum(axis=0)
        mean = np.where(known, data, 0).sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
    if spec.kind == "boolean":
        mean = np.round(mean)
    mean = np.where(count, mean, np.nan if spec.gaps else 0)
    # Pictures are computed as fractions; other whole numbers must stay whole.
    rounded: Array = mean if data.dtype.kind == "f" or spec.kind == "image" else np.round(mean).astype(data.dtype)
    return rounded


def _commonest(values: Array) -> str:
    found, counts = np.unique([_text(value) for value in values], return_counts=True)
    return str(found[counts.argmax()])


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _mean_time(values: Array) -> int:
    known = values[values != MISSING_TIME]
    return int(known.astype(np.float64).mean()) if len(known) else MISSING_TIME
