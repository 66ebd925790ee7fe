"""LiteRT: what ai-edge-litert and TensorFlow Lite read, on phones and small devices."""

import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from ..optimisation.litert import converting
from .named_graph import SERVING, NamedGraph


def write(graph: NamedGraph, path: Path) -> None:
    """Convert a traced model in float32; its function `serving_default` has the names of its signature.

    Raises:
        ConversionFailed: the converter refuses it.
    """
    with converting(), tempfile.TemporaryDirectory(dir=path.parent.parent) as folder:
        # With Keras 3, the converter would lose weights that are variables.
        frozen = convert_variables_to_constants_v2(graph.call)
        tf.saved_model.save(_holder(frozen, graph), folder, signatures={SERVING: _call(frozen, graph)})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SERVING])
        path.write_bytes(converter.convert())


def _holder(frozen: Any, graph: NamedGraph) -> tf.Module:
    holder = tf.Module()
    holder.frozen, holder.model = frozen, graph.holder
    return holder


def _call(frozen: Any, graph: NamedGraph) -> Any:
    def call(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(graph.outputs, frozen(*tensors), strict=True))

    specs = [
        tf.TensorSpec(tensor.shape, tensor.dtype, name)
        for tensor, name in zip(frozen.inputs[: len(graph.inputs)], graph.inputs, strict=True)
    ]
    return tf.function(call, autograph=False).get_concrete_function(*specs)
