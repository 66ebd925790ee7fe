"""Makes engines besides TensorFlow of a model, where that works and is worth its time."""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow.python.util import deprecation

from ...native import stderr_logged
from .engine import Engine
from .litert import LiteRTEngine, converted_to_litert
from .onnx import OnnxEngine, converted_to_onnx
from .tensorflow import TensorFlowEngine

_log = logging.getLogger(__name__)

# Up to here both conversions together take about a second; and beyond, computing outweighs the overhead they save.
_LARGEST_PARAMETERS = 2_000_000
# A conversion takes 0.1 to 0.5 s, and may halve the work; the second one seldom halves it again.
_WORTH_LITERT_S = 0.3
_WORTH_ONNX_S = 5.0
# Tables of texts, recurrent layers and Python code: converters fail on them, and print a page each about it.
_UNCONVERTIBLE = {"LookupTableFindV2", "TensorListReserve", "EagerPyFunc"}


def converted(reference: TensorFlowEngine, parameters: int, ref: str, work_s: float = math.inf) -> list[Engine]:
    """The other engines that take the model, and pay; none if it is large, takes text or has loops.

    Args:
        parameters: how many numbers the model has learned.
        ref: the model, as the log calls it.
        work_s: how long TensorFlow would take for all that is to be computed.
    """
    graph = reference.graph
    if work_s < _WORTH_LITERT_S or parameters > _LARGEST_PARAMETERS:
        return []
    if any(spec.dtype == tf.string for spec in reference.specs):
        return []
    engines: list[Engine] = []
    threads = os.cpu_count() or 1
    with _quiet(), _optional("a frozen graph", ref):
        frozen = convert_variables_to_constants_v2(graph)
        if _UNCONVERTIBLE & {operation.type for operation in frozen.graph.get_operations()}:
            return []
        if all(None not in spec.shape[1:] for spec in reference.specs):
            with _optional("LiteRT", ref):
                with stderr_logged(_log):
                    content = converted_to_litert(frozen)
                engines += [LiteRTEngine(content, count) for count in sorted({1, threads})]
        if work_s < _WORTH_ONNX_S:
            return engines
        with _optional("ONNX Runtime", ref), stderr_logged(_log):
            engines.append(OnnxEngine(converted_to_onnx(frozen), threads))
    return engines


@contextmanager
def _quiet() -> Iterator[None]:
    """Converters warn of how they work inside, and log what they raise as well."""
    loggers = [logging.getLogger(name) for name in ("absl", "tensorflow", "tf2onnx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with deprecation.silence():
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _optional(what: str, ref: str) -> Iterator[None]:
    """Do without what cannot be made."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # a converter may raise anything, and the model runs without it
        _log.info("%s is served without %s: %s", ref, what, str(error).strip().partition("\n")[0])
