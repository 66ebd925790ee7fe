"""Dense networks."""

import keras

from stoker.kinds import MLP

from .layers import dense_layers


def mlp_layers(spec: MLP, input_shape: tuple[int, ...]) -> list[keras.layers.Layer]:
    """The hidden layers."""
    flatten = [keras.layers.Flatten()] if len(input_shape) > 1 else []
    return [*flatten, *dense_layers(spec.hidden, spec)]
