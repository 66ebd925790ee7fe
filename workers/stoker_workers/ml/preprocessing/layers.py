"""Preprocessing layers, which turn a model's inputs into one tensor of numbers and are saved with the network."""

from typing import cast

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from .features import EncodedInputs
from .profile import Moments, Profile

_ROWS = 65_536
"""Rows preprocessed per call, which bounds the memory of texts and one-hot rows."""


def build_preprocessing(profile: Profile, *, normalize: bool) -> keras.Model | None:
    """A model from the data's inputs to one float32 tensor; None if the only input needs no preprocessing.

    With `normalize`, numbers are scaled to mean 0 and variance 1 on the training rows. Text becomes one-hot, with a
    first unit for unknown texts.
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
        # One-hot rows alone are int64, whatever Keras says of their dtype; beside numbers they become floats.
        joined = keras.layers.Rescaling(1.0)(joined)
    return keras.Model(inputs, joined)


def preprocess(layers: keras.Model | None, inputs: EncodedInputs) -> NDArray[np.float32]:
    """The network's input for encoded inputs."""
    if layers is None:
        assert not isinstance(inputs, dict)  # several inputs always have layers that join them
        return inputs
    rows = len(next(iter(inputs.values()))) if isinstance(inputs, dict) else len(inputs)
    pieces = [
        layers(_slice(inputs, start, start + _ROWS), training=False).numpy() for start in range(0, max(rows, 1), _ROWS)
    ]
    return cast(NDArray[np.float32], pieces[0] if len(pieces) == 1 else np.concatenate(pieces))


def assemble(layers: keras.Model | None, network: keras.Model) -> keras.Model:
    """The whole model, preprocessing and network; it shares their weights."""
    if layers is None:
        return network
    tensor = layers.output
    # A Sequential is replaced by its layers, so that the saved model is a flat list.
    for layer in network.layers if isinstance(network, keras.Sequential) else [network]:
        tensor = layer(tensor)
    return keras.Model(layers.input, tensor, name=network.name)


def _slice(inputs: EncodedInputs, start: int, stop: int) -> tf.Tensor | dict[str, tf.Tensor]:
    if isinstance(inputs, dict):
        return {name: tf.constant(values[start:stop]) for name, values in inputs.items()}
    return tf.constant(inputs[start:stop])


def _normalization(moments: Moments) -> keras.layers.Layer:
    """A layer with mean and variance as constants, so that the model has only weights that it learns."""
    # A column that is constant in training, up to float32's precision, has no scale: it is only centred.
    varied = moments.variance > (1e-7 * moments.mean) ** 2
    variance = np.where(varied, moments.variance, 1.0)
    if len(moments.mean) == 1:
        return keras.layers.Normalization(axis=None, mean=float(moments.mean[0]), variance=float(variance[0]))
    return keras.layers.Normalization(mean=moments.mean.tolist(), variance=variance.tolist())
