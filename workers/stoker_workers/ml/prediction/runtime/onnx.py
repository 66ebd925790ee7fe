"""ONNX Runtime: strong at middling batches and larger networks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import tensorflow as tf
from onnxruntime.capi import onnxruntime_pybind11_state as failures
from tf2onnx.convert import from_graph_def

from stoker.models.signature import Signature
from stoker.models.tensors import Array, Outputs

from .engine import ModelFailed, by_name, empty_outputs

_FAILURES = (failures.Fail, failures.InvalidArgument, failures.RuntimeException)


class OnnxEngine:
    """A session of a converted model.

    Args:
        content: from `converted_to_onnx`.
        threads: the number of threads of a call.
        names: those of the outputs, if there are several.
    """

    name = "onnx"

    def __init__(self, content: bytes, threads: int, names: Sequence[str] = ()) -> None:
        self.threads = threads
        self._session = onnx_session(content, threads)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._names = names
        self.size_bytes = len(content)

    def run(self, columns: Sequence[Array]) -> Outputs:
        try:
            outputs: list[Array] = self._session.run(
                self._outputs, {f"input_{at}:0": array for at, array in enumerate(columns)}
            )
        except _FAILURES as error:
            raise ModelFailed(str(error)) from error
        return by_name(self._names, outputs)


class OnnxFile:
    """A session of a model that was made elsewhere; its inputs and outputs go by their names."""

    name = "onnx"

    def __init__(self, content: bytes, threads: int, signature: Signature) -> None:
        self.threads = threads
        self.size_bytes = len(content)
        self._signature = signature
        self._session = onnx_session(content, threads)
        dtypes = {given.name: given.type for given in self._session.get_inputs()}
        self._inputs = [(spec.own_name, ONNX_DTYPES[dtypes[spec.own_name]]) for spec in signature.inputs]
        self._outputs = [spec.own_name for spec in signature.outputs]

    def run(self, columns: Sequence[Array]) -> Outputs:
        """See `Engine`."""
        named = {name: _fitted(array, dtype) for (name, dtype), array in zip(self._inputs, columns, strict=True)}
        try:
            outputs: list[Array] = self._session.run(self._outputs, named)
        except _FAILURES as error:
            raise ModelFailed(str(error)) from error
        return by_name(tuple(self._signature.parts), outputs)

    def no_rows(self) -> Outputs:
        """See `Reference`."""
        return empty_outputs(self._signature)


ONNX_DTYPES = {
    "tensor(bool)": "bool",
    "tensor(double)": "float64",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(string)": "string",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""A signature's name for each of ONNX Runtime's types that numpy has."""


def onnx_session(content: bytes, threads: int) -> Any:
    """A session of a model in memory."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # errors are raised, and need not be logged
    options.enable_mem_pattern = False  # it would cache a plan for every number of rows
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads use no core
    return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])


def _fitted(array: Array, dtype: str) -> Array:
    if dtype == "string":
        texts = [text.decode() if isinstance(text, bytes) else text for text in array.ravel().tolist()]
        return np.array(texts, dtype=object).reshape(array.shape)
    return array if array.dtype == dtype else array.astype(dtype)


def converted_to_onnx(frozen: tf.types.experimental.ConcreteFunction) -> bytes:
    """Convert a graph whose weights are constants to ONNX."""
    content: bytes = converted_proto(frozen).SerializeToString()
    return content


def converted_proto(frozen: tf.types.experimental.ConcreteFunction, names: Mapping[str, str] | None = None) -> Any:
    """The same, parsed.

    Args:
        names: what its inputs and outputs shall be called, by the names of their tensors; None leaves those.
    """
    # Keras' own export takes constants, such as those of a Normalization layer, for inputs.
    model, _ = from_graph_def(
        frozen.graph.as_graph_def(add_shapes=True),
        input_names=[tensor.name for tensor in frozen.inputs],
        output_names=[tensor.name for tensor in frozen.outputs],
        tensors_to_rename=names,
    )
    return model
