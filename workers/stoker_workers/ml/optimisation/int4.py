"""`int4`: weights of 4 bits, by ai-edge-quantizer, which the extra `int4` brings."""

from collections.abc import Sequence

from stoker.errors import InvalidJob
from stoker.models.tensors import Array

from .apart import ConversionFailed
from .forms import Given, Made
from .litert import converted, graph_of, reason
from .network import whole_or_network
from .stages import Stages


def make(given: Given) -> Made:
    """See `Make`."""
    words = "weights of 4 bits instead of 32, in a scale for each channel; activations become whole numbers of 8 bits "
    return whole_or_network(given, convert, f"{words}while it computes", {"weight_bits": 4})


def convert(stages: Stages, _rows: Sequence[Array]) -> bytes:
    """See `Convert`."""
    try:
        from ai_edge_quantizer import quantizer, recipe
    except ImportError as error:
        raise InvalidJob(
            "this worker has no ai-edge-quantizer, which int4 needs: install stoker[int4] there, or make to='int8'"
        ) from error
    content = converted(graph_of(stages.network, stages.signature))
    try:
        made = quantizer.Quantizer(bytearray(content), recipe.dynamic_wi4_afp32())
        result = made.quantize(enable_progress_bar=False, enable_progress_report=False)
    # It may raise anything, of operators that it does not know.
    except Exception as error:
        raise ConversionFailed(reason(error)) from error
    return bytes(result.quantized_model)
