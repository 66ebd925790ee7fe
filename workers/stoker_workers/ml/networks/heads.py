"""Output layers, which the targets ask for."""

from math import prod

import keras

from stoker.kinds import Train
from stoker.kinds.architecture import Regularised

from ..preprocessing.target import Target
from .layers import penalty

_ONE_UNIT = (None, "binary_crossentropy", "focal")
"""Losses of two classes for which one unit is enough."""


def output_units(spec: Train, target: Target) -> int:
    """The number of units of an output."""
    if target.task == "pixels":
        return len(target.classes)
    if not target.classes:
        return prod(target.shape)
    one_unit = spec.loss in _ONE_UNIT and getattr(spec.architecture, "output", None) != "softmax"
    return 1 if target.task == "binary" and one_unit else len(target.classes)


def head(spec: Regularised, target: Target, units: int) -> keras.layers.Layer:
    """The layer that gives an output."""
    activation = output_activation(spec, target, units)
    return keras.layers.Dense(units, activation=activation, kernel_regularizer=penalty(spec))


def output_activation(spec: Regularised, target: Target, units: int) -> str:
    """The activation of an output."""
    if spec.output != "auto":
        return spec.output
    if not target.classes:
        return "linear"
    return "sigmoid" if units == 1 or target.task == "multilabel" else "softmax"
