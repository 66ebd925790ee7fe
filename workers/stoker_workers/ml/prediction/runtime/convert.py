"""Converts a model to other engines, if that works and is worth its time."""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow.python.util import deprecation

from ...native import stderr_logged
from .engine import Engine, Say
from .litert import LiteRTEngine, converted_to_litert
from .onnx import OnnxEngine, converted_to_onnx
from .tensorflow import TensorFlowEngine

_log = logging.getLogger(__name__)

# Up to here both conversions together take about a second; larger models gain little from less overhead.
_LARGEST_PARAMETERS = 2_000_000
# A conversion takes 0.1 to 0.5 s and may halve the computing time; a second conversion seldom halves it again.
_WORTH_LITERT_S = 0.3
_WORTH_ONNX_S = 5.0
# Text lookups, recurrent layers and Python code: converters fail on them, with a page of output each.
_UNCONVERTIBLE = {"LookupTableFindV2", "TensorListReserve", "EagerPyFunc"}
_ALONE = "is computed by TensorFlow alone"


def converted(reference: TensorFlowEngine, parameters: int, say: Say, work_s: float = math.inf) -> list[Engine]:
    """The other engines for a model, if they are worth it; none if it is large, takes text or has loops.

    Args:
        parameters: the number of the model's parameters.
        say: takes why there are not as many as could be.
        work_s: how long TensorFlow would take for all rows.
    """
    if work_s < _WORTH_LITERT_S:
        return []
    if parameters > _LARGEST_PARAMETERS:
        say(logging.INFO, f"{_ALONE}, for it has more than {_LARGEST_PARAMETERS:,} parameters")
        return []
    if any(spec.dtype == tf.string for spec in reference.specs):
        say(logging.INFO, f"{_ALONE}, for it takes text")
        return []
    engines: list[Engine] = []
    threads = os.cpu_count() or 1
    with _quiet(), _optional("a frozen graph", say):
        frozen = convert_variables_to_constants_v2(reference.graph)
        if hard := sorted(_UNCONVERTIBLE & {operation.type for operation in frozen.graph.get_operations()}):
            say(logging.INFO, f"{_ALONE}, for other engines have no {', '.join(hard)}")
            return []
        if all(None not in spec.shape[1:] for spec in reference.specs):
            # Its interpreters, too, write of themselves to stderr.
            with _optional("LiteRT", say), stderr_logged(_log):
                content = converted_to_litert(frozen)
                engines += [LiteRTEngine(content, count, reference.names) for count in sorted({1, threads})]
        if work_s < _WORTH_ONNX_S:
            return engines
        with _optional("ONNX Runtime", say), stderr_logged(_log):
            engines.append(OnnxEngine(converted_to_onnx(frozen), threads, reference.names))
    return engines


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences converters, which warn of their internals and log what they raise."""
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
def _optional(what: str, say: Say) -> Iterator[None]:
    """Say an error and go on without `what`."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # a converter may raise anything, and the model runs without it
        reason = str(error).strip().partition("\n")[0]
        say(logging.WARNING, f"is computed without {what}, for its conversion failed: {reason}")
