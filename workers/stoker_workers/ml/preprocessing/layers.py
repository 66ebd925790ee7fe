"""The layers before the network that turn a model's inputs into one tensor of numbers; they are saved with it."""

from typing import cast

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from .features import Inputs
from .profile import Moments, Profile

_ROWS = 65_536
"""Rows preprocessed per call, so that texts and one-hot rows of only so many are in memory at once."""


def build_preprocessing(profile: Profile, *, normalize: bool) -> keras.Model | None:
    """A model from the data's inputs to one float32 tensor; None where the single input can stay as it is.

    Numbers are centred and scaled by the training rows' mean and variance if `normalize`; text becomes one-hot, with
    a first unit for texts that training has not seen.
    """
    if not profile.categories:
        if not normalize:
            return None
        spec = profile.inputs[0]
        tensor = keras.Input(spec.shape, name=spec.name)
        return keras.Model(tensor, _normalization(profile.moments[spec.name])(tensor))
    inputs = {spec.name: keras.Input((), name=spec.name, dtype=spec.dtype) for spec in profile.inputs}
    parts = []
    for name, tensor in inputs.items():
        if name in profile.categories:
            lookup = keras.layers.StringLookup(vocabulary=list(profile.categories[name]), output_mode="one_hot")
            parts.append(lookup(tensor))
        else:
            column = keras.layers.Reshape((1,))(tensor)
            parts.append(_normalization(profile.moments[name])(column) if normalize else column)
    joined = keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    if len(profile.categories) == len(inputs):
        # One-hot rows alone are int64, whatever Keras says of their dtype; numbers beside them make floats of them.
        joined = keras.layers.Rescaling(1.0)(joined)
    return keras.Model(inputs, joined)


def preprocess(layers: keras.Model | None, inputs: Inputs) -> NDArray[np.float32]:
    """What the network takes for encoded inputs."""
    if layers is None:
        assert not isinstance(inputs, dict)  # more than one input always has layers to join them
        return inputs
    rows = len(next(iter(inputs.values()))) if isinstance(inputs, dict) else len(inputs)
    parts = [
        layers(_slice(inputs, start, start + _ROWS), training=False).numpy() for start in range(0, max(rows, 1), _ROWS)
    ]
    return cast(NDArray[np.float32], parts[0] if len(parts) == 1 else np.concatenate(parts))


def assemble(layers: keras.Model | None, network: keras.Model) -> keras.Model:
    """The whole model: preprocessing, then the network, sharing their weights."""
    if layers is None:
        return network
    tensor = layers.output
    # A Sequential dissolves into its layers, so that the saved model reads as one flat list.
    for layer in network.layers if isinstance(network, keras.Sequential) else [network]:
        tensor = layer(tensor)
    return keras.Model(layers.input, tensor, name=network.name)


def _slice(inputs: Inputs, start: int, stop: int) -> tf.Tensor | dict[str, tf.Tensor]:
    if isinstance(inputs, dict):
        return {name: tf.constant(values[start:stop]) for name, values in inputs.items()}
    return tf.constant(inputs[start:stop])


def _normalization(moments: Moments) -> keras.layers.Layer:
    """Mean and variance as constants of the layer: the model has no other weights than those it learns."""
    # A column that never varied in training, up to float32's precision, says nothing about scale: it is centred only.
    varied = moments.variance > (1e-7 * moments.mean) ** 2
    variance = np.where(varied, moments.variance, 1.0)
    if len(moments.mean) == 1:
        return keras.layers.Normalization(axis=None, mean=float(moments.mean[0]), variance=float(variance[0]))
    return keras.layers.Normalization(mean=moments.mean.tolist(), variance=variance.tolist())
