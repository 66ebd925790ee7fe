"""Layers that several architectures share."""

import keras

from stoker.kinds.architecture import Regularised


def dense_layers(sizes: tuple[int, ...], spec: Regularised) -> list[keras.layers.Layer]:
    """Dense layers of these sizes, each with its dropout."""
    layers: list[keras.layers.Layer] = []
    for size in sizes:
        layers.append(keras.layers.Dense(size, activation=spec.activation, kernel_regularizer=penalty(spec)))
        layers += dropout(spec)
    return layers


def dropout(spec: Regularised) -> list[keras.layers.Layer]:
    """The dropout after a hidden layer, if there is one."""
    return [keras.layers.Dropout(spec.dropout)] if spec.dropout else []


def penalty(spec: Regularised) -> keras.Regularizer | None:
    """The regularisation of a kernel."""
    return keras.regularizers.L1L2(spec.l1, spec.l2) if spec.l1 or spec.l2 else None
