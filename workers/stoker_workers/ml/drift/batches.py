"""Batches of sampled rows as bytes: how many rows, then their columns as tensors."""

import struct
from collections.abc import Iterable, Mapping

import numpy as np

from stoker.errors import InvalidJob
from stoker.models.tensors import decode_tensors, encode_tensors

from .reference import Values

LATENCY = "(latency, s)"
"""The column with how long the batch took that a row was computed in."""
_ROWS = struct.Struct("<I")


def encoded(columns: Mapping[str, Values]) -> bytes:
    """The bytes of some rows. A category keeps its first 64 characters; what is missing is an empty text."""
    rows = len(next(iter(columns.values())))
    return _ROWS.pack(rows) + encode_tensors({name: _as_tensor(values) for name, values in columns.items()})


def joined(batches: Iterable[bytes], most: int) -> dict[str, Values]:
    """The columns of the first rows of several batches; one that cannot be read is left out."""
    read = [columns for batch in batches if (columns := _decoded(batch))]
    if not read:
        return {}
    names = [name for name in read[0] if all(name in columns for columns in read)]
    return {name: np.concatenate([columns[name] for columns in read])[:most] for name in names}


def _decoded(batch: bytes) -> dict[str, Values]:
    try:
        tensors = decode_tensors(batch[_ROWS.size :])
    except InvalidJob:  # something else has written there
        return {}
    if not isinstance(tensors, Mapping):
        return {}
    return {name: _as_values(array) for name, array in tensors.items()}


def _as_tensor(values: Values) -> Values:
    if values.dtype.kind != "O":
        return values.astype(np.float32)
    return np.array(["" if value is None else f"={value}" for value in values], dtype=np.str_)


def _as_values(array: Values) -> Values:
    if array.dtype.kind != "U":
        return array.astype(np.float64)
    return np.array([text[1:] if text else None for text in array.tolist()], dtype=object)
