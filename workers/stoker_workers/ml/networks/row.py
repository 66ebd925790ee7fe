"""The network's tensor, taken apart: plain numbers, codes, sequences."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
from keras import ops

from ..preprocessing.categories import embedding_width
from ..preprocessing.parts import Codes, Part, Steps


@dataclass(frozen=True)
class Numbers:
    """A sequence of numbers.

    Attributes:
        steps: (rows, steps, channels).
        there: (rows, steps) booleans, False for padding; None where there is none.
    """

    steps: keras.KerasTensor
    there: keras.KerasTensor | None


@dataclass(frozen=True)
class Row:
    """What a row holds.

    Attributes:
        numbers: (rows, numbers), or None.
        categories: the codes of each column of categories, (rows, 1) of int32.
        lists: the ids of each list or text, (rows, length) of int32, 0 for padding.
        sequences: of numbers.
    """

    numbers: keras.KerasTensor | None
    categories: list[tuple[Codes, keras.KerasTensor]]
    lists: list[tuple[Codes, keras.KerasTensor]]
    sequences: list[Numbers]


def taken_apart(row: keras.KerasTensor, parts: Sequence[Part]) -> Row:
    """A row's numbers, codes and sequences."""
    if not parts:
        return Row(row, [], [], [])
    place = row.shape[-1] - sum(part.length for part in parts)
    whole = Row(row[:, :place] if place else None, [], [], [])
    for part in parts:
        places = row[:, place : place + part.length]
        match part:
            case Codes():
                (whole.lists if part.is_list else whole.categories).append((part, ops.cast(places, "int32")))
            case Steps():
                steps = keras.layers.Reshape((part.steps, part.channels + 1))(places)
                whole.sequences.append(Numbers(steps[:, :, :-1], ops.greater(steps[:, :, -1], 0.5)))
        place += part.length
    return whole


def table(row: Row, *, lists: bool = True) -> list[keras.KerasTensor]:
    """The plain numbers, and an embedding of each category.

    Args:
        lists: whether also the mean embedding of each list of ids.
    """
    tensors = [] if row.numbers is None else [row.numbers]
    tensors += [embedding(codes)(ids)[:, 0] for codes, ids in row.categories]
    if lists:
        tensors += [mean(embedding(codes)(ids), ops.not_equal(ids, 0)) for codes, ids in row.lists]
    return tensors


def embedding(codes: Codes, width: int | None = None) -> keras.layers.Embedding:
    """An embedding of codes.

    Args:
        width: None takes one that fits the number of codes.
    """
    return keras.layers.Embedding(codes.count, embedding_width(codes) if width is None else width)


def mean(vectors: keras.KerasTensor, there: keras.KerasTensor | None) -> keras.KerasTensor:
    """The mean of each row's vectors without padding; 0 where all is padding, for which Keras' pooling gives NaN."""
    if there is None:
        return ops.mean(vectors, axis=1)
    weights = ops.expand_dims(ops.cast(there, vectors.dtype), -1)
    return ops.sum(vectors * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)


def joined(tensors: list[keras.KerasTensor]) -> keras.KerasTensor:
    """Several (rows, numbers) as one."""
    return ops.concatenate(tensors, axis=-1) if len(tensors) > 1 else tensors[0]
