"""How right a model is: on the reference, by the labels that have come, and estimated until they do."""

from collections.abc import Sequence
from math import isfinite, sqrt

import numpy as np

from stoker.kinds import Interval
from stoker.models.described import Described

from ..data.source import Floats, Mask

# Of a 95 % interval.
_Z = 1.96
# Of a loss of performance, as sure as one in a thousand.
_Z_ALARM = 3.1
_BINS = 10
_FEWEST = 30


class Measured(Described):
    """A metric of some rows.

    Attributes:
        metric: "accuracy" of labels, "mae" of numbers.
        interval: of 95 %.
        error: its standard error.
    """

    metric: str
    value: float
    interval: Interval
    rows: int
    error: float


class Gate(Described):
    """How right the model is on the reference.

    Attributes:
        measured: None where the reference has no truth.
        confidence: the mean probability of what it predicts; None for numbers.
        calibration_error: by how much these probabilities are off, on average; None where that is not known.
    """

    measured: Measured | None = None
    confidence: float | None = None
    calibration_error: float | None = None


def of_labels(right: Mask) -> Measured:
    """The accuracy, with Wilson's interval, which holds for few rows and for shares near 1, too."""
    rows, share = len(right), float(right.mean())
    middle = (share + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
    half = _Z * sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2)) / (1 + _Z**2 / rows)
    error = sqrt(max(share * (1 - share), 1 / (rows + 4)) / rows)
    # For all rows right or all wrong, the bound is that value itself, which rounding may miss.
    low, high = max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))
    return Measured(metric="accuracy", value=share, interval=Interval(low=low, high=high), rows=rows, error=error)


def of_numbers(errors: Floats) -> Measured:
    """The mean absolute error."""
    sizes = np.abs(errors)
    value, error = float(sizes.mean()), float(sizes.std(ddof=min(1, len(sizes) - 1)) / sqrt(len(sizes)))
    interval = Interval(low=max(0.0, value - _Z * error), high=value + _Z * error)
    return Measured(metric="mae", value=value, interval=interval, rows=len(errors), error=error)


def of_outcomes(outcomes: Sequence[str]) -> Measured | None:
    """What labels say: see `ledger.sampling.Window`; None without any."""
    right = [outcome == "1" for outcome in outcomes if outcome in ("0", "1")]
    if right:
        return of_labels(np.array(right))
    errors = [error for outcome in outcomes if (error := _error_of(outcome)) is not None]
    return of_numbers(np.array(errors)) if errors else None


def _error_of(outcome: str) -> float | None:
    """By how much a number was off; None where one of both is no finite number."""
    try:
        predicted, true = map(float, outcome.split(" "))
    except ValueError:
        return None
    error = predicted - true
    return error if isfinite(error) else None


def gate_of_labels(right: Mask | None, confidence: Floats) -> Gate:
    """The gate of a classifier; without the truth, `right` is None."""
    mean = float(confidence.mean())
    if right is None:
        return Gate(confidence=mean)
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    off = sum(
        abs(float(confidence[bins == n].mean()) - float(right[bins == n].mean())) * float((bins == n).mean())
        for n in range(_BINS)
        if (bins == n).any()
    )
    return Gate(measured=of_labels(right), confidence=mean, calibration_error=off)


def is_worse(measured: Measured, gate: Gate) -> bool:
    """Whether labels say for sure that the model is worse than on the reference, and by more than is negligible."""
    before = gate.measured
    if before is None or before.metric != measured.metric or measured.rows < _FEWEST:
        return False
    loss = before.value - measured.value if measured.metric == "accuracy" else measured.value - before.value
    least = 0.01 if measured.metric == "accuracy" else 0.05 * before.value
    return loss > max(least, _Z_ALARM * sqrt(measured.error**2 + before.error**2))
