"""A trained network with another output layer, for other classes."""

from collections.abc import Mapping

import keras
import numpy as np

from stoker.errors import InvalidJob

from .layers import all_layers

_ACTIVATIONS = (keras.layers.Activation, keras.layers.Softmax)


def with_new_head(model: keras.Model, ref: str, units: int, activation: str, kept: Mapping[int, int]) -> keras.Model:
    """A model of the same layers but for the dense one that gives its only output, whose units are drawn anew.

    Args:
        ref: the model's name in messages.
        units, activation: of the new layer.
        kept: units that begin with the weights of an old one, by its place.

    Raises:
        InvalidJob: the output does not come of a dense layer.
    """
    names = {layer.name for layer in all_layers(model)}
    name = next(name for name in ("head", *(f"head_{n}" for n in range(1, len(names) + 2))) if name not in names)
    head = keras.layers.Dense(units, activation=activation, name=name)
    renewed, old = _renewed(model, head, ref)
    for weight, trained in zip(head.weights, old.weights, strict=False):
        values = weight.numpy()
        for place, old_place in kept.items():
            values[..., place] = np.asarray(trained)[..., old_place]
        weight.assign(values)
    return renewed


def _renewed(model: keras.Model, head: keras.layers.Dense, ref: str) -> tuple[keras.Model, keras.layers.Dense]:
    """The model with the new layer, and the old one."""
    tensor = model.outputs[0]
    while True:
        # The graph behind a symbolic tensor has no public name; Keras' own exporters read it this way too.
        operation, number, _ = tensor._keras_history  # noqa: SLF001
        node = operation._inbound_nodes[number]  # noqa: SLF001
        if isinstance(operation, keras.Model):
            inner, old = _renewed(operation, head, ref)
            return _model(model, inner(*node.arguments.args)), old
        if isinstance(operation, keras.layers.Dense):
            return _model(model, head(node.input_tensors[0])), operation
        if not isinstance(operation, _ACTIVATIONS):
            raise InvalidJob(
                f"init_from: the data have classes that {ref} does not know, and its output comes of a "
                f"{type(operation).__name__} layer, not of a Dense one that could be replaced: give data with its "
                "classes only, or train a network anew"
            )
        tensor = node.input_tensors[0]


def _model(old: keras.Model, output: keras.KerasTensor) -> keras.Model:
    inputs = old.inputs[0] if isinstance(old, keras.Sequential) else old.input
    return keras.Model(inputs, output, name=old.name)
