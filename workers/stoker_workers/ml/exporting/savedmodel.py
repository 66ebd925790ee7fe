"""SavedModel: what TensorFlow Serving, Triton and `tf.saved_model.load` read."""

from pathlib import Path

import tensorflow as tf

from ..optimisation.litert import converting
from .named_graph import SERVING, NamedGraph


def write(graph: NamedGraph, folder: Path) -> None:
    """Save a traced model with its weights, as the serving function.

    Raises:
        ConversionFailed: TensorFlow cannot save it.
    """
    with converting():
        tf.saved_model.save(graph.holder, folder, signatures={SERVING: graph.call})
