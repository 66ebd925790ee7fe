"""The Keras model itself, as one TensorFlow graph."""

import math
import os
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stoker.models.manifest import Signature
from stoker.models.tensors import Array

from .engine import ModelFailed

_GRAPH_BYTES = 400_000  # resident memory of a traced model beyond its weights, measured on a small MLP


class TensorFlowEngine:
    """A model behind one compiled call: it takes whatever Keras can express, on whatever device there is.

    The call is traced once, for any number of rows. Batches are padded to 1, 2, 4, … rows all the same: oneDNN and
    cuDNN prepare their kernels anew for every size they meet, so that only a bounded number may meet them.

    Attributes:
        specs: what the traced call takes, one tensor per input of the signature, in its order.
        graph: the traced call.
    """

    name = "tensorflow"

    def __init__(self, model: keras.Model, signature: Signature, max_batch: int) -> None:
        self.threads = os.cpu_count() or 1  # TensorFlow's own default
        self._max_batch = max_batch
        arranged = _arrangement(model, [spec.name for spec in signature.inputs])

        def call(*tensors: tf.Tensor) -> tf.Tensor:
            output = model(arranged(tensors), training=False)
            return tf.cast(output, tf.float32) if output.dtype == tf.bfloat16 else output  # numpy knows no bfloat16

        self.specs = [
            tf.TensorSpec((None, *spec.shape), tf.as_dtype(spec.dtype), f"input_{at}")
            for at, spec in enumerate(signature.inputs)
        ]
        self.graph = tf.function(call, autograph=False).get_concrete_function(*self.specs)
        weights = sum(math.prod(weight.shape) * tf.as_dtype(weight.dtype).size for weight in model.weights)
        self.size_bytes: int = weights + _GRAPH_BYTES

    def run(self, columns: Sequence[Array]) -> Array:
        """See `Engine.run`."""
        rows = len(columns[0])
        padding = min(1 << (rows - 1).bit_length(), self._max_batch) - rows
        try:
            output: Array = self.graph(*(tf.constant(_pad(array, padding)) for array in columns)).numpy()
        except tf.errors.OpError as error:
            raise ModelFailed(_reason(error.message)) from error
        return output[:rows] if padding else output

    def no_rows(self) -> Array:
        """The output for no rows at all."""
        output = self.graph.structured_outputs
        return np.empty([size or 0 for size in output.shape], output.dtype.as_numpy_dtype)


def _arrangement(model: keras.Model, names: Sequence[str]) -> Callable[[Sequence[tf.Tensor]], Any]:
    """How tensors in the signature's order are put together for the model's call: as its own inputs are.

    A model of one input takes it under whatever name it has for it. A loaded Sequential has no `input`, but takes one.
    """
    declared = None if isinstance(model, keras.Sequential) else model.input
    if isinstance(declared, dict):
        keys = names if len(names) > 1 else list(declared)
        return lambda tensors: dict(zip(keys, tensors, strict=True))
    if isinstance(declared, list | tuple):
        return list
    return itemgetter(0)


def _pad(array: Array, padding: int) -> Array:
    """More rows by repeating the last: unlike zeros, it is a value the model takes."""
    return np.concatenate([array, np.repeat(array[-1:], padding, axis=0)]) if padding else array


def _reason(message: str) -> str:
    """The line that says it, of TensorFlow's page about a failed graph."""
    lines = message.partition("[[{{node")[0].strip().splitlines()
    return lines[-1] if lines else message
