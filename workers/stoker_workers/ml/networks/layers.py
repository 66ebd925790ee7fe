"""Layers that several architectures share."""

from collections.abc import Iterator, Sequence

import keras

from stoker.kinds.training.architecture import Regularised


def dense_layers(sizes: Sequence[int], spec: Regularised) -> list[keras.layers.Layer]:
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


def batch_norm() -> keras.layers.BatchNormalization:
    """Batch norm with the statistics of the last 50 steps or so; Keras' own take hundreds to forget the first ones."""
    return keras.layers.BatchNormalization(momentum=0.9)


def applied(layers: Sequence[keras.layers.Layer], tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Layers one after the other."""
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def flat_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """A Sequential's layers, any other network as a layer: what a saved model is made of, as a flat list."""
    return network.layers if isinstance(network, keras.Sequential) else [network]


def all_layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers in order, those of nested models included."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)
        else:
            yield layer
