"""Sequences: numbers of equally many steps side by side, and which steps are padding."""

from functools import reduce

import keras
from keras import ops

from stoker.models.signature import TensorSpec

from ..columns.stats import ColumnStats
from .numbers import standardised
from .parts import Steps

Sequential = tuple[keras.KerasTensor, TensorSpec, ColumnStats]
"""A tensor of lists or arrays of numbers, with NaN for missing ones and for padding."""


def side_by_side(sequences: list[Sequential], *, normalize: bool) -> list[tuple[Steps, keras.KerasTensor]]:
    """One sequence for all columns of equally many steps; a step that none of them has is padding."""
    by_steps: dict[int, list[Sequential]] = {}
    for sequence in sequences:
        by_steps.setdefault(int(sequence[0].shape[1]), []).append(sequence)
    return [_joined(steps, group, normalize=normalize) for steps, group in by_steps.items()]


def _joined(steps: int, group: list[Sequential], *, normalize: bool) -> tuple[Steps, keras.KerasTensor]:
    channels = [
        _channels(ops.cast(standardised(tensor, spec, stats, normalize=normalize), "float32"))
        for tensor, spec, stats in group
    ]
    there = [ops.any(ops.logical_not(ops.isnan(_channels(tensor))), axis=-1) for tensor, _, _ in group]
    flag = ops.expand_dims(ops.cast(reduce(ops.logical_or, there), "float32"), -1)
    tensor = ops.concatenate([*channels, flag], axis=-1)
    columns = tuple(stats.column.name for _, _, stats in group)
    return Steps(steps, int(tensor.shape[-1]) - 1, columns), keras.layers.Flatten()(tensor)


def _channels(tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Steps of one number as steps of a list of numbers."""
    return tensor if len(tensor.shape) == 3 else ops.expand_dims(tensor, -1)
