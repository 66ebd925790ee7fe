"""Measures engines on this device, and chooses the quickest of those whose outputs agree."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stoker.models.inputs import Inputs
from stoker.models.tensors import Array, Outputs

from .engine import Engine, ModelFailed, Say, listed_outputs
from .inputs import sample as made_up

MEASURED_ROWS = (1, 16, 256)
_TOLERANCE = 1e-4  # relative to the largest output: explained by another order of float32 additions
_CALLS = 20
_LIMIT_S = 0.05  # per engine and size; at least one call is made
_OTHER_CORES_S = 0.0005  # the cost of using other cores, which slots, Redis and clients need, too
_SLOW_S = 0.25  # if a batch takes longer, no larger one is measured


@dataclass(frozen=True)
class EngineChoice:
    """The engine for batches of `rows` rows and more.

    Attributes:
        seconds: the quickest call of `rows` rows; other processes only make calls slower.
    """

    rows: int
    engine: Engine
    seconds: float

    @property
    def cost_s(self) -> float:
        """The cost by which engines are compared."""
        return self.seconds + (_OTHER_CORES_S if self.engine.threads > 1 else 0)

    def __str__(self) -> str:
        return f"{self.engine.name} from {self.rows} row(s) on ({self.seconds * 1e3:.3g} ms)"


def pilot(engine: Engine, inputs: Inputs, rows: int, max_batch: int) -> tuple[int, float]:
    """The batch size to measure engines with, and about how many seconds `engine` takes for all rows.

    Raises:
        ModelFailed: it fails on made-up rows.
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
    say: Say,
    sizes: Sequence[int] = MEASURED_ROWS,
) -> list[EngineChoice]:
    """The quickest engine for each batch size.

    Args:
        reference: the engine that the others must agree with.
        inputs: the model's; representative rows are made up.
        say: takes which of the others do not agree.
        sizes: the batch sizes to measure, ascending.

    Raises:
        ModelFailed: the reference fails on made-up rows.
    """
    samples = []
    for rows in sizes:
        sample = made_up(inputs, min(rows, max_batch))
        samples.append((sample, reference.run(sample)))
        began = time.perf_counter()
        reference.run(sample)  # again, as the first call prepares kernels
        if rows >= max_batch or time.perf_counter() - began > _SLOW_S:
            break
    agreeing = [reference, *(engine for engine in others if all(_agrees(engine, *sample, say) for sample in samples))]
    choices = []
    for sample, _ in samples:
        measured = [EngineChoice(len(sample[0]), engine, _quickest_s(engine, sample)) for engine in agreeing]
        choices.append(min(measured, key=lambda choice: choice.cost_s))
    return choices


def _agrees(engine: Engine, sample: Sequence[Array], expected: Outputs, say: Say) -> bool:
    try:
        actual = listed_outputs(engine.run(sample))
    except ModelFailed as error:
        say(logging.WARNING, f"is computed without {engine.name}, which failed where TensorFlow did not: {error}")
        return False
    if all(map(_is_same, actual, listed_outputs(expected))):
        return True
    say(logging.WARNING, f"is computed without {engine.name}, whose outputs are not those of TensorFlow")
    return False


def _is_same(actual: Array, expected: Array) -> bool:
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return False
    difference = np.abs(actual - expected).max(initial=0)
    return bool(difference <= _TOLERANCE * np.abs(expected).max(initial=0))  # never true of NaN


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
