"""Output layers, which the targets ask for."""

from math import prod

import keras

from stoker.kinds import CNN, MLP, Train

from ..preprocessing.target import Target
from .layers import penalty

_ONE_UNIT = (None, "binary_crossentropy", "focal")
"""Losses of two classes for which one unit is enough."""


def output_units(spec: Train, target: Target) -> int:
    """The number of units of an output."""
    if not target.classes:
        return prod(target.shape)
    one_unit = spec.loss in _ONE_UNIT and getattr(spec.architecture, "output", None) != "softmax"
    return 1 if target.task == "binary" and one_unit else len(target.classes)


def head(spec: MLP | CNN, target: Target, units: int) -> keras.layers.Layer:
    """The layer that gives an output."""
    activation: str = spec.output
    if activation == "auto":
        activation = "linear" if not target.classes else "softmax"
        if target.classes and (units == 1 or target.task == "multilabel"):
            activation = "sigmoid"
    return keras.layers.Dense(units, activation=activation, kernel_regularizer=penalty(spec))
