"""Training and validation rows: encoded and preprocessed once if they fit into memory, else on every pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stoker.models.rows import encode as encode_inputs
from stoker.models.signature import Signature

from ..data import Source, Values
from ..data.source import Mask, rows_of
from ..preprocessing.layers import Preprocessing
from ..preprocessing.split import Split
from ..preprocessing.target import encode_target, truth_columns, with_target
from ..preprocessing.weights import row_weights
from .objective import Objective
from .rows import (
    WEIGHT,
    Choose,
    Encode,
    EncodedRows,
    ResidentRows,
    Rows,
    StreamedRows,
    encoded_pieces,
    input_key,
    target_key,
)

RESIDENT_BYTES = 512 << 20
"""Preprocessed rows up to this size stay in memory; more are streamed."""


@dataclass(frozen=True)
class Weighting:
    """The column with the weights of rows, and what they are divided by: their mean in the training rows."""

    column: str
    mean: float


def encoder(
    signature: Signature,
    preprocessing: Preprocessing,
    objectives: Sequence[Objective],
    weighting: Weighting | None = None,
) -> Encode:
    """A function from raw columns to what a training step takes, of the rows that have a target."""
    names = truth_columns(signature)

    def encode(columns: dict[str, Values], numbering: NDArray[np.intp]) -> Rows:
        there = with_target(columns, names)
        if not there.all():
            columns = {name: values[there] for name, values in columns.items()}
            numbering = numbering[there]
        inputs = preprocessing(encode_inputs(signature.inputs, columns, numbering))
        rows: Rows = {input_key(place): tensor for place, tensor in enumerate(inputs)}
        for place, (part, objective) in enumerate(zip(signature.each.values(), objectives, strict=True)):
            rows[target_key(place)] = objective.encoded(encode_target(part, columns, numbering))
        if weighting:
            rows[WEIGHT] = row_weights(columns[weighting.column], weighting.column, numbering) / weighting.mean
        return rows

    return encode


def build_rows(
    source: Source, chosen: Choose, encode: Encode, *, count: int | None, row_bytes: int, batch_size: int
) -> EncodedRows:
    """The chosen rows of a source.

    Args:
        count: their number; None if unknown.
        row_bytes: the size of one preprocessed row.
        batch_size: rows per gradient step.
    """
    if count is None or count * row_bytes > RESIDENT_BYTES:
        return StreamedRows(source, chosen, encode, batch_size)
    return ResidentRows(encoded_pieces(source, chosen, encode), count)


def every_row(batch: Mapping[str, Values], first: int) -> Mask:  # noqa: ARG001  # it is a `Choose`
    """Chooses all rows."""
    return np.ones(rows_of(batch), dtype=bool)


def on_side(split: Split, side: int) -> Choose:
    """Chooses the rows of one side."""
    return lambda batch, first: split.sides(batch, first) == side
