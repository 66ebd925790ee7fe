"""Networks that mean the data's own numbers: ids for an embedding, grey levels, zeros as padding."""

from dataclasses import replace

import keras

from stoker.errors import InvalidJob

from ..preprocessing.profile import Profile

_RAW = (
    keras.layers.Embedding,
    keras.layers.Rescaling,
    keras.layers.Normalization,
    keras.layers.Masking,
    keras.layers.Discretization,
    keras.layers.IntegerLookup,
    keras.layers.CategoryEncoding,
    keras.layers.Hashing,
)


def raw_layer(network: keras.Model) -> keras.layers.Layer | None:
    """A layer that reads the network's input and means it as it is; None if there is none."""
    inputs = {id(tensor) for tensor in network.inputs}
    for layer in network.layers:
        tensors = layer.input if isinstance(layer.input, list | tuple) else [layer.input]
        if isinstance(layer, keras.layers.InputLayer) or not inputs.intersection(map(id, tensors)):
            continue
        if isinstance(layer, keras.Model):
            return raw_layer(layer)
        if isinstance(layer, _RAW):
            return layer
    return None


def with_ids(profile: Profile, embedding: keras.layers.Embedding, dtype: str) -> Profile:
    """A profile of which the only input holds ids for an embedding; others than it has are refused.

    Args:
        dtype: that of the network's input.

    Raises:
        InvalidJob: the training rows have some.
    """
    [spec] = profile.inputs
    moments, last = profile.features[spec.name].stats.moments, embedding.input_dim - 1
    if moments.low < 0 or moments.high > last:
        raise InvalidJob(
            f"column {spec.name!r} holds ids from {moments.low:g} to {moments.high:g}, but the network's "
            f"{embedding.name} has those from 0 to {last}: shift the ids, or give it input_dim={int(moments.high) + 1}"
        )
    limits = {spec.name: (0.0, float(last))}
    ids = spec.model_copy(update={"dtype": dtype, "kind": "tokens", "limits": limits})
    return replace(profile, inputs=(ids,))
