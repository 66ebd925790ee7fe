"""ONNX Runtime: strong at middling batches and larger networks."""

from collections.abc import Sequence

import onnxruntime
import tensorflow as tf
from onnxruntime.capi import onnxruntime_pybind11_state as failures
from tf2onnx.convert import from_graph_def

from stoker.models.tensors import Array, Outputs

from .engine import ModelFailed, by_name

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
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # errors are raised, and need not be logged
        options.enable_mem_pattern = False  # it would cache a plan for every number of rows
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads use no core
        self._session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
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


def converted_to_onnx(frozen: tf.types.experimental.ConcreteFunction) -> bytes:
    """Convert a graph whose weights are constants to ONNX."""
    # Keras' own export takes constants, such as those of a Normalization layer, for inputs.
    model, _ = from_graph_def(
        frozen.graph.as_graph_def(add_shapes=True),
        input_names=[tensor.name for tensor in frozen.inputs],
        output_names=[tensor.name for tensor in frozen.outputs],
    )
    content: bytes = model.SerializeToString()
    return content
