"""A linear model beside a dense network."""

import keras
from keras import ops

from stoker.errors import InvalidJob
from stoker.kinds import WideAndDeep
from stoker.models.data import listed

from ..preprocessing.parts import Codes
from .layers import applied, dense_layers, penalty
from .row import Row, joined, table

# An odd multiplier spreads neighbouring codes over the buckets (Knuth's multiplicative hash).
_SPREAD = 2_654_435_761
_LARGEST = 2**31 - 1


def wide_and_deep(spec: WideAndDeep, row: Row, units: int) -> keras.KerasTensor:
    """The sum of both parts for each output unit, without the activation.

    Raises:
        InvalidJob: a cross names something else than a column of categories.
    """
    deep = applied(dense_layers(spec.hidden, spec), joined(table(row)))
    outputs = [keras.layers.Dense(units, kernel_regularizer=penalty(spec))(deep)]
    if row.numbers is not None:
        outputs.append(keras.layers.Dense(units, use_bias=False, kernel_regularizer=penalty(spec))(row.numbers))
    outputs += [_weights(spec, codes.count, ids[:, 0], units) for codes, ids in row.categories]
    outputs += [_cross(spec, names, row, units) for names in spec.crosses]
    return keras.layers.Add()(outputs) if len(outputs) > 1 else outputs[0]


def _weights(spec: WideAndDeep, count: int, ids: keras.KerasTensor, units: int) -> keras.KerasTensor:
    """A weight for each code and output unit: what a linear layer on one-hot columns would give."""
    return keras.layers.Embedding(count, units, embeddings_initializer="zeros", embeddings_regularizer=penalty(spec))(
        ids
    )


def _cross(spec: WideAndDeep, names: tuple[str, ...], row: Row, units: int) -> keras.KerasTensor:
    """A weight for each combination of some columns' categories; where there are too many, for each bucket of them."""
    columns: dict[str, tuple[Codes, keras.KerasTensor]] = {codes.column: (codes, ids) for codes, ids in row.categories}
    if unknown := [name for name in names if name not in columns]:
        raise InvalidJob(
            f"crosses names {unknown[0]!r}, which is no column of categories; there are {listed(list(columns))}: "
            f'columns={{{unknown[0]!r}: "category"}} makes it one'
        )
    count, key = 1, None
    for codes, ids in (columns[name] for name in names):
        code = ops.cast(ids[:, 0], "int64")
        key = code if key is None else key * codes.count + code
        count *= codes.count
        if count > spec.buckets:
            # What stays below 2³¹ times the multiplier stays below 2⁶³.
            key = ops.mod(ops.mod(key, _LARGEST) * _SPREAD % _LARGEST, spec.buckets)
            count = spec.buckets
    return _weights(spec, count, ops.cast(key, "int32"), units)
