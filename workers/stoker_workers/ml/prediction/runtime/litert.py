"""LiteRT, formerly TensorFlow Lite: it has the least overhead per call, a few microseconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from stoker.models.signature import Signature
from stoker.models.tensors import Array, Outputs

from .engine import ModelFailed, by_name, distinct, empty_outputs


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
        return by_name(self._names, self._invoke(columns))

    def _invoke(self, columns: Sequence[Array]) -> list[Array]:
        """All outputs of the interpreter, in its order."""
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
        return outputs

    def _resize(self, columns: Sequence[Array]) -> None:
        self._shapes = []  # unknown, should this fail
        for index, array in zip(self._inputs, columns, strict=True):
            self._interpreter.resize_tensor_input(index, array.shape)
        self._interpreter.allocate_tensors()
        self._shapes = [array.shape for array in columns]


@dataclass(frozen=True)
class Quantised:
    """How whole numbers stand for real ones: `scale` × (number − `zero`).

    Attributes:
        dtype: of the whole numbers.
    """

    scale: float
    zero: int
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, detail: Any) -> Self | None:
        """That of a tensor of an interpreter; None for one that is not quantised."""
        dtype = np.dtype(detail["dtype"])
        scale, zero = detail["quantization"]
        return cls(float(scale), int(zero), dtype) if scale and dtype.kind in "iu" else None

    def real(self, numbers: Array) -> Array:
        """The real numbers that whole ones stand for, float32."""
        return (np.float32(self.scale) * (numbers.astype(np.float32) - np.float32(self.zero))).astype(np.float32)

    def whole(self, numbers: Array) -> Array:
        """The nearest whole numbers."""
        limits = np.iinfo(self.dtype)
        return (np.round(numbers / self.scale) + self.zero).clip(limits.min, limits.max).astype(self.dtype)


class LiteRTFile(LiteRTEngine):
    """An interpreter of a model that was made elsewhere.

    Outputs that are quantised are given as the real numbers that they stand for, and an input that is quantised takes
    real numbers if its signature says float32.
    """

    def __init__(self, content: bytes, threads: int, signature: Signature) -> None:
        super().__init__(content, threads, tuple(signature.parts))
        self._signature = signature
        inputs = {detail["name"]: detail for detail in self._interpreter.get_input_details()}
        outputs = self._interpreter.get_output_details()
        own = distinct([detail["name"] for detail in outputs])
        self._inputs = [inputs[spec.own_name]["index"] for spec in signature.inputs]
        self._dtypes = [np.dtype(inputs[spec.own_name]["dtype"]) for spec in signature.inputs]
        self._whole = [Quantised.of(inputs[spec.own_name]) for spec in signature.inputs]
        self._served = [own.index(spec.own_name) for spec in signature.outputs]
        self._real = [Quantised.of(outputs[at]) for at in self._served]

    def run(self, columns: Sequence[Array]) -> Outputs:
        """See `Engine`."""
        fitted = [
            array if array.dtype == dtype or dtype.kind not in "biuf" else _fitted(array, dtype, quantised)
            for array, dtype, quantised in zip(columns, self._dtypes, self._whole, strict=True)
        ]
        given = self._invoke(fitted)
        outputs = [
            quantised.real(given[at]) if quantised else given[at]
            for at, quantised in zip(self._served, self._real, strict=True)
        ]
        return by_name(self._names, outputs)

    def no_rows(self) -> Outputs:
        """See `Reference`."""
        return empty_outputs(self._signature)


def _fitted(array: Array, dtype: np.dtype[Any], quantised: Quantised | None) -> Array:
    return quantised.whole(array) if quantised and array.dtype.kind == "f" else array.astype(dtype)


def converted_to_litert(frozen: tf.types.experimental.ConcreteFunction) -> bytes:
    """Convert a graph whose weights are constants to LiteRT's format."""
    # With Keras 3, the converter would lose weights that are variables.
    content: bytes = tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()
    return content
