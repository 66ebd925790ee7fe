"""What a model's output says by its signature: labels and probabilities, or numbers."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..errors import InvalidJob
from .manifest import Described, ModelVersion
from .tensors import Array, Tensors
from .windows import series_names

Floats = NDArray[np.float64]

_MOST_SHOWN = 10
# Beyond what rounding and quantised arithmetic do to a probability.
_SLACK = 0.01


class Prediction(Described):
    """What a model predicts for one row: a class, or a number.

    Attributes:
        label: the most likely class; None for numbers.
        probabilities: of each class, by its label; they sum to 1. Empty for numbers.
        value: the number, or a tuple of them if the model predicts several, as a forecast does; None for classes.
        mask: of each pixel its class, row by row, in the model's size; None for all else.
        series: what is forecast, where the model tells several apart; else None.
    """

    label: str | None = None
    probabilities: dict[str, float] = Field(default_factory=dict)
    value: float | tuple[float, ...] | None = None
    mask: tuple[tuple[int, ...], ...] | None = None
    series: str | None = None

    def __repr_args__(self) -> Iterable[tuple[str, Any]]:
        """What is there, with four digits, and of many classes the most likely ones."""
        if self.mask is not None:
            yield "mask", f"{len(self.mask)} × {len(self.mask[0])} pixels"
            return
        if self.series is not None:
            yield "series", self.series
        if self.label is None:
            yield "value", self.value
            return
        yield "label", self.label
        likely = sorted(self.probabilities.items(), key=lambda each: -each[1])[:_MOST_SHOWN]
        yield "probabilities", {label: float(f"{probability:.4g}") for label, probability in likely}
        if more := len(self.probabilities) - len(likely):
            yield "less_likely", more


def predictions(version: ModelVersion, outputs: Array, given: Tensors | None = None) -> list[Prediction]:
    """The meaning of a model's output, row by row.

    Args:
        given: the rows by column, of which a forecast has one answer for each series.

    Raises:
        InvalidJob: the output is no distribution over the classes.
    """
    labels = version.signature.classes
    if version.signature.task == "pixels":
        return [Prediction(mask=tuple(map(tuple, mask))) for mask in _masks(version, outputs).tolist()]
    if not labels:
        values = [row[0] if len(row) == 1 else tuple(row) for row in _flat(outputs).tolist()]
        return [
            Prediction(value=value, series=series)
            for value, series in zip(values, _series(version, given, len(values)), strict=True)
        ]
    distribution = _distribution(version, outputs)
    return [
        Prediction(label=labels[likeliest], probabilities=dict(zip(labels, row, strict=True)))
        for likeliest, row in zip(distribution.argmax(axis=1).tolist(), distribution.tolist(), strict=True)
    ]


def prediction_columns(version: ModelVersion, outputs: Array) -> dict[str, Array]:
    """The meaning of a model's output, as columns of a table: the label and each class' probability, or the numbers.

    Their names are the signature's `prediction_names`.

    Raises:
        InvalidJob: the output is no distribution over the classes.
    """
    signature = version.signature
    if signature.task == "pixels":
        raise InvalidJob(f"{version.ref} predicts masks, which no table holds; set format='npy' for its output")
    if not signature.classes:
        columns = list(_flat(outputs).T)
    else:
        distribution = _distribution(version, outputs)
        labels = np.array(signature.classes, dtype=object)
        columns = [labels[distribution.argmax(axis=1)], *distribution.T]
    return dict(zip(signature.prediction_names, columns, strict=True))


def probabilities(outputs: Array, *, logits: bool) -> Floats:
    """A distribution over the classes per row, from a model's output.

    Args:
        outputs: (rows, classes), or (rows, 1) for the second of two classes.
        logits: whether the outputs are raw scores: they pass a softmax, or a sigmoid for a single column.

    Returns:
        (rows, classes); each row sums to 1.
    """
    scores = outputs.astype(np.float64)
    if scores.shape[1] == 1:
        second = 0.5 * (1 + np.tanh(scores / 2)) if logits else scores.clip(0, 1)
        return np.hstack([1 - second, second])
    if logits:
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    distribution: Floats = scores / scores.sum(axis=1, keepdims=True)
    return distribution


def _masks(version: ModelVersion, outputs: Array) -> Array:
    """(rows, height, width): the likeliest class of each pixel, which is a number."""
    numbers = np.array([int(label) for label in version.signature.classes])
    masks: Array = numbers[outputs.argmax(axis=-1)]
    return masks


def _series(version: ModelVersion, given: Tensors | None, rows: int) -> Sequence[str | None]:
    """The series of each answer; None where they have no names."""
    forecast = version.signature.forecast
    if forecast is None or not isinstance(given, Mapping) or forecast.series not in given:
        return [None] * rows
    return series_names(given, forecast)


def _flat(outputs: Array) -> Array:
    return outputs.reshape(len(outputs), prod(outputs.shape[1:]))


def _distribution(version: ModelVersion, outputs: Array) -> Floats:
    logits = version.signature.logits
    low, high = (-np.inf, np.inf) if logits else (-_SLACK, 1 + _SLACK)
    right = (outputs >= low) & (outputs <= high)
    if not right.all():
        row = int(np.argmin(right.all(axis=1)))
        raise InvalidJob(
            f"{version.ref} gives {outputs[row][~right[row]][0]} in row {row} (the first row is 0), which is no "
            f"{'score' if logits else 'probability'}: train it again, or read its output as it is with client.infer"
        )
    return probabilities(outputs, logits=logits)
