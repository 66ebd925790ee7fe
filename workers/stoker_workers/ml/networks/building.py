"""Building the network of a `Train` job."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from stoker import kinds
from stoker.kinds import CNN, MLP, Builder, KerasConfig, Pretrained, ResNet, Text, Train, UNet, WideAndDeep
from stoker.kinds.training.architecture import Architecture

from ..preprocessing.parts import Needs, Part, Words
from ..preprocessing.profile import Profile
from ..preprocessing.target import Target
from .cnn import cnn_layers
from .given import call_builder, configured
from .heads import divided, head, output_activation, output_units, outputs_of, shaped
from .layers import all_layers
from .mlp import mlp, mlp_layers
from .pretrained import pretrained
from .resnet import resnet
from .row import joined, table, taken_apart
from .sequence import sequence, text, whole_sequence
from .shapes import check_shapes, unnamed
from .unet import unet
from .wide_and_deep import wide_and_deep

Own = MLP | CNN | Pretrained | ResNet | kinds.Sequence | Text | WideAndDeep
_FEW = 16
"""Categories that are one-hot for most networks; of more, each has an embedding."""


def needs(architecture: Architecture) -> Needs:
    """What a network takes besides plain numbers."""
    match architecture:
        case MLP():
            return Needs(embed_above=_FEW)
        case WideAndDeep():
            return Needs(embed_above=0)
        case kinds.Sequence():
            return Needs(embed_above=_FEW, steps=True)
        case Text():
            return Needs(embed_above=_FEW, words=Words(architecture.words, architecture.length))
    return Needs()


def build_network(
    spec: Train,
    profile: Profile,
    input_shape: tuple[int, ...],
    parts: Sequence[Part],
    builders: Sequence[str],
    custom: Sequence[str] = (),
) -> keras.Model:
    """The uncompiled network from one preprocessed tensor to the outputs.

    Args:
        input_shape: the shape of one preprocessed row.
        parts: what its last places hold; of a row of plain numbers, nothing.
        builders: the builders that the settings allow.
        custom: modules whose Keras classes it may have.

    Raises:
        InvalidJob: the architecture cannot be built, or does not fit the data.
    """
    targets = profile.targets
    units = [
        output_units(spec, output, target) for output, target in zip(outputs_of(spec, targets), targets, strict=True)
    ]
    architecture = spec.architecture or MLP()
    match architecture:
        case UNet():
            network = unet(architecture, input_shape, units[0])
        case KerasConfig():
            network = unnamed(configured(architecture, input_shape, custom), targets)
        case Builder():
            by_name = {target.name: count for target, count in zip(targets, units, strict=True)}
            built = call_builder(architecture, input_shape, by_name if len(units) > 1 else units[0], builders, custom)
            network = unnamed(built, targets)
        case _:
            network = _with_outputs(architecture, input_shape, parts, profile, units)
    check_shapes(network, input_shape, units, targets)
    if spec.precision != "float32":
        mix_precision(network, spec)
    return network


def _with_outputs(
    spec: Own, input_shape: tuple[int, ...], parts: Sequence[Part], profile: Profile, units: Sequence[int]
) -> keras.Model:
    """A network that Stoker builds itself, with an output for each target."""
    if len(units) == 1:
        network = _own(spec, input_shape, parts, profile, profile.targets[0], units[0])
        return shaped(network, profile.targets[0])
    raw = Target("all", profile.target_columns, "regression", shape=(sum(units),))
    shared = _own(spec.model_copy(update={"output": "linear"}), input_shape, parts, profile, raw, sum(units))
    return divided(shared, spec, profile.targets, units)


def _own(
    spec: Own, input_shape: tuple[int, ...], parts: Sequence[Part], profile: Profile, target: Target, units: int
) -> keras.Model:
    """A network that Stoker builds itself, with its output layer."""
    row = keras.Input(input_shape)
    # The output layer is made last, as in a script, so that both draw the same weights from a seed.
    match spec:
        case MLP() if not parts and not spec.residual:
            return keras.Sequential([row, *mlp_layers(spec, input_shape), head(spec, target, units)])
        case CNN():
            return keras.Sequential([row, *cnn_layers(spec, input_shape), head(spec, target, units)])
        case WideAndDeep():
            summed = wide_and_deep(spec, taken_apart(_flattened(row), parts), units)
            activation = keras.layers.Activation(output_activation(spec, target, units))
            return keras.Model(row, activation(summed), name="network")
        case MLP():
            hidden = mlp(spec, joined(table(taken_apart(_flattened(row), parts))))
        case Pretrained():
            hidden = pretrained(spec, row, profile.inputs[0] if len(profile.inputs) == 1 else None)
        case ResNet():
            hidden = resnet(spec, row)
        case kinds.Sequence() if not parts and _is_array(profile):
            hidden = whole_sequence(spec, row)
        case kinds.Sequence():
            hidden = sequence(spec, taken_apart(row, parts))
        case Text():
            hidden = text(spec, taken_apart(row, parts))
    return keras.Model(row, head(spec, target, units)(hidden), name="network")


def _flattened(row: keras.KerasTensor) -> keras.KerasTensor:
    return row if len(row.shape) == 2 else keras.layers.Flatten()(row)


def _is_array(profile: Profile) -> bool:
    """Whether a row is one array, not several columns of numbers."""
    return len(profile.inputs) == 1 and profile.inputs[0].kind in (None, "vector", "sequence")


def mix_precision(network: keras.Model, spec: Train) -> None:
    """Set all layers but the last to half precision; weights, output and loss stay float32.

    Where a job mixes for want of memory alone, it goes on from checkpoints: bfloat16 needs no scale of the loss, which
    would be one variable more.
    """
    is_float16 = spec.precision == "mixed" and tf.config.list_physical_devices("GPU")
    half = keras.DTypePolicy("mixed_float16" if is_float16 else "mixed_bfloat16")
    last = {id(layer) for tensor in network.outputs for layer in _last_layers(tensor)}
    for layer in all_layers(network):
        if id(layer) not in last:
            layer.dtype_policy = half


def _last_layers(tensor: keras.KerasTensor) -> list[keras.Operation]:
    """The layer that gives an output; of a sum, an activation or another shape, also those whose outputs it takes."""
    # The graph behind a symbolic tensor has no public name; Keras' own exporters read it this way too.
    operation, node, _ = tensor._keras_history  # noqa: SLF001
    if isinstance(operation, keras.Model):
        return _last_layers(operation.outputs[0])
    if not isinstance(operation, keras.layers.Add | keras.layers.Activation | keras.layers.Reshape):
        return [operation]
    taken = operation._inbound_nodes[node].input_tensors  # noqa: SLF001
    return [operation, *(layer for each in taken for layer in _last_layers(each))]
