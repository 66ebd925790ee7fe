"""Measures the engines on this device, and chooses the best of those that compute the same."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stoker.models.inputs import Inputs
from stoker.models.tensors import Array

from .engine import Engine, ModelFailed
from .inputs import sample as made_up

_log = logging.getLogger(__name__)

MEASURED_ROWS = (1, 16, 256)
_TOLERANCE = 1e-4  # of the largest output: what another order of float32 additions explains
_CALLS = 20
_LIMIT_S = 0.05  # per engine and size; one call is made whatever it takes
_OTHER_CORES_S = 0.0005  # what waking other cores costs those who use them: slots, Redis, the clients
_SLOW_S = 0.25  # a model that takes longer for a batch is not measured with a larger one


@dataclass(frozen=True)
class EngineChoice:
    """The engine for batches of `rows` and more, and how long it took for so many.

    Attributes:
        seconds: of the quickest call; other processes only ever make calls slower.
    """

    rows: int
    engine: Engine
    seconds: float

    @property
    def cost_s(self) -> float:
        """What the choice is made by."""
        return self.seconds + (_OTHER_CORES_S if self.engine.threads > 1 else 0)

    def __str__(self) -> str:
        return f"{self.engine.name} from {self.rows} row(s) on ({self.seconds * 1e3:.3g} ms)"


def pilot(engine: Engine, inputs: Inputs, rows: int, max_batch: int) -> tuple[int, float]:
    """The batch to measure engines with that have so many rows to compute, and about how many seconds this one takes.

    Raises:
        ModelFailed: it cannot compute made-up rows.
    """
    for size in sorted({max(1, min(known, rows, max_batch)) for known in MEASURED_ROWS}):
        sample = made_up(inputs, size)
        engine.run(sample)  # the first call prepares kernels
        began = time.perf_counter()
        engine.run(sample)
        took = time.perf_counter() - began
        if took > _SLOW_S:
            break
    return size, took * rows / size


def choose(
    reference: Engine,
    others: Sequence[Engine],
    inputs: Inputs,
    max_batch: int,
    sizes: Sequence[int] = MEASURED_ROWS,
) -> list[EngineChoice]:
    """The engine to take from the first of these numbers of rows on, and those that are quicker from more rows on.

    Args:
        reference: what the others must agree with.
        inputs: of the model; representative ones are made up.

    Raises:
        ModelFailed: the reference cannot compute made-up inputs.
    """
    samples = []
    for rows in sizes:
        sample = made_up(inputs, min(rows, max_batch))
        samples.append((sample, reference.run(sample)))
        began = time.perf_counter()
        reference.run(sample)  # again, as the first call prepares kernels
        if rows >= max_batch or time.perf_counter() - began > _SLOW_S:
            break
    agreeing = [reference, *(engine for engine in others if all(_agrees(engine, *sample) for sample in samples))]
    choices = []
    for sample, _ in samples:
        measured = [EngineChoice(len(sample[0]), engine, _quickest_s(engine, sample)) for engine in agreeing]
        choices.append(min(measured, key=lambda choice: choice.cost_s))
    return choices


def _agrees(engine: Engine, sample: Sequence[Array], expected: Array) -> bool:
    try:
        given = engine.run(sample)
    except ModelFailed as error:
        _log.info("%s is not taken: it failed where TensorFlow did not: %s", engine.name, error)
        return False
    largest = np.abs(expected).max(initial=0)
    if given.shape == expected.shape and given.dtype == expected.dtype:
        difference = np.abs(given - expected).max(initial=0)
        if difference <= _TOLERANCE * largest:  # never true of NaN
            return True
    _log.info("%s is not taken: its outputs are not those of TensorFlow", engine.name)
    return False


def _quickest_s(engine: Engine, sample: Sequence[Array]) -> float:
    quickest = math.inf
    until = time.perf_counter() + _LIMIT_S
    for _ in range(_CALLS):
        began = time.perf_counter()
        engine.run(sample)
        ended = time.perf_counter()
        quickest = min(quickest, ended - began)
        if ended > until:
            break
    return quickest
