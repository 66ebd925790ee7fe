"""The Keras model as one TensorFlow graph."""

import math
import os
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stoker.models.manifest import Signature
from stoker.models.tensors import Array, Outputs

from .engine import ModelFailed, by_name

_GRAPH_BYTES = 400_000  # memory of a traced model besides its weights, measured with a small MLP


class TensorFlowEngine:
    """A model as one compiled call: it computes any Keras model on any device.

    The call is traced once, for any number of rows. Batches are still padded to 1, 2, 4, … rows, because oneDNN and
    cuDNN prepare kernels for every new size.

    Attributes:
        specs: the inputs of the traced call, one tensor for each input of the signature, in its order.
        graph: the traced call.
        names: those of the outputs, if there are several, in the order of the traced call.
    """

    name = "tensorflow"

    def __init__(self, model: keras.Model, signature: Signature, max_batch: int) -> None:
        self.threads = os.cpu_count() or 1  # TensorFlow's own default
        self.names = tuple(signature.parts)
        self._max_batch = max_batch
        arranged = _arrangement(model, [spec.name for spec in signature.inputs])

        def call(*tensors: tf.Tensor) -> Any:
            output = model(arranged(tensors), training=False)
            outputs = [output[name] for name in self.names] if self.names else [output]
            return [_known_to_numpy(each) for each in outputs]

        self.specs = [
            tf.TensorSpec((None, *spec.shape), tf.as_dtype(spec.dtype), f"input_{at}")
            for at, spec in enumerate(signature.inputs)
        ]
        self.graph = tf.function(call, autograph=False).get_concrete_function(*self.specs)
        weights = sum(math.prod(weight.shape) * tf.as_dtype(weight.dtype).size for weight in model.weights)
        self.size_bytes: int = weights + _GRAPH_BYTES

    def run(self, columns: Sequence[Array]) -> Outputs:
        rows = len(columns[0])
        padding = min(1 << (rows - 1).bit_length(), self._max_batch) - rows
        try:
            outputs = self.graph(*(tf.constant(_pad(array, padding)) for array in columns))
        except tf.errors.OpError as error:
            raise ModelFailed(_reason(error.message)) from error
        return by_name(self.names, [output.numpy()[:rows] if padding else output.numpy() for output in outputs])

    def no_rows(self) -> Outputs:
        """The outputs for zero rows."""
        return by_name(self.names, [_empty(output) for output in self.graph.structured_outputs])


def _known_to_numpy(output: tf.Tensor) -> tf.Tensor:
    return tf.cast(output, tf.float32) if output.dtype == tf.bfloat16 else output


def _empty(output: tf.TensorSpec) -> Array:
    return np.empty([size or 0 for size in output.shape], output.dtype.as_numpy_dtype)


def _arrangement(model: keras.Model, names: Sequence[str]) -> Callable[[Sequence[tf.Tensor]], Any]:
    """A function from tensors in the signature's order to the structure of the model's inputs.

    A model of one input may have any name for it. A loaded Sequential has no `input`, but takes one.
    """
    declared = None if isinstance(model, keras.Sequential) else model.input
    if isinstance(declared, dict):
        keys = names if len(names) > 1 else list(declared)
        return lambda tensors: dict(zip(keys, tensors, strict=True))
    if isinstance(declared, list | tuple):
        return list
    return itemgetter(0)


def _pad(array: Array, padding: int) -> Array:
    """Adds copies of the last row, which, unlike zeros, is valid for the model."""
    return np.concatenate([array, np.repeat(array[-1:], padding, axis=0)]) if padding else array


def _reason(message: str) -> str:
    """The line of TensorFlow's long message that has the reason."""
    lines = message.partition("[[{{node")[0].strip().splitlines()
    return lines[-1] if lines else message
