"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365): the mean gradient on the way from a baseline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ..data.source import Floats, Ints, Mask
from ..progress import obey_stop
from ..run import Run
from .explained import Explained
from .split import Halves, Prepared

FIRST_STEPS = 32
TOLERANCE = 0.01
"""Of the difference that attributions add up to, so much may be missing from their sum."""
# What rounding to float32 leaves of a sum of many small numbers, relative to the values themselves.
_ROUNDING = 1e-6
_GROWTH = 4
# Numbers that points of the way hold together in one call, so that activations fit into memory.
_CALL_NUMBERS = 1 << 21
_MOST_POINTS = 1024

Gradients = tuple[Floats, ...]
"""The mean gradient at each of the cuts, (rows, …)."""


@dataclass(frozen=True)
class Integral:
    """The mean gradients of one explained number.

    Attributes:
        units: which class or number it is of each row.
        values, bases: the number itself, and that of the baseline.
        gradients: at each of the cuts.
        errors: by how much the sum of a row's attributions is off.
        steps: how many points the way of each row has.
        complete: of which rows the sum is near enough.
    """

    units: Ints
    values: Floats
    bases: Floats
    gradients: Gradients
    errors: Floats
    steps: Ints
    complete: Mask


class Integrator:
    """Integrates the gradients of a model's second half.

    Args:
        most_steps: points on the way of a row; more would bring nothing.
    """

    def __init__(self, halves: Halves, explained: Explained, most_steps: int, run: Run) -> None:
        self._halves = halves
        self._explained = explained
        self._most = most_steps
        self._run = run
        self._compiled: Callable[..., Any] = tf.function(self._computed, autograph=False, reduce_retracing=True)

    def integrate(self, ends: Prepared, starts: Prepared) -> Integral:
        """The mean gradient between two points for each row, with more and more steps until it is complete.

        Args:
            ends: the rows.
            starts: their baselines.

        Raises:
            Stopped: a stop was asked for.
        """
        units = self._units(ends)
        x, b = (tuple(np.asarray(point, np.float32) for point in each.points) for each in (ends, starts))
        values, bases = self._values(x, ends, units), self._values(b, ends, units)
        gradients = tuple(np.zeros(point.shape) for point in x)
        errors, steps = np.full(len(units), np.inf), np.zeros(len(units), np.int64)
        allowed = np.maximum(TOLERANCE * np.abs(values - bases), _ROUNDING * np.maximum(np.abs(values), np.abs(bases)))
        count = min(FIRST_STEPS, self._most)
        while (left := np.flatnonzero(errors > allowed)).size:
            for row in left.tolist():
                self._set(gradients, row, self._mean(x, b, ends, units, row, count))
            steps[left] = count
            sums = sum(
                (g[left] * (e[left] - s[left])).reshape(len(left), -1).sum(axis=1)
                for g, e, s in zip(gradients, x, b, strict=True)
            )
            errors[left] = np.abs(sums - (values - bases)[left])
            if count == self._most:
                break
            count = min(_GROWTH * count, self._most)
        return Integral(units, values, bases, gradients, errors, steps, errors <= allowed)

    def _units(self, ends: Prepared) -> Ints:
        """Which number of the output is explained of each row."""
        if self._explained.unit is not None:
            return np.full(len(ends.points[0]), self._explained.unit, np.int64)
        scores = self._explained.scores(self._halves.outputs(ends)[self._explained.place])
        chosen: Ints = np.asarray(scores).argmax(axis=1)
        return chosen

    def _values(self, points: Sequence[NDArray[np.float32]], rows: Prepared, units: Ints) -> Floats:
        outputs = self._halves.outputs(Prepared(tuple(map(tf.constant, points)), rows.held, rows.masks))
        return np.asarray(self._explained.of(outputs[self._explained.place], tf.constant(units)), np.float64)

    def _mean(
        self,
        x: Sequence[NDArray[np.float32]],
        b: Sequence[NDArray[np.float32]],
        rows: Prepared,
        units: Ints,
        row: int,
        count: int,
    ) -> list[Floats]:
        """A row's mean gradient at `count` midpoints of the way."""
        each = max(sum(point[0].size for point in x), 1)
        size = max(min(_CALL_NUMBERS // each, _MOST_POINTS, count), 1)
        shares = (np.arange(count, dtype=np.float32) + 0.5) / count
        totals = [np.zeros(point.shape[1:]) for point in x]
        for first in range(0, count, size):
            obey_stop(self._run)
            some = shares[first : first + size]
            weights = np.zeros(size, np.float32)
            weights[: len(some)] = 1  # every call is of one size, so that the graph is traced once
            filled = np.resize(some, size)
            points = [
                s[row] + filled.reshape(-1, *[1] * s[row].ndim) * (e[row] - s[row]) for e, s in zip(x, b, strict=True)
            ]
            sums = self._compiled(
                [tf.constant(point) for point in points],
                [_repeated(tensor, row, size) for tensor in rows.held],
                {at: _repeated(mask, row, size) for at, mask in rows.masks.items()},
                tf.fill((size,), tf.constant(units[row])),
                tf.constant(weights),
            )
            totals = [total + np.asarray(part, np.float64) for total, part in zip(totals, sums, strict=True)]
        return [total / count for total in totals]

    def _computed(
        self, points: list[Any], held: list[Any], masks: dict[int, Any], units: Any, weights: Any
    ) -> list[Any]:
        """The sum of the gradients at some points, for each of the cuts."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            outputs = self._halves.outputs(Prepared(tuple(points), tuple(held), masks))
            number = tf.reduce_sum(self._explained.of(outputs[self._explained.place], units) * weights)
        found = tape.gradient(number, points, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.reduce_sum(tf.convert_to_tensor(each), axis=0) for each in found]

    @staticmethod
    def _set(gradients: Gradients, row: int, means: Sequence[Floats]) -> None:
        for gradient, mean in zip(gradients, means, strict=True):
            gradient[row] = mean


def _repeated(tensor: Any, row: int, count: int) -> Any:
    return tf.repeat(tensor[row : row + 1], count, axis=0)
