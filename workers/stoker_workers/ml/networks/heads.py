"""Output layers, which the targets ask for."""

from collections.abc import Sequence
from math import prod

import keras

from stoker.errors import InvalidJob
from stoker.kinds import Output, Train
from stoker.kinds.training.architecture import Regularised

from ..preprocessing.target import Target
from .layers import flat_layers, penalty

_ONE_UNIT = (None, "binary_crossentropy", "focal")
"""Losses of two classes for which one unit is enough."""


def outputs_of(spec: Train, targets: Sequence[Target]) -> list[Output]:
    """How each output is learned.

    Raises:
        InvalidJob: the job says for all what only one output can have.
    """
    if spec.outputs:
        return [spec.outputs[target.name] for target in targets]
    if len(targets) == 1:
        return [Output(loss=spec.loss, metrics=spec.metrics)]
    for name in ("loss", "metrics", "from_logits", "class_weights"):
        if getattr(spec, name) is not None:
            names = ", ".join(f"{target.name!r}: stoker.Output()" for target in targets)
            raise InvalidJob(
                f"{name} is of a single output, but the columns of target are {len(targets)} outputs, for they hold "
                f"different things: say it in outputs={{{names}}}, or leave it out"
            )
    return [Output()] * len(targets)


def output_units(spec: Train, output: Output, target: Target) -> int:
    """The number of units of an output."""
    if target.task == "pixels":
        return len(target.classes)
    if not target.classes:
        return prod(target.shape)
    one_unit = output.loss in _ONE_UNIT and getattr(spec.architecture, "output", None) != "softmax"
    return 1 if target.task == "binary" and one_unit else len(target.classes)


def head(spec: Regularised, target: Target, units: int) -> keras.layers.Layer:
    """The layer that gives the only output."""
    activation = output_activation(spec, target, units)
    return keras.layers.Dense(units, activation=activation, kernel_regularizer=penalty(spec))


def shaped(network: keras.Model, target: Target) -> keras.Model:
    """A network whose output has the shape of what it reconstructs."""
    if target.task != "reconstruction" or len(target.shape) == 1:
        return network
    row = keras.Input(network.inputs[0].shape[1:])
    return keras.Sequential([row, *flat_layers(network), keras.layers.Reshape(target.shape)])


def divided(network: keras.Model, spec: Regularised, targets: Sequence[Target], units: Sequence[int]) -> keras.Model:
    """A network whose last layer, of raw numbers, is divided among several outputs."""
    outputs, start = {}, 0
    for target, count in zip(targets, units, strict=True):
        part = network.outputs[0][:, start : start + count]
        activation = output_activation(spec, target, count)
        outputs[target.name] = part if activation == "linear" else keras.layers.Activation(activation)(part)
        start += count
    return keras.Model(network.inputs[0], outputs, name="network")


def output_activation(spec: Regularised, target: Target, units: int) -> str:
    """The activation of an output."""
    if spec.output != "auto":
        return spec.output
    if not target.classes:
        return "linear"
    return "sigmoid" if units == 1 or target.task == "multilabel" else "softmax"
