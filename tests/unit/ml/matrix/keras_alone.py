"""What a saved model says of raw rows in Keras alone: the other half of the test matrix, which imports nothing of ours.

The tensors are made here as the documentation of signatures tells, from a case's own values, not from its files.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

MISSING_CATEGORY = "\ue001"
MISSING_TIME = np.iinfo(np.int64).min


def answers(file: Path, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of a .keras file, by name; "" is the only one's."""
    model = keras.models.load_model(file, safe_mode=True)
    given = {name: tf.constant(values) for name, values in tensors.items()}
    if len(given) == 1:
        [given] = given.values()
    outputs = model(given, training=False)
    return {name: each.numpy() for name, each in (outputs if isinstance(outputs, dict) else {"": outputs}).items()}


def tensor(spec: Any, columns: Mapping[str, list[Any]]) -> Any:
    """One input of a model, by its spec in the manifest."""
    names = spec.columns or (spec.name,)
    if spec.kind in ("number", "boolean", "category", "time") or (spec.kind is None and not spec.shape):
        parts = [[_scalar(spec.kind, value) for value in columns[name]] for name in names]
        stacked = np.array(parts, dtype=_DTYPES.get(spec.kind, spec.dtype)).T
        return stacked if spec.shape else stacked[:, 0]
    values = columns[names[0]]
    if spec.kind == "text" or spec.dtype == "string":
        return np.array([value or "" for value in values], dtype=object)
    if spec.kind in ("tokens", "sequence") and len(spec.shape) == 1:
        filled = np.full((len(values), spec.shape[0]), 0 if spec.kind == "tokens" else np.nan)
        for row, value in enumerate(values):
            cut = (value or [])[: spec.shape[0]]
            filled[row, : len(cut)] = cut
        return filled.astype(spec.dtype)
    gap = np.full(spec.shape, np.nan)
    return np.array([gap if value is None else value for value in values]).astype(spec.dtype)


def windows(values: list[list[float | None]], starts: list[int], length: int) -> Any:
    """Windows of channels, of which each carries its last value over gaps."""
    carried = np.array(values, dtype=float).T
    for row in range(1, len(carried)):
        carried[row] = np.where(np.isnan(carried[row]), carried[row - 1], carried[row])
    return np.stack([carried[start : start + length] for start in starts])


_DTYPES = {"category": object, "time": np.int64}


def _scalar(kind: str | None, value: Any) -> Any:
    match kind:
        case "category":
            return MISSING_CATEGORY if value is None else str(value)
        case "time":
            return MISSING_TIME if value is None else _microseconds(value)
    return np.nan if value is None else float(value)


def _microseconds(moment: datetime) -> int:
    seconds = moment.replace(tzinfo=UTC).timestamp()
    return round(seconds) * 1_000_000


def likelihoods(outputs: Any, classes: int) -> Any:
    """Probabilities of two classes or more from what a network gives for them."""
    return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 and classes == 2 else outputs
