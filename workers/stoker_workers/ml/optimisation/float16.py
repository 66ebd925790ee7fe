"""`float16`: weights of half the bits."""

from collections.abc import Sequence

from stoker.models.tensors import Array

from .forms import Given, Made
from .litert import converted, float16, graph_of
from .network import whole_or_network
from .stages import Stages


def make(given: Given) -> Made:
    """See `Make`. It computes in float32, so that a CPU is not quicker by it."""
    return whole_or_network(given, convert, "weights of 16 bits instead of 32", {"weight_bits": 16})


def convert(stages: Stages, _rows: Sequence[Array]) -> bytes:
    """See `Convert`."""
    return converted(graph_of(stages.network, stages.signature), float16)
