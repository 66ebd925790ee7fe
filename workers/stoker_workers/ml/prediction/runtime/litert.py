"""LiteRT, formerly TensorFlow Lite: it has the least overhead per call, a few microseconds."""

from collections.abc import Sequence

import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from stoker.models.tensors import Array, Outputs

from .engine import ModelFailed, by_name


class LiteRTEngine:
    """An interpreter of a converted model.

    It is resized whenever the number of rows changes. That takes 10 to 50 µs, less than padding would.

    Args:
        content: from `converted_to_litert`.
        threads: the number of threads of a call.
        names: those of the outputs, if there are several.
    """

    def __init__(self, content: bytes, threads: int, names: Sequence[str] = ()) -> None:
        self.name = "litert" if threads == 1 else f"litert×{threads}"
        self.threads = threads
        self._content = content  # the interpreter reads the weights from these bytes
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._interpreter.allocate_tensors()  # writes of its delegate to stderr, the first time: see `converted`
        self._inputs: list[int] = [detail["index"] for detail in self._interpreter.get_input_details()]
        self._outputs: list[int] = [detail["index"] for detail in self._interpreter.get_output_details()]
        self._names = names
        self._shapes: list[tuple[int, ...]] = []

    @property
    def size_bytes(self) -> int:
        """The file, and the copy of its weights that XNNPACK packs for the processor."""
        return 2 * len(self._content)

    def run(self, columns: Sequence[Array]) -> Outputs:
        interpreter = self._interpreter
        try:
            if [array.shape for array in columns] != self._shapes:
                self._resize(columns)
            for index, array in zip(self._inputs, columns, strict=True):
                interpreter.set_tensor(index, array)
            interpreter.invoke()
            outputs: list[Array] = [interpreter.get_tensor(index) for index in self._outputs]
        except (RuntimeError, ValueError) as error:
            raise ModelFailed(str(error)) from error
        return by_name(self._names, outputs)

    def _resize(self, columns: Sequence[Array]) -> None:
        self._shapes = []  # unknown, should this fail
        for index, array in zip(self._inputs, columns, strict=True):
            self._interpreter.resize_tensor_input(index, array.shape)
        self._interpreter.allocate_tensors()
        self._shapes = [array.shape for array in columns]


def converted_to_litert(frozen: tf.types.experimental.ConcreteFunction) -> bytes:
    """Convert a graph whose weights are constants to LiteRT's format."""
    # With Keras 3, the converter would lose weights that are variables.
    content: bytes = tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()
    return content
