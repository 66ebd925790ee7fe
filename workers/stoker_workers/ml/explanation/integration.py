"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365): the mean gradient on the way from a baseline.

A row's way is cut into intervals, and the gradient is taken in the middle of each. How much the number changes within
an interval is known from its ends: so those are cut again where that and the gradient disagree, at the edges of
rectified units and where a softmax is steep, until the sum is near enough.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
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
_ROUNDING = 3e-6
# What is aimed at, so that rounding when gradients are added up does not matter.
_AIM = 0.5
_PIECES = 4
# Shorter intervals have no middle in float32.
_SHORTEST = 2.0**-22
# Numbers that points of the way hold together in one call, so that activations fit into memory.
_CALL_NUMBERS = 1 << 21
_MOST_POINTS = 256

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
        steps: at how many points of each row's way the gradient was taken.
        complete: of which rows the sum is near enough.
    """

    units: Ints
    values: Floats
    bases: Floats
    gradients: Gradients
    errors: Floats
    steps: Ints
    complete: Mask


@dataclass(frozen=True)
class _Intervals:
    """The intervals of a way, which is 1 long.

    Attributes:
        starts, lengths: where they are.
        estimates: how much the number changes in each by the gradient in its middle.
        changes: how much it does change.
    """

    starts: Floats
    lengths: Floats
    estimates: Floats
    changes: Floats

    @property
    def middles(self) -> Floats:
        """Where the gradient is taken."""
        return self.starts + self.lengths / 2

    @property
    def error(self) -> float:
        """By how much the sum is off."""
        return abs(float((self.estimates - self.changes).sum()))

    def worst(self, allowed: float) -> Mask:
        """The intervals to cut again: as few as possible of which the others are near enough together."""
        off = np.where(self.lengths > _SHORTEST, np.abs(self.estimates - self.changes), 0.0)
        order = np.argsort(off)
        chosen = np.zeros(len(off), bool)
        chosen[order] = np.cumsum(off[order]) > allowed
        return chosen & (off > 0)


class Integrator:
    """Integrates the gradients of a model's second half.

    Args:
        most_steps: points on the way of a row, at most.
        ends: the rows.
    """

    def __init__(self, halves: Halves, explained: Explained, most_steps: int, run: Run, ends: Prepared) -> None:
        self._halves = halves
        self._explained = explained
        self._most = most_steps
        self._run = run
        self._rows = ends
        points, held, masks = signature = halves.specs(ends)
        ones = [tf.TensorSpec((None,), dtype) for dtype in (tf.int64, tf.float32)]
        self._traced_scores = tf.function(self._all_scores, autograph=False, input_signature=signature)
        self._traced_gradients = tf.function(
            self._gradients, autograph=False, input_signature=[points, points, held, masks, *ones]
        )

    def integrate(self, starts: Prepared) -> Integral:
        """The mean gradient between two points for each row, at as many points as make it complete.

        Args:
            starts: the baselines of the rows.

        Raises:
            Stopped: a stop was asked for.
        """
        x, b = (tuple(np.asarray(point, np.float32) for point in each.points) for each in (self._rows, starts))
        scores, base_scores = self._scores(x), self._scores(b)
        units = self._units(scores)
        values, bases = (np.take_along_axis(each, units[:, None], axis=1)[:, 0] for each in (scores, base_scores))
        allowed = np.maximum(TOLERANCE * np.abs(values - bases), _ROUNDING * np.maximum(np.abs(values), np.abs(bases)))
        gradients = tuple(np.zeros(point.shape) for point in x)
        errors, steps = np.zeros(len(units)), np.zeros(len(units), np.int64)
        for row in range(len(units)):
            ends = [(start[row], end[row]) for start, end in zip(b, x, strict=True)]
            way = _Way(partial(self._evaluate, ends, row, int(units[row])), ends)
            change = float(values[row] - bases[row])
            means, steps[row] = way.integrate(change, float(allowed[row]), self._most)
            total = 0.0
            for gradient, mean, end, start in zip(gradients, means, x, b, strict=True):
                gradient[row] = mean
                total += float((mean * (end[row] - start[row])).sum())
            errors[row] = abs(total - change)
        return Integral(units, values, bases, gradients, errors, steps, errors <= allowed)

    def _units(self, scores: Floats) -> Ints:
        """Which number of the output is explained of each row."""
        if self._explained.unit is not None:
            return np.full(len(scores), self._explained.unit, np.int64)
        chosen: Ints = scores.argmax(axis=1)
        return chosen

    def _scores(self, points: Sequence[NDArray[np.float32]]) -> Floats:
        """All numbers of the output."""
        size, rows = self._call_rows(points), self._rows
        parts = []
        for first in range(0, len(points[0]), size):
            obey_stop(self._run)
            cut = slice(first, first + size)
            masks = {at: mask[cut] for at, mask in rows.masks.items()}
            some, held = [tf.constant(each[cut]) for each in points], [each[cut] for each in rows.held]
            parts.append(np.asarray(self._traced_scores(some, held, masks), np.float64))
        return np.concatenate(parts)

    def _all_scores(self, points: list[Any], held: list[Any], masks: dict[int, Any]) -> Any:
        outputs = self._halves.outputs(Prepared(tuple(points), tuple(held), masks))
        return self._explained.scores(outputs[self._explained.place])

    @staticmethod
    def _call_rows(points: Sequence[NDArray[np.float32]]) -> int:
        each: int = max(sum(point[0].size for point in points), 1)
        return max(min(_CALL_NUMBERS // each, _MOST_POINTS), 1)

    def _evaluate(
        self, ways: "_Ends", row: int, unit: int, places: Floats, weights: Floats
    ) -> Iterator[tuple[list[Floats], Floats, Floats]]:
        """At some places of a row's way: the weighted sum of the gradients, the slope at each, and the number."""
        size = self._call_rows([start[None] for start, _ in ways])
        distances = [(end - start)[None] for start, end in ways]
        for first in range(0, len(places), size):
            obey_stop(self._run)
            some = places[first : first + size].astype(np.float32)
            count = len(some)
            points = [
                start[None] + some.reshape(-1, *[1] * start.ndim) * distance
                for (start, _), distance in zip(ways, distances, strict=True)
            ]
            sums, slopes, numbers = self._traced_gradients(
                [tf.constant(point) for point in points],
                [tf.constant(distance) for distance in distances],
                [_repeated(tensor, row, count) for tensor in self._rows.held],
                {at: _repeated(mask, row, count) for at, mask in self._rows.masks.items()},
                tf.fill((count,), tf.constant(unit, tf.int64)),
                tf.constant(weights[first : first + size], tf.float32),
            )
            totals = [np.asarray(part, np.float64) for part in sums]
            yield totals, np.asarray(slopes, np.float64), np.asarray(numbers, np.float64)

    def _gradients(
        self,
        points: list[Any],
        distances: list[Any],
        held: list[Any],
        masks: dict[int, Any],
        units: Any,
        weights: Any,
    ) -> tuple[list[Any], Any, Any]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            outputs = self._halves.outputs(Prepared(tuple(points), tuple(held), masks))
            numbers = self._explained.of(outputs[self._explained.place], units)
            total = tf.reduce_sum(numbers)
        found = tape.gradient(total, points, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = [tf.convert_to_tensor(each) for each in found]
        slopes = tf.add_n([_row_sums(each * way) for each, way in zip(gradients, distances, strict=True)])
        return [tf.tensordot(weights, each, axes=1) for each in gradients], slopes, numbers


_Ends = Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Where a row's way begins and ends, at each of the cuts."""
_Evaluate = Callable[[Floats, Floats], Iterator[tuple[list[Floats], Floats, Floats]]]
"""From places on a way, and their weights, to the weighted sum of gradients, the slopes and the numbers, in parts."""


class _Way:
    """The way from a baseline to one row."""

    def __init__(self, evaluate: _Evaluate, ends: _Ends) -> None:
        self._evaluated = evaluate
        self._ends = ends

    def integrate(self, change: float, allowed: float, most: int) -> tuple[list[Floats], int]:
        """The mean gradient at each of the cuts, and at how many points it was taken.

        Args:
            change: how much the number changes on the whole way.
        """
        count = min(FIRST_STEPS, most)
        lengths = np.full(count, 1 / count)
        starts = np.arange(count) / count
        means, slopes = self._sums(starts + lengths / 2, lengths)
        if count == most or abs(float((slopes * lengths).sum()) - change) <= _AIM * allowed:
            return means, count
        parts = _Intervals(starts, lengths, slopes * lengths, self._changes(starts, lengths))
        taken = count
        while parts.error > _AIM * allowed and (chosen := parts.worst(_AIM * allowed / 2)).any():
            if taken + _PIECES * int(chosen.sum()) > most:
                break
            parts = self._refined(parts, chosen)
            taken += _PIECES * int(chosen.sum())
        means, _ = self._sums(parts.middles, parts.lengths)
        return means, taken

    def _refined(self, parts: _Intervals, chosen: Mask) -> _Intervals:
        """The intervals, some of them in pieces."""
        lengths = np.repeat(parts.lengths[chosen] / _PIECES, _PIECES)
        starts = np.repeat(parts.starts[chosen], _PIECES) + lengths * np.tile(np.arange(_PIECES), int(chosen.sum()))
        _, slopes = self._sums(starts + lengths / 2, np.zeros(len(starts)))
        new = (starts, lengths, slopes * lengths, self._changes(starts, lengths))
        old = (parts.starts, parts.lengths, parts.estimates, parts.changes)
        return _Intervals(*(np.concatenate([kept[~chosen], added]) for kept, added in zip(old, new, strict=True)))

    def _sums(self, places: Floats, weights: Floats) -> tuple[list[Floats], Floats]:
        """The weighted sum of the gradients, and the slope along the way at each place."""
        totals = [np.zeros(start.shape) for start, _ in self._ends]
        slopes = []
        for sums, some, _ in self._evaluated(places, weights):
            totals = [total + part for total, part in zip(totals, sums, strict=True)]
            slopes.append(some)
        return totals, np.concatenate(slopes)

    def _changes(self, starts: Floats, lengths: Floats) -> Floats:
        """How much the number changes within each interval."""
        places, inverse = np.unique(np.concatenate([starts, starts + lengths]), return_inverse=True)
        found = self._evaluated(places, np.zeros(len(places)))
        numbers = np.concatenate([some for _, _, some in found])[inverse]
        changes: Floats = numbers[len(starts) :] - numbers[: len(starts)]
        return changes


def _row_sums(values: Any) -> Any:
    return tf.reduce_sum(tf.reshape(values, (tf.shape(values)[0], -1)), axis=1)


def _repeated(tensor: Any, row: int, count: int) -> Any:
    return tf.repeat(tensor[row : row + 1], count, axis=0)
