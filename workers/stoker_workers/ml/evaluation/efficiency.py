"""What a model costs: parameters, bytes, milliseconds, rows per second, memory."""

import resource
import sys
import time
from collections.abc import Mapping

import numpy as np

from stoker.kinds import Efficiency, Latency
from stoker.models.tensors import Array

from ..prediction.predictor import Predictor

LATENCY_ROWS = (1, 32)
_WARM_UP_CALLS = 3
_CALLS = 500  # enough for a 99th percentile that five calls lie above
_LIMIT_S = 0.6  # per batch size: a slow model is measured by fewer calls
_PEAK_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024  # of getrusage's maximum resident set size


def measure(predictor: Predictor, inputs: Mapping[str, Array], file_bytes: int) -> Efficiency:
    """Time a model on the device of this process; takes about two seconds.

    Args:
        inputs: one batch of real rows; throughput is measured on the whole of it.
        file_bytes: size of the model's file.
    """
    latency = {}
    for rows in LATENCY_ROWS:
        p50, p99 = np.percentile(_call_seconds(predictor, _resized(inputs, rows)), (50, 99))
        latency[rows] = Latency(p50_ms=float(p50) * 1e3, p99_ms=float(p99) * 1e3)
    rows = len(next(iter(inputs.values())))
    return Efficiency(
        parameters=predictor.version.parameters,
        file_bytes=file_bytes,
        latency=latency,
        rows_per_s=rows / float(np.median(_call_seconds(predictor, inputs))),
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT_BYTES,
    )


def _call_seconds(predictor: Predictor, inputs: Mapping[str, Array]) -> list[float]:
    for _ in range(_WARM_UP_CALLS):
        predictor.predict(inputs)
    seconds: list[float] = []
    began = time.perf_counter()
    while len(seconds) < _CALLS and (not seconds or time.perf_counter() - began < _LIMIT_S):
        called = time.perf_counter()
        predictor.predict(inputs)
        seconds.append(time.perf_counter() - called)
    return seconds


def _resized(inputs: Mapping[str, Array], rows: int) -> dict[str, Array]:
    """The first rows, over again where there are too few."""
    return {name: array[np.arange(rows) % len(array)] for name, array in inputs.items()}
