"""Networks that mean the data's own values: ids for an embedding, grey levels, texts, zeros as padding."""

from dataclasses import replace

import keras

from stoker.errors import InvalidJob

from ..columns.stats import ColumnStats
from ..preprocessing.profile import Profile

_RAW = (
    keras.layers.Embedding,
    keras.layers.Rescaling,
    keras.layers.Normalization,
    keras.layers.Masking,
    keras.layers.Discretization,
    keras.layers.IntegerLookup,
    keras.layers.StringLookup,
    keras.layers.TextVectorization,
    keras.layers.CategoryEncoding,
    keras.layers.Hashing,
)


def raw_layer(network: keras.Model, tensor: keras.KerasTensor) -> keras.layers.Layer | None:
    """A layer that reads an input of the network and means it as it is; None if there is none."""
    for operation in network.layers if isinstance(network, keras.Sequential) else network.operations:
        # A layer that several inputs share has a node for each; Keras has no public name for them.
        for node in operation._inbound_nodes:  # noqa: SLF001
            places = [place for place, taken in enumerate(node.input_tensors) if taken is tensor]
            if not places:
                continue
            if isinstance(operation, keras.Model):
                layer = raw_layer(operation, operation.inputs[places[0]])
                if layer:
                    return layer
            elif isinstance(operation, _RAW):
                return operation
    return None


def with_ids(profile: Profile, embedding: keras.layers.Embedding, dtype: str) -> Profile:
    """A profile of which the only input holds ids for an embedding; others than it has are refused.

    Args:
        dtype: that of the network's input.

    Raises:
        InvalidJob: the training rows have some.
    """
    [spec] = profile.inputs
    limits = {spec.name: id_limits(profile.features[spec.name].stats, embedding)}
    ids = spec.model_copy(update={"dtype": dtype, "kind": "tokens", "limits": limits})
    return replace(profile, inputs=(ids,))


def id_limits(stats: ColumnStats, embedding: keras.layers.Embedding) -> tuple[float, float]:
    """The first and the last id that an embedding has.

    Raises:
        InvalidJob: the column's training rows have others.
    """
    moments, last = stats.moments, embedding.input_dim - 1
    if moments.low < 0 or moments.high > last:
        raise InvalidJob(
            f"column {stats.column.name!r} holds ids from {moments.low:g} to {moments.high:g}, but the network's "
            f"{embedding.name} has those from 0 to {last}: shift the ids, or give it input_dim={int(moments.high) + 1}"
        )
    return 0.0, float(last)
