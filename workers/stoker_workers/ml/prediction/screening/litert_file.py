"""What is checked of a .tflite file before an interpreter opens it: its tables are whole, and all is in the file."""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from stoker.errors import InvalidJob

from .screen import screen

_MARK = b"TFL3"
_VERSION = 3
_MOST_PARTS = 1_000_000
# Activations are planned by the shapes in the file.
_LARGEST_TENSOR = 1 << 32
_MOST_AXES = 64
_BITS = {
    schema.TensorType.FLOAT32: 32,
    schema.TensorType.FLOAT16: 16,
    schema.TensorType.INT32: 32,
    schema.TensorType.UINT8: 8,
    schema.TensorType.INT64: 64,
    schema.TensorType.BOOL: 8,
    schema.TensorType.INT16: 16,
    schema.TensorType.COMPLEX64: 64,
    schema.TensorType.INT8: 8,
    schema.TensorType.FLOAT64: 64,
    schema.TensorType.UINT64: 64,
    schema.TensorType.UINT32: 32,
    schema.TensorType.UINT16: 16,
    schema.TensorType.INT4: 4,
    schema.TensorType.BFLOAT16: 16,
}
# A string has any length.
_NO_BITS = (schema.TensorType.STRING, schema.TensorType.RESOURCE, schema.TensorType.VARIANT)


@screen
def check_litert(path: Path, what: str) -> None:
    """Check a file.

    Raises:
        InvalidJob: it is none or damaged, keeps weights elsewhere, claims weights that it has not, or needs operators
            of somebody's.
    """
    content = path.read_bytes()
    if len(content) < 8 or content[4:8] != _MARK:
        raise InvalidJob(f"{what} is no LiteRT file: expected the mark TFL3 in its head; convert the model again")
    try:
        model = schema.Model.GetRootAs(content, 0)
        if model.Version() != _VERSION or not model.SubgraphsLength():
            raise InvalidJob(f"{what} is no LiteRT file of version {_VERSION} with a graph; convert the model again")
        _File(model, content, what).check()
    # What Python's reader of flatbuffers raises where an offset leads out of the file.
    except (
        struct.error,
        IndexError,
        TypeError,
        ValueError,
        OverflowError,
        AttributeError,
        UnicodeDecodeError,
    ) as error:
        raise InvalidJob(f"{what} is a damaged LiteRT file ({error}); convert the model again") from error


class _File:
    def __init__(self, model: Any, content: bytes, what: str) -> None:
        self._model = model
        self._content = content
        self._what = what

    def check(self) -> None:
        model = self._model
        counts = (model.SubgraphsLength(), model.BuffersLength(), model.OperatorCodesLength())
        counts += tuple(model.Subgraphs(at).TensorsLength() for at in range(min(model.SubgraphsLength(), _MOST_PARTS)))
        counts += tuple(
            model.Subgraphs(at).OperatorsLength() for at in range(min(model.SubgraphsLength(), _MOST_PARTS))
        )
        if sum(counts) + sum(self._ends()) > _MOST_PARTS:
            raise InvalidJob(f"{self._what} has more than {_MOST_PARTS:,} parts; no model has so many")
        if model.ExternalBufferGroupsLength() or model.ExternalBuffersLength():
            raise InvalidJob(f"{self._what} keeps weights in another file, which is never read; convert it into one")
        for at in range(model.OperatorCodesLength()):
            self._check_operator(model.OperatorCodes(at))
        sizes = [self._buffer_bytes(model.Buffers(at)) for at in range(model.BuffersLength())]
        for at in range(model.SubgraphsLength()):
            graph = model.Subgraphs(at)
            for index in range(graph.TensorsLength()):
                self._check_tensor(graph.Tensors(index), sizes)
            self._check_indices(graph)

    def _ends(self) -> Iterator[int]:
        """How many inputs and outputs each graph and operator has."""
        for at in range(self._model.SubgraphsLength()):
            graph = self._model.Subgraphs(at)
            yield graph.InputsLength() + graph.OutputsLength()
            for index in range(min(graph.OperatorsLength(), _MOST_PARTS)):
                operator = graph.Operators(index)
                yield operator.InputsLength() + operator.OutputsLength()

    def _check_operator(self, operator: Any) -> None:
        if (name := operator.CustomCode()) is None:
            return
        text = name.decode(errors="replace")
        needs = "TensorFlow's own operators" if text.startswith("Flex") else "an operator of somebody's"
        raise InvalidJob(
            f"{self._what} needs {text[:80]!r}, {needs}, which LiteRT has not: convert the model with "
            "target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS], or import its SavedModel"
        )

    def _buffer_bytes(self, buffer: Any) -> int:
        offset, size = buffer.Offset(), buffer.Size()
        if size and offset + size > len(self._content):
            raise InvalidJob(f"{self._what} is cut off: a buffer of it lies behind its end; convert the model again")
        length = int(buffer.DataLength())
        if length:
            # The last byte is read, so that a length which leads out of the file is known.
            buffer.Data(length - 1)
        return length or int(size)

    def _check_tensor(self, tensor: Any, sizes: list[int]) -> None:
        if tensor.ShapeLength() > _MOST_AXES:
            raise InvalidJob(f"{self._what} has a tensor of {tensor.ShapeLength():,} axes; no model has")
        shape = [tensor.Shape(at) for at in range(tensor.ShapeLength())]
        name = (tensor.Name() or b"").decode(errors="replace")[:80]
        if tensor.Type() not in _BITS and tensor.Type() not in _NO_BITS:
            raise InvalidJob(f"{self._what} has the tensor {name!r} of a type unknown here; convert the model again")
        if tensor.ExternalBuffer():
            raise InvalidJob(f"{self._what} keeps {name!r} in another file, which is never read; convert it into one")
        if any(size < -1 for size in shape) or tensor.Buffer() >= len(sizes):
            raise InvalidJob(f"{self._what} has the tensor {name!r} of a negative size or without a buffer")
        bits = _BITS.get(tensor.Type())
        if bits is None:
            return
        # Sparse weights are stored with fewer values than their shape.
        claimed = math.prod(max(1, size) if size < 0 else size for size in shape) * bits // 8
        stored = sizes[tensor.Buffer()]
        if claimed > _LARGEST_TENSOR or (stored and stored < claimed and tensor.Sparsity() is None):
            raise InvalidJob(
                f"{self._what} claims {claimed:,} bytes for {name!r} and holds {stored:,}; the file is damaged, or "
                "made to fill a memory"
            )

    def _check_indices(self, graph: Any) -> None:
        most = graph.TensorsLength()
        for at in range(graph.OperatorsLength()):
            operator = graph.Operators(at)
            used = [operator.Inputs(index) for index in range(operator.InputsLength())]
            used += [operator.Outputs(index) for index in range(operator.OutputsLength())]
            # -1 stands for an optional input that is left out.
            if (
                any(not -1 <= index < most for index in used)
                or operator.OpcodeIndex() >= self._model.OperatorCodesLength()
            ):
                raise InvalidJob(f"{self._what} has an operator on a tensor that is not there; convert the model again")
        ends = [graph.Inputs(at) for at in range(graph.InputsLength())]
        ends += [graph.Outputs(at) for at in range(graph.OutputsLength())]
        if any(not 0 <= index < most for index in ends):
            raise InvalidJob(f"{self._what} has an input or output that is not there; convert the model again")
