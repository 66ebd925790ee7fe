"""Where a network's neurons and filters are read: by which layers, and at which places of their weights.

Each tensor's last axis is followed through the graph as numbers of units: the neurons of a Dense layer, the filters of
a convolution. What cannot be followed ties the units that come in: they stay.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from ..networks.layers import all_layers

Units: TypeAlias = NDArray[np.int64]
"""The unit at each place of a tensor's last axis; `FIXED` where there is none that could go."""
FIXED = -1
OUTPUT = "gives the output"

_K = keras.layers
_MAKING = (
    _K.Dense,
    _K.Conv1D,
    _K.Conv2D,
    _K.Conv3D,
    _K.Conv1DTranspose,
    _K.Conv2DTranspose,
    _K.Conv3DTranspose,
    _K.SeparableConv1D,
    _K.SeparableConv2D,
)
"""Layers of neurons or filters that each have weights of their own."""
_DEPTHWISE = (_K.DepthwiseConv1D, _K.DepthwiseConv2D)
_PER_UNIT = (_K.BatchNormalization, _K.LayerNormalization, _K.PReLU)
"""Layers with a weight for each unit, at most."""
_PASSING = (
    _K.Activation,
    _K.ReLU,
    _K.LeakyReLU,
    _K.ELU,
    _K.Dropout,
    _K.SpatialDropout1D,
    _K.SpatialDropout2D,
    _K.SpatialDropout3D,
    _K.GaussianDropout,
    _K.GaussianNoise,
    _K.AlphaDropout,
    _K.ActivityRegularization,
    _K.Identity,
    _K.RepeatVector,
    _K.ZeroPadding1D,
    _K.ZeroPadding2D,
    _K.ZeroPadding3D,
    _K.Cropping1D,
    _K.Cropping2D,
    _K.Cropping3D,
    _K.UpSampling1D,
    _K.UpSampling2D,
    _K.UpSampling3D,
    _K.MaxPooling1D,
    _K.MaxPooling2D,
    _K.MaxPooling3D,
    _K.AveragePooling1D,
    _K.AveragePooling2D,
    _K.AveragePooling3D,
    _K.GlobalAveragePooling1D,
    _K.GlobalAveragePooling2D,
    _K.GlobalAveragePooling3D,
    _K.GlobalMaxPooling1D,
    _K.GlobalMaxPooling2D,
    _K.GlobalMaxPooling3D,
)
"""Layers that give each unit for itself, at its place."""
_PASSING_OPERATIONS = frozenset(
    {
        "Abs", "Absolute", "Cast", "Celu", "Elu", "Exp", "Gelu", "HardSigmoid", "HardSilu", "HardTanh", "Identity",
        "LeakyRelu", "Log1p", "Mish", "Negative", "Relu", "Relu6", "Selu", "Sigmoid", "Silu", "Softplus",
        "Softsign", "Sqrt", "Square", "Swish", "Tanh",
    }
)  # fmt: skip
"""Operations of one tensor that do so."""

_SUMMING = ("Add", "Subtract", "Average", "Maximum", "Minimum", "Multiply")


@dataclass
class Network:
    """A network whose units were followed.

    Attributes:
        makers: its layers of neurons or filters, in order.
        made: the units that a layer gives, by the layer's id.
        taken: those that it reads.
        tied: why the units of a layer stay, by the layer's id.
        owners: the layer that gives each unit.
    """

    makers: list[keras.layers.Layer] = field(default_factory=list)
    made: dict[int, Units] = field(default_factory=dict)
    taken: dict[int, Units] = field(default_factory=dict)
    tied: dict[int, str] = field(default_factory=dict)
    owners: list[keras.layers.Layer] = field(default_factory=list)

    @property
    def free(self) -> list[keras.layers.Layer]:
        """The layers whose units can go."""
        return [layer for layer in self.makers if id(layer) not in self.tied and len(self.made[id(layer)]) > 1]

    @property
    def size(self) -> int:
        """How many units there are in all."""
        return len(self.owners)

    def tie(self, units: Units, why: str) -> None:
        """Let units stay, and with them all of their layers'."""
        for unit in np.unique(units[units != FIXED]):
            self.tied.setdefault(id(self.owners[unit]), why)

    def new(self, layer: keras.layers.Layer, count: int) -> Units:
        """The units of a layer that is met for the first time."""
        units = np.arange(self.size, self.size + count)
        self.makers.append(layer)
        self.owners += [layer] * count
        return units


def followed(model: keras.Model) -> Network:
    """Follow the units of a model of Keras' own structure; those that it gives are tied."""
    network = Network()
    given = [_fixed(tensor) for tensor in _function(model).inputs]
    outputs = _through(model, given, network)
    for units in outputs:
        for unit in units[units != FIXED]:
            network.tied[id(network.owners[unit])] = OUTPUT  # which says more than any other reason
    return network


def _through(model: keras.Model, given: Sequence[Units], network: Network) -> list[Units]:
    """The units of a model's outputs, for those of its inputs."""
    function = _function(model)
    known = {id(tensor): units for tensor, units in zip(function.inputs, given, strict=True)}
    for node in _nodes(function):
        taken = [known[id(tensor)] for tensor in node.input_tensors if id(tensor) in known]
        if len(taken) < len(node.input_tensors):
            continue
        outputs = node.outputs
        given_on = _of_operation(node.operation, node.input_tensors, taken, outputs, network)
        known |= {id(tensor): units for tensor, units in zip(outputs, given_on, strict=True)}
    return [known[id(tensor)] for tensor in function.outputs]


def _of_operation(
    operation: keras.Operation,
    tensors: Sequence[keras.KerasTensor],
    taken: Sequence[Units],
    outputs: Sequence[keras.KerasTensor],
    network: Network,
) -> list[Units]:
    """The units of an operation's outputs."""
    nothing = [_fixed(tensor) for tensor in outputs]
    name = operation.name
    if id(operation) in network.taken:
        _tie_shared(operation, taken, network)
        return nothing
    if isinstance(operation, keras.Model) and is_transparent(operation):
        for units in taken:
            network.tie(units, f"is read by the model {name!r}")
        network.taken[id(operation)] = np.concatenate([*taken, np.empty(0, dtype=np.int64)])
        return _through(operation, [_fixed(tensor) for tensor in tensors], network)
    if len(taken) == len(outputs) == 1:
        made = _of_one(operation, tensors[0], taken[0], outputs[0], network)
        if made is not None and len(made) == len(nothing[0]):
            network.taken[id(operation)] = taken[0]
            network.made[id(operation)] = made
            return [made]
    elif isinstance(operation, _K.Concatenate) and operation.axis in (-1, len(outputs[0].shape) - 1):
        joined = np.concatenate(taken)
        network.taken[id(operation)] = network.made[id(operation)] = joined
        return [joined]
    verb = "summed up" if type(operation).__name__ in _SUMMING else "read"
    for units in taken:
        network.tie(units, f"is {verb} by {name!r} ({type(operation).__name__})")
    network.taken[id(operation)] = np.concatenate([*taken, np.empty(0, dtype=np.int64)])
    return nothing


def _of_one(
    operation: keras.Operation,
    tensor: keras.KerasTensor,
    taken: Units,
    output: keras.KerasTensor,
    network: Network,
) -> Units | None:
    """The units that an operation of one tensor gives; None for one that cannot be followed."""
    if isinstance(operation, _K.Layer) and type(operation).__module__.partition(".")[0] != "keras":
        return None  # the author's own may do anything
    if type(operation) in _MAKING and _can_make(operation):
        units = network.new(operation, int(output.shape[-1]))
        if _is_softmax(operation):
            network.tie(units, "gives shares of one")
        return units
    if not (taken != FIXED).any():
        return _fixed(output)
    if type(operation) in _DEPTHWISE and _is_channels_last(operation):
        return np.repeat(taken, operation.depth_multiplier)
    if type(operation) in _PER_UNIT and _has_weights_by_unit(operation, tensor):
        return taken
    if isinstance(operation, _K.Flatten | _K.Reshape):
        return _reshaped(operation, taken, output)
    if type(operation) in _PASSING and _is_channels_last(operation) and not _is_softmax(operation):
        return taken
    if type(operation).__name__ in _PASSING_OPERATIONS and not isinstance(operation, _K.Layer):
        return taken
    return None


def _can_make(layer: Any) -> bool:
    """Whether each unit of a layer has weights of its own."""
    grouped = getattr(layer, "groups", 1) != 1
    plain = getattr(layer, "quantization_mode", None) is None and not getattr(layer, "lora_enabled", False)
    return plain and not grouped and _is_channels_last(layer)


def _is_softmax(layer: Any) -> bool:
    return getattr(getattr(layer, "activation", None), "__name__", "") in ("softmax", "log_softmax")


def _is_channels_last(layer: Any) -> bool:
    return getattr(layer, "data_format", "channels_last") != "channels_first"


def _has_weights_by_unit(layer: Any, tensor: keras.KerasTensor) -> bool:
    if isinstance(layer, _K.PReLU):
        return bool(layer.alpha.shape[-1] == tensor.shape[-1])
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    return [axis % len(tensor.shape) for axis in axes] == [len(tensor.shape) - 1]


def _reshaped(layer: Any, taken: Units, output: keras.KerasTensor) -> Units | None:
    """The units behind a Flatten or a Reshape: they keep their axis, or repeat along the only one."""
    width = output.shape[-1]
    if not _is_channels_last(layer) or width is None:
        return None
    if width == len(taken):
        return taken
    if len(output.shape) == 2 and width % len(taken) == 0:
        return np.tile(taken, width // len(taken))
    return None


def _tie_shared(operation: keras.Operation, taken: Sequence[Units], network: Network) -> None:
    """Let all stay that meets in an operation which is called more than once."""
    layers = [operation, *(all_layers(operation) if isinstance(operation, keras.Model) else ())]
    why = f"meets in {operation.name!r}, which is called more than once"
    nowhere = np.empty(0, dtype=np.int64)
    before = [units.get(id(each), nowhere) for each in layers for units in (network.taken, network.made)]
    for units in (*taken, *before):
        network.tie(units, why)


def is_transparent(model: keras.Model) -> bool:
    """Whether the graph within a model is known: not one whose author has written its call."""
    return type(model).__name__ in ("Functional", "Sequential") and type(model).__module__.startswith("keras.")


# The graph of a model has no public name; Keras' own exporters read it this way too.
def _function(model: keras.Model) -> Any:
    return model._functional if isinstance(model, keras.Sequential) else model  # noqa: SLF001


def _nodes(function: Any) -> Iterator[Any]:
    """The calls in a graph, each behind those whose outputs it takes."""
    for depth in sorted(function._nodes_by_depth, reverse=True):  # noqa: SLF001
        yield from (node for node in function._nodes_by_depth[depth] if node.operation and not node.is_input)  # noqa: SLF001


def _fixed(tensor: keras.KerasTensor) -> Units:
    width = tensor.shape[-1] if len(tensor.shape) > 1 else None
    return np.full(width or 0, FIXED, dtype=np.int64)
