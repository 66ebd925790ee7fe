"""Training and validation rows: encoded and preprocessed once if they fit into memory, else on every pass."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from stoker.models.manifest import Signature
from stoker.models.rows import encode as encode_inputs
from stoker.models.tensors import Array

from ..data import Source, Values
from ..preprocessing.layers import Preprocessing
from ..preprocessing.split import Mask
from ..preprocessing.target import EncodedTarget, encode_target, has_target
from .objective import Objective
from .rows import Choose, Encode, EncodedRows, ResidentRows, StreamedRows, encoded_pieces

RESIDENT_BYTES = 1 << 30
"""Preprocessed rows up to this size stay in memory; more are streamed."""


def encoder(signature: Signature, target: str, preprocessing: Preprocessing, objective: Objective) -> Encode:
    """A function from raw columns to the network's inputs and targets, of the rows that have a target."""

    def encode(columns: dict[str, Values], numbering: NDArray[np.intp]) -> tuple[Array, EncodedTarget]:
        there = has_target(columns[target])
        if not there.all():
            columns = {name: values[there] for name, values in columns.items()}
            numbering = numbering[there]
        x = preprocessing(encode_inputs(signature.inputs, columns, numbering))
        return x, objective.target(encode_target(signature, columns[target], numbering))

    return encode


def build_rows(
    source: Source, chosen: Choose, encode: Encode, *, count: int | None, row_shape: tuple[int, ...], batch_size: int
) -> EncodedRows:
    """The chosen rows of a source.

    Args:
        count: their number; None if unknown.
        row_shape: the shape of one preprocessed row.
        batch_size: rows per gradient step.
    """
    if count is None or count * prod(row_shape) * 4 > RESIDENT_BYTES:
        return StreamedRows(source, chosen, encode, batch_size)
    pieces = list(encoded_pieces(source, chosen, encode))
    if len(pieces) == 1:
        return ResidentRows(pieces[0]["x"], pieces[0]["y"])
    return ResidentRows(*(np.concatenate([piece[name] for piece in pieces]) for name in ("x", "y")))


def every_row(start: int, stop: int) -> Mask:
    """Chooses all rows."""
    return np.ones(stop - start, dtype=bool)
