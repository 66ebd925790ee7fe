"""What is checked of an ONNX file before a runtime opens it: one file, with nothing of it elsewhere."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from stoker.errors import InvalidJob
from stoker.kinds.problems import short

from .calls import check_calls
from .screen import screen

# Others need a library of somebody's.
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
# Runs Python, or the machine code of somebody's.
_RUNS_CODE = frozenset({"PyOp", "PythonOp", "ATen", "EPContext"})
_LARGEST = 2**31 - 1
# ONNX Runtime takes bytes with this mark at their place for a file of its own format, whatever else they are.
_OTHER_FORMAT, _MARK_AT = b"ORTM", 4
_PACKED_BITS = {"UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}


@screen
def check_onnx(path: Path, what: str) -> onnx.ModelProto:
    """Check a file; gives the model's description, parsed, with nothing loaded.

    Raises:
        InvalidJob: it is none, refers to another file, claims weights that it has not, or needs code of somebody's.
    """
    if path.stat().st_size > _LARGEST:
        raise InvalidJob(f"{what} is larger than 2 GiB, which an ONNX file in one piece cannot be")
    content = path.read_bytes()
    if content.startswith(_OTHER_FORMAT, _MARK_AT):
        raise InvalidJob(f"{what} is a file of ONNX Runtime's own format, which is not read here; give the .onnx file")
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(content)
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
                    f"{what} needs operators of {short(opset.domain)}, which ONNX Runtime has not of itself; export it "
                    "with ONNX's own operators"
                )
    for part in _parts(model):
        if isinstance(part, onnx.TensorProto):
            _check_tensor(part, what)
        elif isinstance(part, onnx.NodeProto) and part.op_type in _RUNS_CODE:
            raise InvalidJob(f"{what} has the operator {part.op_type}, which can run any code; export it without")
    _check_calls(model, what)
    return model


def _parts(message: Any) -> Iterator[Any]:
    """A message and all that are in it, wherever they are; but nothing of what a tensor is made of."""
    open_parts = [message]
    while open_parts:
        part = open_parts.pop()
        yield part
        if not isinstance(part, onnx.TensorProto):
            for field, value in part.ListFields():
                if field.message_type is not None:
                    open_parts += value if field.is_repeated else [value]


def _check_calls(model: onnx.ModelProto, what: str) -> None:
    functions = {(each.domain, each.name, each.overload): _operators(each) for each in model.functions}
    if functions:
        check_calls({**functions, ("", "", ""): _operators(model.graph)}, what)


def _operators(part: onnx.GraphProto | onnx.FunctionProto) -> list[tuple[str, str, str]]:
    nodes = [each for each in _parts(part) if isinstance(each, onnx.NodeProto)]
    return [(node.domain, node.op_type, node.overload) for node in nodes]


def _check_tensor(tensor: onnx.TensorProto, what: str) -> None:
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise InvalidJob(
            f"{what} keeps the tensor {short(tensor.name)} in another file, which is never read; save it in one piece: "
            "onnx.save(onnx.load(path), new_path)"
        )
    if not tensor.data_type:
        return
    if any(size < 0 for size in tensor.dims):
        raise InvalidJob(f"{what} has the tensor {short(tensor.name)} of a negative size; export it again")
    if tensor.data_type not in onnx.TensorProto.DataType.values():
        raise InvalidJob(f"{what} has the tensor {short(tensor.name)} of an unknown type; export it again")
    claimed = math.prod(tensor.dims)
    if claimed > _stored(tensor):
        raise InvalidJob(
            f"{what} claims {claimed:,} values of {short(tensor.name)} and holds {_stored(tensor):,}; the file is "
            "damaged, or made to fill a memory"
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
