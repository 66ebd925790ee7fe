"""Which layer a converter fails at: the first whose network, up to it, cannot be converted."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras

from stoker.models.inputs import Inputs
from stoker.models.signature import TensorSpec
from stoker.models.tensors import Array

from ..prediction.runtime import sample
from ..progress import obey_stop
from ..run import Run
from .apart import ConversionFailed, Crashed, apart
from .forms import Given
from .network import Convert
from .stages import Stages, staged

_ROWS = 16


@dataclass(frozen=True)
class _Piece:
    """A layer, and what it gives in the graph of its network."""

    label: str
    tensor: keras.KerasTensor


def culprit(given: Given, convert: Convert) -> str:
    """The layer at which a conversion fails, by its name and class; "" if it shows at none.

    Each try is in a process of its own, for a converter may crash.

    Raises:
        Stopped: a stop was asked for.
    """
    labels = apart(lambda run: _labels(given.under(run)), given.run)

    def fails(at: int) -> bool:
        obey_stop(given.run)
        try:
            apart(lambda run: _try(given.under(run), convert, at), given.run)
        except (Crashed, ConversionFailed):
            return True
        return False

    low, high = 0, len(labels) - 1
    if high < 0 or not fails(high):
        return ""
    while low < high:
        middle = (low + high) // 2
        if fails(middle):
            high = middle
        else:
            low = middle + 1
    return labels[low]


def converts(given: Given, convert: Convert) -> bool:
    """Whether a conversion of the whole network works.

    Raises:
        Stopped: a stop was asked for.
    """

    def whole(run: Run) -> None:
        own = given.under(run)
        convert(staged(own.model, own.version), _made_up(own))

    obey_stop(given.run)
    try:
        apart(whole, given.run)
    except (Crashed, ConversionFailed):
        return False
    return True


def _labels(given: Given) -> list[str]:
    return [piece.label for piece in _pieces(staged(given.model, given.version).network)]


def _try(given: Given, convert: Convert, at: int) -> None:
    """Convert the network up to a layer, to find out whether that works."""
    stages = staged(given.model, given.version)
    tensor = list(_pieces(stages.network))[at].tensor
    network = stages.network
    taken = network.inputs[0] if isinstance(network, keras.Sequential) else network.input
    output = TensorSpec(name="output", shape=tuple(tensor.shape[1:]), dtype=str(tensor.dtype))
    signature = stages.signature.model_copy(update={"outputs": (output,), "parts": {}, "task": "regression"})
    convert(Stages(stages.front, stages.front_signature, keras.Model(taken, tensor), signature), _made_up(given))


def _made_up(given: Given) -> list[Array]:
    return sample(Inputs(given.version.signature, given.version.ref), _ROWS)


def _pieces(network: keras.Model) -> Iterator[_Piece]:
    """The layers of a network in order, those of nested models included."""
    for operation in network.layers if isinstance(network, keras.Sequential) else network.operations:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        # The graph behind a symbolic tensor has no public name; Keras' own exporters read it this way too.
        node = operation._inbound_nodes[-1]  # noqa: SLF001
        if isinstance(operation, keras.Model):
            for inner in _pieces(operation):
                within = keras.Model(operation.inputs, inner.tensor)
                yield _Piece(inner.label, within(list(node.input_tensors)))
        else:
            yield _Piece(f"{operation.name!r} ({type(operation).__name__})", node.output_tensors[0])
