"""Gathers predictions batch by batch until all figures of a task can be told."""

from typing import Protocol

import numpy as np

from stoker.kinds import Accuracy
from stoker.models.predictions import probabilities
from stoker.models.tensors import Array

from ..data.source import Floats, Ints
from . import regression
from .classification import Confusion, Predictions, Reliability, accuracy
from .curves import curves_of, weakest
from .quality import Drawn, Pairs, Quality
from .residuals import Residuals
from .stability import Scored, counted

_PAIRS = 1000  # as many points as a scatter plot can show


class Tally(Protocol):
    """One task's way of counting."""

    def add(self, truth: Array, outputs: Array) -> None:
        """Take in a batch.

        Args:
            truth: class numbers (rows,), or numbers (rows, …).
            outputs: what the model gave for the rows.
        """
        ...

    def quality(self) -> Quality:
        """The figures of all rows taken in."""
        ...

    def sums(self, truth: Array, outputs: Array) -> Floats:
        """What adds up, over batches of the same rows with other outputs, to what `score` needs."""
        ...

    def score(self, sums: Floats) -> float:
        """The headline metric, accuracy or R², of added up `sums`."""
        ...


class ClassifierTally:
    """Counts a classifier's predictions.

    Args:
        labels: the classes.
        logits: whether the model gives raw scores.
    """

    def __init__(self, labels: tuple[str, ...], *, logits: bool) -> None:
        self._labels = labels
        self._logits = logits
        self._parts: list[Predictions] = []

    def add(self, truth: Array, outputs: Array) -> None:
        self._parts.append(Predictions.of(truth, probabilities(outputs, logits=self._logits)))

    def quality(self) -> Quality:
        predictions = Predictions.joined(self._parts)
        confusion = Confusion.of(predictions, len(self._labels))
        scores = predictions.distribution
        curves = curves_of(self._labels[: scores.shape[1]], predictions.truth, scores)
        right = (confusion.truth == confusion.predicted).astype(np.float64)
        return Quality(
            accuracy=accuracy(predictions, confusion, self._labels, curves),
            scored=Scored(confusion.pairs, confusion.metrics, {"accuracy": right}),
            drawn=Drawn(reliability=Reliability.of(predictions), curves=weakest([*curves.values()])),
        )

    def sums(self, truth: Array, outputs: Array) -> Floats:
        hits = probabilities(outputs, logits=self._logits).argmax(axis=1) == truth
        return np.array([hits.sum(), len(hits)], dtype=np.float64)

    def score(self, sums: Floats) -> float:
        return float(sums[0] / sums[1])


class RegressionTally:
    """Counts the errors of predicted numbers.

    Args:
        columns: those that the numbers are, if there are several; each is measured for itself, too.
    """

    def __init__(self, columns: tuple[str, ...] = ()) -> None:
        self._columns = columns
        self._truth: list[Floats] = []
        self._predicted: list[Floats] = []
        self._centre = np.zeros(1)

    def add(self, truth: Array, outputs: Array) -> None:
        self._truth.append(_numbers(truth))
        self._predicted.append(_numbers(outputs))

    def quality(self) -> Quality:
        truth, predicted = np.concatenate(self._truth), np.concatenate(self._predicted)
        self._centre = truth.mean(axis=0)
        sums = regression.error_sums(truth, predicted, self._centre)
        total = sums.sum(axis=0)
        columns = {column: slice(place, place + 1) for place, column in enumerate(self._columns)}
        outputs = {column: _accuracy(total[place]) for column, place in columns.items()}
        drawn = {column: _drawn(truth[:, place], predicted[:, place]) for column, place in columns.items()}
        return Quality(
            accuracy=_accuracy(total).model_copy(update={"outputs": outputs}),
            scored=_scored(sums),
            drawn=Drawn() if drawn else _drawn(truth, predicted),
            outputs=drawn,
        )

    def sums(self, truth: Array, outputs: Array) -> Floats:
        total: Floats = regression.error_sums(_numbers(truth), _numbers(outputs), self._centre).sum(axis=0)
        return total

    def score(self, sums: Floats) -> float:
        return regression.metrics(sums)["r2"]


def _numbers(values: Array) -> Floats:
    return values.reshape(len(values), -1).astype(np.float64)


def _accuracy(sums: Floats) -> Accuracy:
    metrics = regression.metrics(sums)
    return Accuracy(metrics={"loss": metrics["mse"], **metrics})


def _drawn(truth: Floats, predicted: Floats) -> Drawn:
    """What is drawn of the first number."""
    shown = np.linspace(0, len(truth) - 1, min(len(truth), _PAIRS)).astype(int)
    return Drawn(
        pairs=Pairs(tuple(truth[shown, 0].tolist()), tuple(predicted[shown, 0].tolist())),
        residuals=Residuals.of(truth[:, 0] - predicted[:, 0]),
    )


def _scored(sums: Floats) -> Scored:
    """Rows of a regression, of which each counts for itself, from what `regression.error_sums` gives."""

    def metrics(counts: Ints) -> dict[str, float]:
        return regression.metrics(counted(counts, sums))

    errors: Floats = sums[:, :, 2].mean(axis=1)
    return Scored(np.arange(len(sums)), metrics, {"mae": errors})
