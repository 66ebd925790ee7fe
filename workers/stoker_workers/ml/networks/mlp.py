"""Dense networks."""

import keras

from stoker.kinds import MLP

from .layers import applied, batch_norm, dropout, penalty


def mlp_layers(spec: MLP, input_shape: tuple[int, ...]) -> list[keras.layers.Layer]:
    """The hidden layers of a network that is not residual."""
    flatten = [keras.layers.Flatten()] if len(input_shape) > 1 else []
    return [*flatten, *(layer for size in spec.hidden for layer in _block(size, spec))]


def mlp(spec: MLP, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """The last hidden layer's output, of a row's (rows, numbers)."""
    for size in spec.hidden:
        hidden = applied(_block(size, spec), tensor)
        if not spec.residual:
            tensor = hidden
            continue
        if tensor.shape[-1] != size:
            tensor = keras.layers.Dense(size, use_bias=False, kernel_regularizer=penalty(spec))(tensor)
        tensor = keras.layers.Add()([tensor, hidden])
    return tensor


def _block(size: int, spec: MLP) -> list[keras.layers.Layer]:
    """One hidden layer."""
    if spec.norm is None:
        dense = keras.layers.Dense(size, activation=spec.activation, kernel_regularizer=penalty(spec))
        return [dense, *dropout(spec)]
    norm = batch_norm() if spec.norm == "batch" else keras.layers.LayerNormalization()
    # Batch norm takes any bias away again.
    dense = keras.layers.Dense(size, use_bias=spec.norm != "batch", kernel_regularizer=penalty(spec))
    return [dense, norm, keras.layers.Activation(spec.activation), *dropout(spec)]
