"""Tables of texts in an ONNX graph: TensorFlow's become `LabelEncoder`, which ONNX Runtime has."""

from collections.abc import Mapping
from typing import Any

import onnx
import tensorflow as tf
from onnx import helper, numpy_helper

_DOMAIN, _VERSION = "ai.onnx.ml", 2
LOOKUP = "LookupTableFindV2"


def tables_of(graph: Any) -> dict[str, Any]:
    """The tables that a traced call looks texts up in, by the name of the tensor that stands for each."""
    captured = zip(graph.graph.internal_captures, graph.captured_inputs, strict=True)
    return {tensor.name: handle for tensor, handle in captured if handle.dtype == tf.resource}


def replace(model: onnx.ModelProto, tables: Mapping[str, Any]) -> None:
    """Write into an ONNX model what its lookups find, in place of the tables that it has not."""
    graph = model.graph
    replaced: set[str] = set()
    for node in graph.node:
        if node.op_type != LOOKUP or node.input[0] not in tables:
            continue
        handle, given, otherwise = node.input
        keys, values = tf.raw_ops.LookupTableExportV2(table_handle=tables[handle], Tkeys=tf.string, Tvalues=tf.int64)
        default = next(numpy_helper.to_array(each) for each in graph.initializer if each.name == otherwise)
        node.CopyFrom(
            helper.make_node(
                "LabelEncoder",
                [given],
                list(node.output),
                name=node.name,
                domain=_DOMAIN,
                keys_strings=list(keys.numpy()),
                values_int64s=values.numpy().tolist(),
                default_int64=int(default),
            )
        )
        replaced |= {handle, otherwise}
    still = {name for node in graph.node for name in node.input}
    for group in (graph.input, graph.initializer):
        for gone in [each for each in group if each.name in replaced - still]:
            group.remove(gone)
    if replaced and not any(each.domain == _DOMAIN for each in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_DOMAIN, _VERSION))
