"""A network without some of its neurons and filters: smaller layers that begin with the weights of those that stay."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from .units import FIXED, Network, Units

_K = keras.layers
_WIDTHS = {"Dense": "units"}
"""How a layer calls the number of its neurons; other ones call it filters."""
_TRANSPOSED = (_K.Conv1DTranspose, _K.Conv2DTranspose, _K.Conv3DTranspose)


def narrowed(model: keras.Model, network: Network, removed: NDArray[np.bool_]) -> keras.Model:
    """The model without these units; layers that they do not concern are the model's own.

    Args:
        network: of the model.
        removed: whether each unit goes.
    """
    smaller: list[tuple[Any, Any]] = []

    def cloned(layer: Any) -> Any:
        if not _concerns(layer, network, removed):
            return layer
        clone = type(layer).from_config(_config(layer, network, removed))
        smaller.append((layer, clone))
        return clone

    clone = keras.models.clone_model(model, clone_function=cloned, recursive=True)
    for layer, other in smaller:
        if isinstance(layer, keras.layers.Layer) and layer.weights:
            other.set_weights(_weights(layer, network, removed))
    return clone


def kept(units: Units, removed: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The places whose units stay."""
    return np.flatnonzero((units == FIXED) | ~removed[units])


def _concerns(layer: Any, network: Network, removed: NDArray[np.bool_]) -> bool:
    nothing = np.empty(0, dtype=np.int64)
    held = np.concatenate([each.get(id(layer), nothing) for each in (network.taken, network.made)])
    return len(kept(held, removed)) < len(held)


def _config(layer: Any, network: Network, removed: NDArray[np.bool_]) -> dict[str, Any]:
    """A layer's config with as many units as stay."""
    config: dict[str, Any] = layer.get_config()
    width = len(kept(network.made[id(layer)], removed))
    if layer in network.makers:
        config[_WIDTHS.get(type(layer).__name__, "filters")] = width
    if isinstance(layer, _K.Reshape) and config["target_shape"][-1] != -1:
        config["target_shape"] = (*config["target_shape"][:-1], width)
    return config


def _weights(layer: Any, network: Network, removed: NDArray[np.bool_]) -> list[NDArray[Any]]:
    """A layer's weights without those of the units that go, in its order."""
    taken, made = (kept(each[id(layer)], removed) for each in (network.taken, network.made))
    if isinstance(layer, _K.SeparableConv1D | _K.SeparableConv2D):
        multiplier = layer.depth_multiplier
        deep = (taken[:, None] * multiplier + np.arange(multiplier)).reshape(-1)
        places = {"depthwise_kernel": {-2: taken}, "pointwise_kernel": {-2: deep, -1: made}, "bias": {-1: made}}
    elif isinstance(layer, _K.DepthwiseConv1D | _K.DepthwiseConv2D):
        places = {"kernel": {-2: taken}, "bias": {-1: made}}
    elif isinstance(layer, _TRANSPOSED):
        places = {"kernel": {-1: taken, -2: made}, "bias": {-1: made}}
    elif layer in network.makers:
        places = {"kernel": {-2: taken, -1: made}, "bias": {-1: made}}
    else:
        places = {weight.name: {-1: made} for weight in layer.weights}
    return [_at(weight.numpy(), places[weight.name]) for weight in layer.weights]


def _at(values: NDArray[Any], places: dict[int, NDArray[np.intp]]) -> NDArray[Any]:
    for axis, at in places.items():
        values = np.take(values, at, axis=axis)
    return values
