"""A Keras model, or the function of a SavedModel, as one TensorFlow graph."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stoker.models.signature import Signature
from stoker.models.tensors import Array, Outputs

from .batches import filled_up
from .engine import ModelFailed, by_name, distinct

_GRAPH_BYTES = 400_000  # memory of a traced model besides its weights, measured with a small MLP


@dataclass(frozen=True)
class Exported:
    """A loaded SavedModel.

    Attributes:
        function: the one that is called, which takes and gives tensors by name.
        weights: its variables.
        loaded: what holds them, for as long as the function is used.
    """

    function: Any
    weights: Sequence[Any]
    loaded: Any


class TensorFlowEngine:
    """A model as one compiled call: it computes any Keras model or SavedModel on any device.

    The call is traced once, for any number of rows. Batches are still padded to 1, 2, 4, … rows, because oneDNN and
    cuDNN prepare kernels for every new size.

    Attributes:
        specs: the inputs of the traced call, one tensor for each input of the signature, in its order.
        graph: the traced call.
        names: those of the outputs, if there are several, in the order of the traced call.
    """

    name = "tensorflow"

    def __init__(self, model: keras.Model | Exported, signature: Signature, max_batch: int) -> None:
        self.threads = os.cpu_count() or 1  # TensorFlow's own default
        self.names = tuple(signature.parts)
        self._max_batch = max_batch
        self._pads = signature.batch is None
        compute = _exported(model, signature) if isinstance(model, Exported) else _called(model, signature)

        def call(*tensors: tf.Tensor) -> Any:
            return [_known_to_numpy(output) for output in compute(tensors)]

        self.specs = [
            tf.TensorSpec((signature.batch, *spec.shape), tf.as_dtype(spec.dtype), f"input_{at}")
            for at, spec in enumerate(signature.inputs)
        ]
        self.graph = tf.function(call, autograph=False).get_concrete_function(*self.specs)
        weights = sum(math.prod(weight.shape) * tf.as_dtype(weight.dtype).size for weight in model.weights)
        self.size_bytes: int = weights + _GRAPH_BYTES

    def run(self, columns: Sequence[Array]) -> Outputs:
        rows = len(columns[0])
        padding = min(1 << (rows - 1).bit_length(), self._max_batch) - rows if self._pads else 0
        try:
            outputs = self.graph(*(tf.constant(filled_up(array, padding)) for array in columns))
        except tf.errors.OpError as error:
            raise ModelFailed(_reason(error.message)) from error
        return by_name(self.names, [output.numpy()[:rows] if padding else output.numpy() for output in outputs])

    def no_rows(self) -> Outputs:
        """The outputs for zero rows."""
        return by_name(self.names, [_empty(output) for output in self.graph.structured_outputs])


def computed(model: keras.Model, signature: Signature, columns: Sequence[Array]) -> Outputs:
    """A model's outputs for a row or two, operation by operation: to trace its call would take a hundred times longer.

    Raises:
        ModelFailed: it cannot compute these inputs.
    """
    try:
        outputs = _called(model, signature)([tf.constant(array) for array in columns])
    except tf.errors.OpError as error:
        raise ModelFailed(_reason(error.message)) from error
    return by_name(tuple(signature.parts), [_known_to_numpy(output).numpy() for output in outputs])


def _known_to_numpy(output: tf.Tensor) -> tf.Tensor:
    return tf.cast(output, tf.float32) if output.dtype == tf.bfloat16 else output


def _empty(output: tf.TensorSpec) -> Array:
    return np.empty([0, *(size or 0 for size in output.shape[1:])], output.dtype.as_numpy_dtype)


def _called(model: keras.Model, signature: Signature) -> Callable[[Sequence[tf.Tensor]], Sequence[tf.Tensor]]:
    """A function from tensors in the signature's order to outputs in its order.

    A model of one input may have any name for it. A loaded Sequential has no `input`, but takes one.
    """
    declared = None if isinstance(model, keras.Sequential) else model.input
    names = [spec.own_name for spec in signature.inputs]

    def compute(tensors: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        arranged: Any = list(tensors)
        if isinstance(declared, dict):
            keys = names if len(names) > 1 else list(declared)
            cast = [_as(tensor, declared[key].dtype) for key, tensor in zip(keys, tensors, strict=True)]
            arranged = dict(zip(keys, cast, strict=True))
        elif isinstance(declared, list | tuple):
            arranged = [_as(tensor, own.dtype) for own, tensor in zip(declared, tensors, strict=True)]
        else:
            [arranged] = arranged if declared is None else [_as(tensors[0], declared.dtype)]
        return _chosen_outputs(model, signature, model(arranged, training=False))

    return compute


def _chosen_outputs(model: keras.Model, signature: Signature, outputs: Any) -> Sequence[tf.Tensor]:
    if not isinstance(outputs, dict | list | tuple):
        return [outputs]
    if len(outputs) == 1:
        return list(outputs.values()) if isinstance(outputs, dict) else outputs
    if not isinstance(outputs, dict):
        outputs = dict(zip(distinct(model.output_names), outputs, strict=True))
    own = {spec.name: spec.own_name for spec in signature.outputs}
    names = signature.parts or own
    return [outputs[own.get(name, name)] for name in names]


def _exported(model: Exported, signature: Signature) -> Callable[[Sequence[tf.Tensor]], Sequence[tf.Tensor]]:
    """The same for a SavedModel."""
    own = model.function.structured_input_signature[1]

    def compute(tensors: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        named = {
            spec.own_name: _as(tensor, own[spec.own_name].dtype)
            for spec, tensor in zip(signature.inputs, tensors, strict=True)
        }
        outputs = model.function(**named)
        return [outputs[spec.own_name] for spec in signature.outputs]

    return compute


def _as(tensor: tf.Tensor, dtype: Any) -> tf.Tensor:
    """A tensor of the model's own type; only pictures come as another one."""
    return tensor if tensor.dtype == tf.as_dtype(dtype) else tf.cast(tensor, dtype)


def _reason(message: str) -> str:
    """The line of TensorFlow's long message that has the reason."""
    lines = message.partition("[[{{node")[0].strip().splitlines()
    return lines[-1] if lines else message
