"""Encoders of sequences: from a vector for each step to one for the row, without what is padding."""

from math import ceil, log2

import keras
from keras import ops

from stoker.kinds.training.architecture import Cells

from .layers import applied, dropout, penalty
from .row import mean

_RECURRENT = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
_FEED_FORWARD = 4


def encoded(spec: Cells, steps: keras.KerasTensor, there: keras.KerasTensor | None) -> keras.KerasTensor:
    """One vector for each row.

    Args:
        steps: (rows, steps, channels).
        there: (rows, steps) booleans, False for padding; None where there is none.
    """
    match spec.cell:
        case "mean":
            return mean(steps, there)
        case "lstm" | "gru":
            return _recurrent(spec, steps, there)
        case "tcn":
            return _convolutional(spec, steps, there)
        case "transformer":
            return _transformer(spec, steps, there)


def _recurrent(spec: Cells, steps: keras.KerasTensor, there: keras.KerasTensor | None) -> keras.KerasTensor:
    """The last layer's state after the last step."""
    layers = spec.layers or 1
    for layer in range(1, layers + 1):
        cell = _RECURRENT[spec.cell](spec.units, return_sequences=layer < layers, kernel_regularizer=penalty(spec))
        steps = applied(dropout(spec), cell(steps, mask=there))
    return steps


def _convolutional(spec: Cells, steps: keras.KerasTensor, there: keras.KerasTensor | None) -> keras.KerasTensor:
    """The mean over the steps of residual causal convolutions, each twice as far apart as the one before."""
    tensor = keras.layers.Dense(spec.units, kernel_regularizer=penalty(spec))(steps)
    for layer in range(spec.layers or _reach(spec, int(steps.shape[1]))):
        convolution = keras.layers.Conv1D(
            spec.units,
            spec.kernel_size,
            padding="causal",
            dilation_rate=2**layer,
            activation=spec.activation,
            kernel_regularizer=penalty(spec),
        )
        hidden = applied([convolution, *dropout(spec)], _without_padding(tensor, there))
        tensor = keras.layers.Add()([tensor, hidden])
    return mean(tensor, there)


def _reach(spec: Cells, steps: int) -> int:
    """How many layers the last step needs to see the first one."""
    return max(ceil(log2(1 + (steps - 1) / max(spec.kernel_size - 1, 1))), 1)


def _without_padding(tensor: keras.KerasTensor, there: keras.KerasTensor | None) -> keras.KerasTensor:
    return tensor if there is None else tensor * ops.expand_dims(ops.cast(there, tensor.dtype), -1)


def _transformer(spec: Cells, steps: keras.KerasTensor, there: keras.KerasTensor | None) -> keras.KerasTensor:
    """The mean over the steps of encoder blocks with learned positions, normalised before each part."""
    tensor = keras.layers.Dense(spec.units, kernel_regularizer=penalty(spec))(steps)
    places = ops.cumsum(ops.ones_like(tensor[:, :, 0], dtype="int32"), axis=1) - 1
    tensor = keras.layers.Add()([tensor, keras.layers.Embedding(int(steps.shape[1]), spec.units)(places)])
    attended = None if there is None else ops.expand_dims(there, 1)
    for _ in range(spec.layers or 2):
        tensor = _attention(spec, tensor, attended)
    return mean(keras.layers.LayerNormalization()(tensor), there)


def _attention(spec: Cells, tensor: keras.KerasTensor, attended: keras.KerasTensor | None) -> keras.KerasTensor:
    """One encoder block."""
    attention = keras.layers.MultiHeadAttention(
        spec.heads, spec.units // spec.heads, dropout=spec.dropout, kernel_regularizer=penalty(spec)
    )
    normalised = keras.layers.LayerNormalization()(tensor)
    tensor = keras.layers.Add()([tensor, attention(normalised, normalised, attention_mask=attended)])
    feed = [
        keras.layers.LayerNormalization(),
        keras.layers.Dense(_FEED_FORWARD * spec.units, activation=spec.activation, kernel_regularizer=penalty(spec)),
        keras.layers.Dense(spec.units, kernel_regularizer=penalty(spec)),
        *dropout(spec),
    ]
    return keras.layers.Add()([tensor, applied(feed, tensor)])
