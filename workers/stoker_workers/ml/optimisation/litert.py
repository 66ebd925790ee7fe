"""Converting models to LiteRT, in several precisions."""

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from stoker.models.signature import Signature
from stoker.models.tensors import Array

from ..native import stderr_logged
from ..networks.layers import all_layers
from ..prediction.runtime import TensorFlowEngine
from ..prediction.runtime.convert import quiet
from .apart import ConversionFailed

# Which is silent in `quiet`.
_log = logging.getLogger("tensorflow")
Setting = Callable[[Any], None]
"""Sets a converter up."""
# The lines of a converter's page that say why: errors of MLIR, and the operators that LiteRT has not.
_WHY = re.compile(r"error: (?P<error>.*)|(?P<ops>TF Select ops: .*|Custom ops: .*)")
_LONGEST = 300
# Of a recurrent layer that is unrolled: each is about ten operators in the file.
_MOST_STEPS = 128


def graph_of(model: keras.Model, signature: Signature) -> Any:
    """A model as a graph whose weights are constants, with an input for each of the signature's, in order.

    Raises:
        ConversionFailed: it cannot be traced.
    """
    try:
        simplify(model)
        return convert_variables_to_constants_v2(TensorFlowEngine(model, signature, max_batch=1).graph)
    # Tracing calls layers, which are somebody's code and may raise anything.
    except Exception as error:
        raise ConversionFailed(reason(error)) from error


def simplify(model: keras.Model) -> None:
    """Let a model compute by what converters know, where that gives the same."""
    for layer in all_layers(model):
        # What computes in halves to be trained quicker has whole weights; converters know no bfloat16.
        layer.dtype_policy = "float32"
        _unroll(layer)


def _unroll(layer: keras.layers.Layer) -> None:
    """Write the steps of a recurrent layer one behind the other, if they are few: LiteRT has no such loops."""
    recurrent = [getattr(layer, name, None) for name in ("forward_layer", "backward_layer")]
    for each in (layer, *recurrent):
        if isinstance(each, keras.layers.RNN) and (layer.input.shape[1] or _MOST_STEPS + 1) <= _MOST_STEPS:
            each.unroll = True


def converted(graph: Any, set_up: Setting | None = None) -> bytes:
    """A graph in LiteRT's format, by TensorFlow's own converter: the only place that knows it.

    Args:
        set_up: sets its precision; None leaves float32.

    Raises:
        ConversionFailed: the converter refuses it.
    """
    with converting():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
        if set_up:
            set_up(converter)
        content: bytes = converter.convert()
    return content


@contextmanager
def converting() -> Iterator[None]:
    """The block calls a converter.

    Raises:
        ConversionFailed: it refuses the model; its own error, a page of text, is the cause.
    """
    # It writes of its inner workings to stderr, also from native code.
    with quiet(), stderr_logged(_log), warnings.catch_warnings(action="ignore"):
        try:
            yield
        # A converter may raise anything, and says on a page what is wrong.
        except Exception as error:
            raise ConversionFailed(reason(error)) from error


def float16(converter: Any) -> None:
    """Weights of 16 bits."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def dynamic(converter: Any) -> None:
    """Weights of 8 bits; activations are made whole numbers as they come."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def int8(rows: Sequence[Array], batch: int) -> Setting:
    """Weights and activations of 8 bits, whose ranges are those of some rows; float32 goes in and comes out.

    Args:
        rows: for each input of the graph, in order.
        batch: how many of them one call takes.
    """

    def representative() -> Iterator[list[Array]]:
        for start in range(0, len(rows[0]) - batch + 1, batch):
            yield [array[start : start + batch] for array in rows]

    def set_up(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]

    return set_up


def reason(error: Exception) -> str:
    """The line of an error that says why."""
    text = str(error)
    if found := _WHY.search(text):
        return (found["error"] or found["ops"]).strip().rstrip(".")[:_LONGEST]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[0].rstrip(".") if lines else type(error).__name__)[:_LONGEST]
