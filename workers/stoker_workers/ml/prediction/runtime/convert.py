"""Converts a model to other engines, if that works and is worth its time."""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
    if why := _plainly_alone(reference, parameters):
        say(logging.INFO, f"{_ALONE}, for {why}")
        return []
    engines: list[Engine] = []
    threads = os.cpu_count() or 1
    with quiet(), _optional("a frozen graph", say):
        frozen = convert_variables_to_constants_v2(reference.graph)
        if why := _unconvertible(frozen):
            say(logging.INFO, f"{_ALONE}, for {why}")
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


def why_alone(reference: TensorFlowEngine, parameters: int) -> str:
    """Why no other engine is tried for a model, as `converted` finds it; "" where some are."""
    why = _plainly_alone(reference, parameters)
    # To freeze a graph adds no operation, and takes a twentieth of a small training.
    if not why and _UNCONVERTIBLE & _operations(reference.graph.graph):
        with quiet(), _optional("a frozen graph", lambda _, what: _log.info("a model %s", what)):
            why = _unconvertible(convert_variables_to_constants_v2(reference.graph))
    return why


def _operations(graph: tf.Graph) -> set[str]:
    """The types of a graph's operations, and of those of its functions."""
    definition = graph.as_graph_def()
    functions = (node.op for function in definition.library.function for node in function.node_def)
    return {*(node.op for node in definition.node), *functions}


def _plainly_alone(reference: TensorFlowEngine, parameters: int) -> str:
    """Why it is not worth a look at the model's graph; "" where it is."""
    if parameters > _LARGEST_PARAMETERS:
        return f"it has more than {_LARGEST_PARAMETERS:,} parameters"
    return "it takes text" if any(spec.dtype == tf.string for spec in reference.specs) else ""


def _unconvertible(frozen: Any) -> str:
    """What a frozen graph has that other engines do not; "" for nothing."""
    hard = sorted(_UNCONVERTIBLE & {operation.type for operation in frozen.graph.get_operations()})
    return f"other engines have no {', '.join(hard)}" if hard else ""


@contextmanager
def quiet() -> Iterator[None]:
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
