"""What is checked of an ONNX file before a runtime opens it: one file, with nothing of it elsewhere."""

import math
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from stoker.errors import InvalidJob

# Others need a library of somebody's.
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
# Runs Python, or the machine code of somebody's.
_RUNS_CODE = frozenset({"PyOp", "PythonOp", "ATen", "EPContext"})
_LARGEST = 2**31 - 1
_DEEPEST = 50
_PACKED_BITS = {"UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}


def check_onnx(path: Path, what: str) -> onnx.ModelProto:
    """Check a file; gives the model's description, parsed, with nothing loaded.

    Raises:
        InvalidJob: it is none, refers to another file, claims weights that it has not, or needs code of somebody's.
    """
    if path.stat().st_size > _LARGEST:
        raise InvalidJob(f"{what} is larger than 2 GiB, which an ONNX file in one piece cannot be")
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(path.read_bytes())
    except (DecodeError, RecursionError) as error:
        raise InvalidJob(f"{what} is no ONNX file: {error}; export the model again") from error
    if not model.HasField("graph") or not model.graph.output:
        raise InvalidJob(f"{what} has no graph with an output: it is no ONNX model; export it again")
    if model.ListFields() and any(field.name == "training_info" for field, _ in model.ListFields()):
        raise InvalidJob(f"{what} holds a training; export it for inference")
    for used in (model, *model.functions):
        for opset in used.opset_import:
            if opset.domain not in _DOMAINS and not any(each.domain == opset.domain for each in model.functions):
                raise InvalidJob(
                    f"{what} needs operators of {opset.domain!r}, which ONNX Runtime has not of itself; export it with "
                    "ONNX's own operators"
                )
    for graph in _graphs(model, what):
        for tensor in _tensors(graph):
            _check_tensor(tensor, what)
        for node in graph.node:
            if node.op_type in _RUNS_CODE:
                raise InvalidJob(f"{what} has the operator {node.op_type}, which can run any code; export it without")
    return model


def _graphs(model: onnx.ModelProto, what: str) -> Iterator[onnx.GraphProto | onnx.FunctionProto]:
    """The model's graph, its functions, and the graphs within their nodes."""
    open_graphs: list[tuple[onnx.GraphProto | onnx.FunctionProto, int]] = [(model.graph, 0)]
    open_graphs += [(function, 0) for function in model.functions]
    while open_graphs:
        graph, depth = open_graphs.pop()
        if depth > _DEEPEST:
            raise InvalidJob(f"{what} has graphs nested more than {_DEEPEST} deep; no model has")
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                open_graphs += [(inner, depth + 1) for inner in attribute.graphs]
                if attribute.HasField("g"):
                    open_graphs.append((attribute.g, depth + 1))


def _tensors(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.TensorProto]:
    """Every tensor that is written into a graph."""
    if isinstance(graph, onnx.GraphProto):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
            for sparse in (*attribute.sparse_tensors, attribute.sparse_tensor):
                yield from (sparse.values, sparse.indices)


def _check_tensor(tensor: onnx.TensorProto, what: str) -> None:
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise InvalidJob(
            f"{what} keeps the tensor {tensor.name!r} in another file, which is never read; save it in one piece: "
            "onnx.save(onnx.load(path), new_path)"
        )
    if not tensor.data_type:
        return
    if any(size < 0 for size in tensor.dims):
        raise InvalidJob(f"{what} has the tensor {tensor.name!r} of a negative size; export it again")
    if tensor.data_type not in onnx.TensorProto.DataType.values():
        raise InvalidJob(f"{what} has the tensor {tensor.name!r} of an unknown type; export it again")
    claimed = math.prod(tensor.dims)
    if claimed > _stored(tensor):
        raise InvalidJob(
            f"{what} claims {claimed:,} values of {tensor.name!r} and holds {_stored(tensor):,}; the file is damaged, "
            "or made to fill a memory"
        )


def _stored(tensor: onnx.TensorProto) -> int:
    """How many values of a tensor there are."""
    name = onnx.TensorProto.DataType.Name(tensor.data_type)
    bits = _PACKED_BITS.get(name)
    if tensor.raw_data:
        if bits is None:
            bits = 8 * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize if name != "STRING" else 8
        return 8 * len(tensor.raw_data) // bits
    lists = (tensor.float_data, tensor.int32_data, tensor.string_data, tensor.int64_data, tensor.double_data)
    values = max(*map(len, lists), len(tensor.uint64_data))
    return values * (32 // bits if bits else 1)
