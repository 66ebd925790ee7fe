"""Building the network of a `Train` job."""

from collections.abc import Callable, Iterator, Sequence

import keras
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.kinds import CNN, MLP, Builder, KerasConfig, Train

from ..preprocessing.categories import Codes
from ..preprocessing.profile import Profile
from ..preprocessing.target import Target
from .cnn import cnn_layers
from .codes import embedded
from .given import call_builder, configured
from .heads import head, output_units
from .mlp import mlp_layers

Hidden = list[keras.layers.Layer] | Callable[[keras.KerasTensor], keras.KerasTensor]
"""What comes before the output layer: layers one after the other, or a function of the row."""


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
    [target] = profile.targets
    units = output_units(spec, target)
    architecture = spec.architecture or MLP()
    match architecture:
        case MLP():
            hidden = _mlp(architecture, input_shape, codes)
            network = _network(hidden, input_shape, units, architecture, target)
        case CNN():
            network = _network(cnn_layers(architecture, input_shape), input_shape, units, architecture, target)
        case KerasConfig():
            network = configured(architecture, input_shape)
        case Builder():
            network = call_builder(architecture, input_shape, units, builders)
    _check_shapes(network, input_shape, units, target)
    if not isinstance(architecture, MLP | CNN):
        network = _unnamed(network)
    if spec.precision == "mixed":
        _mix_precision(network)
    return network


def _mlp(spec: MLP, input_shape: tuple[int, ...], codes: Sequence[Codes]) -> Hidden:
    layers = mlp_layers(spec, input_shape)
    if not codes:
        return layers

    def hidden(row: keras.KerasTensor) -> keras.KerasTensor:
        tensor = embedded(row, codes)
        for layer in layers:
            tensor = layer(tensor)
        return tensor

    return hidden


def _network(hidden: Hidden, input_shape: tuple[int, ...], units: int, spec: MLP | CNN, target: Target) -> keras.Model:
    """A network of hidden layers, or of a function that makes them, and the output layer."""
    output = head(spec, target, units)
    if isinstance(hidden, list):
        return keras.Sequential([keras.Input(input_shape), *hidden, output])
    row = keras.Input(input_shape)
    return keras.Model(row, output(hidden(row)), name="network")


def _check_shapes(network: keras.Model, input_shape: tuple[int, ...], units: int, target: Target) -> None:
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
    accepted = {units, 1, 2} if target.task == "binary" else {units}
    if len(given) != 1 or given[0] not in accepted:
        wanted = f"{len(target.classes)} classes" if target.classes else f"{units} number(s) per row"
        names = ", ".join(map(repr, target.columns))
        raise InvalidJob(f"the network's output has shape {given}, but the target {names} has {wanted}")


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
