"""What models cost: parameters, bytes, milliseconds, rows per second, memory."""

import resource
import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np

from stoker.kinds import Efficiency, Latency
from stoker.models.model_files import served_bytes
from stoker.models.tensors import Array

from ..data.source import rows_of
from ..prediction.predictor import Predictor
from ..progress import obey_stop
from ..run import Run

LATENCY_ROWS = (1, 32)
_WARM_UP_CALLS = 2
_CALLS = 500  # enough for a 99th percentile that five calls lie above
_LIMIT_S = 0.6  # per model and batch size: a slow model is measured by fewer calls
_TURN_CALLS = 20
_TURN_S = 0.03
_PEAK_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024  # of getrusage's maximum resident set size


def measure(models: Sequence[tuple[Predictor, Mapping[str, Array]]], run: Run) -> list[Efficiency]:
    """Time models on the device of this process, side by side; takes about two seconds for each.

    Args:
        models: each with one batch of real rows; throughput is measured on the whole of it.

    Raises:
        Stopped: a stop was asked for.
    """
    batches = [[(predictor, _resized(inputs, rows)) for predictor, inputs in models] for rows in LATENCY_ROWS]
    *latencies, whole = (_call_seconds(calls, run) for calls in [*batches, models])
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT_BYTES
    return [
        Efficiency(
            parameters=predictor.version.parameters,
            file_bytes=served_bytes(predictor.version),
            latency={rows: _latency(seconds[at]) for rows, seconds in zip(LATENCY_ROWS, latencies, strict=True)},
            rows_per_s=rows_of(inputs) / float(np.median(whole[at])),
            peak_memory_bytes=peak_bytes,
        )
        for at, (predictor, inputs) in enumerate(models)
    ]


def _latency(seconds: Sequence[float]) -> Latency:
    p50, p99 = np.percentile(seconds, (50, 99))
    return Latency(p50_ms=float(p50) * 1e3, p99_ms=float(p99) * 1e3)


def _call_seconds(models: Sequence[tuple[Predictor, Mapping[str, Array]]], run: Run) -> list[list[float]]:
    """How long each model takes for its rows, again and again.

    They take turns, so that whatever else the machine does hits all alike.
    """
    watches = [_Stopwatch(predictor, inputs) for predictor, inputs in models]
    while waiting := [watch for watch in watches if not watch.is_done]:
        for watch in waiting:
            obey_stop(run)
            watch.take_turn()
    return [watch.seconds for watch in watches]


class _Stopwatch:
    """Times a model again and again.

    Attributes:
        seconds: how long each call took.
    """

    def __init__(self, predictor: Predictor, inputs: Mapping[str, Array]) -> None:
        self.seconds: list[float] = []
        self._predictor = predictor
        self._inputs = inputs
        self._spent_s = 0.0
        for _ in range(_WARM_UP_CALLS):
            predictor.predict(inputs)

    @property
    def is_done(self) -> bool:
        """Whether it has been called often enough, or for long enough."""
        return len(self.seconds) >= _CALLS or (bool(self.seconds) and self._spent_s >= _LIMIT_S)

    def take_turn(self) -> None:
        """Time some calls. One before them does not count: it finds the caches full of what ran last."""
        began = time.perf_counter()
        self._predictor.predict(self._inputs)
        ended = time.perf_counter()
        until = ended + _TURN_S
        for _ in range(_TURN_CALLS):
            called = time.perf_counter()
            self._predictor.predict(self._inputs)
            ended = time.perf_counter()
            self.seconds.append(ended - called)
            if ended >= until:
                break
        self._spent_s += ended - began


def _resized(inputs: Mapping[str, Array], rows: int) -> dict[str, Array]:
    """The first rows, over again where there are too few."""
    return {name: array[np.arange(rows) % len(array)] for name, array in inputs.items()}
