"""Building the network of a `Train` job."""

import importlib
import json
from collections.abc import Iterator, Sequence
from math import isqrt, prod

import keras
import tensorflow as tf
from keras import ops

from stoker.errors import InvalidJob
from stoker.kinds import CNN, MLP, Builder, KerasConfig, Train

from ..preprocessing.categories import Codes, embedding_width
from ..preprocessing.profile import Profile
from .keras_config import load_config


def output_units(spec: Train, profile: Profile) -> int:
    """The number of units of the network's last layer."""
    if not profile.classes:
        return prod(profile.target_shape)
    one_unit = spec.loss in (None, "binary_crossentropy") and getattr(spec.architecture, "output", None) != "softmax"
    return 1 if len(profile.classes) == 2 and one_unit else len(profile.classes)


def build_network(
    spec: Train, profile: Profile, input_shape: tuple[int, ...], codes: Sequence[Codes], builders: Sequence[str]
) -> keras.Model:
    """The uncompiled network from one preprocessed tensor to the outputs.

    Args:
        input_shape: the shape of one preprocessed row.
        codes: what its last places hold, each to be embedded; of a row without them, nothing.
        builders: the builders that the settings allow.

    Raises:
        InvalidJob: the architecture cannot be built, or does not fit the data.
    """
    units = output_units(spec, profile)
    architecture = spec.architecture
    match architecture:
        case MLP():
            network = _build(_mlp_layers(architecture, input_shape), input_shape, units, architecture, profile, codes)
        case CNN():
            network = _build(_cnn_layers(architecture, input_shape), input_shape, units, architecture, profile)
        case KerasConfig():
            network = _built(load_config(architecture.config), input_shape)
        case Builder():
            network = _call_builder(architecture, input_shape, units, builders)
    _check_shapes(network, input_shape, units, profile)
    if not isinstance(architecture, MLP | CNN):
        network = _unnamed(network)
    if spec.precision == "mixed":
        _mix_precision(network)
    return network


def _build(
    hidden: list[keras.layers.Layer],
    input_shape: tuple[int, ...],
    units: int,
    spec: MLP | CNN,
    profile: Profile,
    codes: Sequence[Codes] = (),
) -> keras.Model:
    activation: str = spec.output
    if activation == "auto":
        activation = "linear" if not profile.classes else "sigmoid" if units == 1 else "softmax"
    output = keras.layers.Dense(units, activation=activation, kernel_regularizer=_penalty(spec))
    if not codes:
        return keras.Sequential([keras.Input(input_shape), *hidden, output])
    row = keras.Input(input_shape)
    tensor = _embedded(row, codes)
    for layer in (*hidden, output):
        tensor = layer(tensor)
    return keras.Model(row, tensor, name="network")


def _embedded(row: keras.KerasTensor, codes: Sequence[Codes]) -> keras.KerasTensor:
    """A row with an embedding in place of each code."""
    place = row.shape[-1] - sum(code.length for code in codes)
    parts = [row[:, :place]] if place else []
    for code in codes:
        ids = ops.cast(row[:, place : place + code.length], "int32")
        vectors = keras.layers.Embedding(code.count, embedding_width(code))(ids)
        parts.append(_mean(vectors, ids) if code.is_list else vectors[:, 0])
        place += code.length
    return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]


def _mean(vectors: keras.KerasTensor, ids: keras.KerasTensor) -> keras.KerasTensor:
    """The mean of a list's vectors, without its padding; 0 for an empty list, where Keras' pooling would give NaN."""
    there = ops.expand_dims(ops.cast(ops.not_equal(ids, 0), "float32"), -1)
    return ops.sum(vectors * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0)


def _mlp_layers(spec: MLP, input_shape: tuple[int, ...]) -> list[keras.layers.Layer]:
    flatten = [keras.layers.Flatten()] if len(input_shape) > 1 else []
    return [*flatten, *_dense_layers(spec.hidden, spec)]


def _cnn_layers(spec: CNN, input_shape: tuple[int, ...]) -> list[keras.layers.Layer]:
    height, width, channels = _image_shape(input_shape)
    layers: list[keras.layers.Layer] = []
    if input_shape != (height, width, channels):
        layers.append(keras.layers.Reshape((height, width, channels)))
    for filters in spec.filters:
        layers.append(
            keras.layers.Conv2D(
                filters, spec.kernel_size, padding="same", activation=spec.activation, kernel_regularizer=_penalty(spec)
            )
        )
        if min(height, width) < spec.pool_size:
            raise InvalidJob(
                f"a CNN with {len(spec.filters)} poolings by {spec.pool_size} shrinks rows of shape {input_shape} to "
                "nothing; give fewer filters or a smaller pool_size"
            )
        layers.append(keras.layers.MaxPooling2D(spec.pool_size))
        height, width = height // spec.pool_size, width // spec.pool_size
        layers += _dropout(spec)
    return [*layers, keras.layers.Flatten(), *_dense_layers(spec.dense, spec)]


def _image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) == 1 and isqrt(shape[0]) ** 2 == shape[0]:
        return isqrt(shape[0]), isqrt(shape[0]), 1
    if len(shape) == 2:
        return shape[0], shape[1], 1
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    raise InvalidJob(
        f"a CNN takes rows of shape (height, width) or (height, width, channels), or flat square ones; the data has "
        f"{shape}: use an MLP or reshape the data"
    )


def _dense_layers(sizes: tuple[int, ...], spec: MLP | CNN) -> list[keras.layers.Layer]:
    layers: list[keras.layers.Layer] = []
    for size in sizes:
        layers.append(keras.layers.Dense(size, activation=spec.activation, kernel_regularizer=_penalty(spec)))
        layers += _dropout(spec)
    return layers


def _dropout(spec: MLP | CNN) -> list[keras.layers.Layer]:
    return [keras.layers.Dropout(spec.dropout)] if spec.dropout else []


def _penalty(spec: MLP | CNN) -> keras.Regularizer | None:
    return keras.regularizers.L1L2(spec.l1, spec.l2) if spec.l1 or spec.l2 else None


def _call_builder(spec: Builder, input_shape: tuple[int, ...], units: int, builders: Sequence[str]) -> keras.Model:
    if spec.target not in builders:
        raise InvalidJob(
            f"this worker does not run the builder {spec.target!r}; to allow it, add it to `builders` in the worker's "
            "stoker.toml or STOKER_BUILDERS"
        )
    module_name, _, function_name = spec.target.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise InvalidJob(f"the builder {spec.target!r} cannot be imported on the worker: {error}") from error
    network = function(input_shape=input_shape, output_units=units, **spec.kwargs)
    if not isinstance(network, keras.Model) or not network.inputs:
        raise InvalidJob(
            f"the builder {spec.target!r} returned a {type(network).__name__}; expected a functional or Sequential "
            "Keras model with a known input shape"
        )
    # Registered models are loaded in safe mode: if that is impossible, fail before the training, not after it.
    load_config(json.loads(network.to_json()))
    return network


def _built(network: keras.Model, input_shape: tuple[int, ...]) -> keras.Model:
    """A Sequential without an input, built for the data; any other network as it is."""
    if isinstance(network, keras.Sequential) and not network.built:
        network = keras.Sequential([keras.Input(input_shape), *network.layers], name=network.name)
    return network


def _check_shapes(network: keras.Model, input_shape: tuple[int, ...], units: int, profile: Profile) -> None:
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise InvalidJob(
            f"the network has {len(network.inputs)} inputs and {len(network.outputs)} outputs; expected one of each"
        )
    if network.inputs[0].shape[0] is not None:
        raise InvalidJob(
            f"the network takes batches of exactly {network.inputs[0].shape[0]} rows; give its input a shape without a "
            "batch size: keras.Input(shape)"
        )
    taken = tuple(network.inputs[0].shape[1:])
    if len(taken) != len(input_shape) or any(
        want not in (None, have) for want, have in zip(taken, input_shape, strict=True)
    ):
        raise InvalidJob(f"the network takes rows of shape {taken}, but the data has rows of shape {input_shape}")
    given = tuple(network.outputs[0].shape[1:])
    accepted = {units, 1, 2} if len(profile.classes) == 2 else {units}
    if len(given) != 1 or given[0] not in accepted:
        wanted = f"{len(profile.classes)} classes" if profile.classes else f"{units} number(s) per row"
        raise InvalidJob(f"the network's output has shape {given}, but the target {profile.target!r} has {wanted}")


def _unnamed(network: keras.Model) -> keras.Model:
    """A network from tensor to tensor, under a name that no column has, for one of any structure and name."""
    return keras.Model(network.inputs[0], network.outputs[0], name="network")


def _mix_precision(network: keras.Model) -> None:
    """Set all layers but the last to half precision; weights, output and loss stay float32."""
    half = keras.DTypePolicy("mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16")
    for layer in list(_layers(network))[:-1]:
        layer.dtype_policy = half


def _layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers in order, those of nested models included."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer
