"""Embeddings of a row's codes: categories, and lists of ids."""

from collections.abc import Sequence

import keras
from keras import ops

from ..preprocessing.categories import Codes, embedding_width


def embedded(row: keras.KerasTensor, codes: Sequence[Codes]) -> keras.KerasTensor:
    """A row with an embedding in place of each code."""
    place = row.shape[-1] - sum(code.length for code in codes)
    parts = [row[:, :place]] if place else []
    for code in codes:
        ids = ops.cast(row[:, place : place + code.length], "int32")
        vectors = keras.layers.Embedding(code.count, embedding_width(code))(ids)
        parts.append(_mean(vectors, ids) if code.is_list else vectors[:, 0])
        place += code.length
    return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]


def _mean(vectors: keras.KerasTensor, ids: keras.KerasTensor) -> keras.KerasTensor:
    """The mean of a list's vectors, without its padding; 0 for an empty list, where Keras' pooling would give NaN."""
    there = ops.expand_dims(ops.cast(ops.not_equal(ids, 0), "float32"), -1)
    return ops.sum(vectors * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0)
