"""What a model's output says by its signature: labels and probabilities, or numbers."""

from collections.abc import Mapping, Sequence
from math import isnan, prod

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidJob
from .inputs import Inputs
from .manifest import ModelVersion
from .prediction import Prediction
from .signature import Signature
from .tensors import Array, Tensors
from .windows import series_names

Floats = NDArray[np.float64]

HOLDS = 0.5
"""The probability from which on a label is predicted."""
# Beyond what rounding and quantised arithmetic do to a probability.
_SLACK = 0.01


def predictions(version: ModelVersion, outputs: Tensors, given: Tensors | None = None) -> list[Prediction]:
    """The meaning of a model's outputs, row by row.

    Args:
        given: the rows, of which a forecast has one answer for each series, and a reconstruction an error for each.

    Raises:
        InvalidJob: an output is no distribution over its classes.
    """
    signature = version.signature
    if not isinstance(outputs, Mapping):
        predicted = _predictions(signature, version.ref, outputs)
        if signature.task == "reconstruction" and given is not None:
            tensors = Inputs(signature, version.ref).encoded(given)
            errors = reconstruction_errors(signature, tensors, outputs).tolist()
            return [
                each.model_copy(update={"error": None if isnan(error) else error})
                for each, error in zip(predicted, errors, strict=True)
            ]
        series = _series(version, given, len(predicted))
        return [
            each if name is None else each.model_copy(update={"series": name})
            for each, name in zip(predicted, series, strict=True)
        ]
    parts = {name: _predictions(part, version.ref, outputs[name]) for name, part in signature.parts.items()}
    return [Prediction(outputs=dict(zip(parts, row, strict=True))) for row in zip(*parts.values(), strict=True)]


def _predictions(signature: Signature, ref: str, outputs: Array) -> list[Prediction]:
    labels = signature.classes
    if signature.task == "pixels":
        return [Prediction(mask=tuple(map(tuple, mask))) for mask in _masks(signature, outputs).tolist()]
    if not labels:
        columns = signature.columns
        return [
            Prediction(
                value=row[0] if len(row) == 1 else tuple(row),
                values=dict(zip(columns, row, strict=True)) if columns else {},
            )
            for row in _flat(outputs).tolist()
        ]
    distribution = _distribution(signature, ref, outputs)
    rows = [dict(zip(labels, row, strict=True)) for row in distribution.tolist()]
    if signature.task == "multilabel":
        return [
            Prediction(labels=tuple(label for label in labels if row[label] >= HOLDS), probabilities=row)
            for row in rows
        ]
    likeliest = distribution.argmax(axis=1).tolist()
    return [Prediction(label=labels[at], probabilities=row) for at, row in zip(likeliest, rows, strict=True)]


def prediction_columns(version: ModelVersion, outputs: Tensors, inputs: Tensors) -> dict[str, Array]:
    """The meaning of a model's outputs, as columns of a table.

    Their names are the signature's `prediction_names`.

    Args:
        inputs: the model's tensors, which these are the outputs for.

    Raises:
        InvalidJob: an output is no distribution over its classes.
    """
    signature = version.signature
    if signature.task == "pixels":
        raise InvalidJob(f"{version.ref} predicts masks, which no table holds; set format='npy' for its output")
    if isinstance(outputs, Mapping):
        columns = [
            column for name, part in signature.parts.items() for column in _columns(part, version.ref, outputs[name])
        ]
    elif signature.task == "reconstruction":
        numbers = _columns(signature, version.ref, outputs) if outputs.ndim == 2 else []
        columns = [*numbers, reconstruction_errors(signature, inputs, outputs)]
    else:
        columns = _columns(signature, version.ref, outputs)
    return dict(zip(signature.prediction_names, columns, strict=True))


def _columns(signature: Signature, ref: str, outputs: Array) -> list[Array]:
    if not signature.classes:
        return list(_flat(outputs).T)
    distribution = _distribution(signature, ref, outputs)
    if signature.task == "multilabel":
        return [*(distribution >= HOLDS).T, *distribution.T]
    labels = np.array(signature.classes, dtype=object)
    return [labels[distribution.argmax(axis=1)], *distribution.T]


def reconstruction_errors(signature: Signature, inputs: Tensors, outputs: Array) -> Floats:
    """The mean squared difference of each row from its reconstruction, in the spreads of training.

    What is missing in a row does not count; where all is, the error is NaN.

    Args:
        inputs: the model's only tensor.
    """
    [rows] = inputs.values() if isinstance(inputs, Mapping) else [inputs]
    off = (_flat(outputs).astype(np.float64) - _flat(rows).astype(np.float64)) / np.array(signature.spreads)
    known = ~np.isnan(off)
    squares = np.where(known, off, 0.0) ** 2
    counts = known.sum(axis=1)
    errors: Floats = np.where(counts, squares.sum(axis=1) / np.maximum(counts, 1), np.nan)
    return errors


def label_probabilities(outputs: Array, *, logits: bool) -> Floats:
    """The probability of each label of those that may hold at once, (rows, labels).

    Args:
        logits: whether the outputs are raw scores, which pass a sigmoid.
    """
    scores = outputs.astype(np.float64)
    return 0.5 * (1 + np.tanh(scores / 2)) if logits else scores.clip(0, 1)


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
    total = scores.sum(axis=1, keepdims=True)
    # An output of 8 bits knows no probability below 1/256: of many classes, all may be 0.
    distribution: Floats = np.where(total == 0, 1 / scores.shape[1], scores / np.where(total == 0, 1, total))
    return distribution


def _masks(signature: Signature, outputs: Array) -> Array:
    """(rows, height, width): the likeliest class of each pixel, which is a number."""
    numbers = np.array([int(label) for label in signature.classes])
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


def _distribution(signature: Signature, ref: str, outputs: Array) -> Floats:
    logits = signature.logits
    low, high = (-np.inf, np.inf) if logits else (-_SLACK, 1 + _SLACK)
    right = (outputs >= low) & (outputs <= high)
    if not right.all():
        row = int(np.argmin(right.all(axis=1)))
        raise InvalidJob(
            f"{ref} gives {outputs[row][~right[row]][0]} in row {row} (the first row is 0), which is no "
            f"{'score' if logits else 'probability'}: train it again, or read its output as it is with client.infer"
        )
    if signature.task == "multilabel":
        return label_probabilities(outputs, logits=logits)
    return probabilities(outputs, logits=logits)
