"""ONNX: what ONNX Runtime reads, on any system and in any language."""

from pathlib import Path

import onnx
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from ..optimisation.apart import ConversionFailed
from ..optimisation.litert import converting
from ..prediction.runtime.onnx import converted_proto
from . import lookups
from .named_graph import NamedGraph

_BATCH = "batch"


def write(graph: NamedGraph, path: Path) -> None:
    """Convert a traced model; any number of rows goes in, unless its signature fixes it.

    Raises:
        ConversionFailed: an operation of it is none that ONNX has; the message has its path.
    """
    with converting():
        frozen = convert_variables_to_constants_v2(graph.call)
        names = dict(zip((tensor.name for tensor in frozen.inputs), graph.inputs, strict=False))
        names |= dict(zip((tensor.name for tensor in frozen.outputs), graph.outputs, strict=True))
        model = converted_proto(frozen, names)
        lookups.replace(model, lookups.tables_of(graph.call))
    _require_known(model)
    _name_batch(model, graph)
    with converting():
        path.write_bytes(model.SerializeToString(deterministic=True))


def _require_known(model: onnx.ModelProto) -> None:
    """Refuse what the converter has left as it was: it writes of such operations, and goes on."""
    unknown = [node for node in model.graph.node if not onnx.defs.has(node.op_type, node.domain)]
    if unknown:
        kinds = ", ".join(sorted({node.op_type for node in unknown}))
        raise ConversionFailed(f"ONNX has no {kinds} (at {unknown[0].name})")


def _name_batch(model: onnx.ModelProto, graph: NamedGraph) -> None:
    if graph.signature.batch is not None:
        return
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = _BATCH
