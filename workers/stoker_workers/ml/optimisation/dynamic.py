"""`dynamic`: weights of 8 bits, and activations that become whole numbers as they come."""

from collections.abc import Sequence

from stoker.models.tensors import Array

from .forms import Given, Made
from .litert import converted, dynamic, graph_of
from .network import whole_or_network
from .stages import Stages


def make(given: Given) -> Made:
    """See `Make`. Layers of few weights stay as they are."""
    words = "weights of 8 bits instead of 32; activations become whole numbers while it computes"
    return whole_or_network(given, convert, words, {"weight_bits": 8})


def convert(stages: Stages, _rows: Sequence[Array]) -> bytes:
    """See `Convert`."""
    return converted(graph_of(stages.network, stages.signature), dynamic)
