"""How good predictions are, in the two numbers that importance is told in: the headline metric, and the loss."""

from collections.abc import Callable

import numpy as np

from stoker.models.predictions import probabilities
from stoker.models.signature import Signature
from stoker.models.tensors import Array

from ..evaluation import regression
from ..evaluation.classification import SMALLEST_PROBABILITY
from ..evaluation.tally import Tally

_HEADLINES = {"pixels": "mean_iou", "regression": "r2", "reconstruction": "r2"}


def headline(signature: Signature) -> str:
    """The metric by which an output is judged first."""
    return _HEADLINES.get(signature.task, "accuracy")


def scores(
    signature: Signature, truth: Array, outputs: Array, tally: Callable[[], Tally], *, logits: bool
) -> tuple[float, float]:
    """An output's headline metric and its loss, as an evaluation tells them.

    Args:
        tally: makes an empty tally of the output.
        logits: whether the outputs are raw scores.
    """
    if signature.task in ("binary", "multiclass"):
        distribution = probabilities(outputs, logits=logits)
        likelihood = np.take_along_axis(distribution, truth.astype(np.int64)[:, None], axis=1)
        loss = -np.log(likelihood.clip(SMALLEST_PROBABILITY, 1)).mean()
        return float((distribution.argmax(axis=1) == truth).mean()), float(loss)
    if signature.task == "regression":
        numbers, predicted = (each.reshape(len(each), -1).astype(np.float64) for each in (truth, outputs))
        found = regression.metrics(regression.error_sums(numbers, predicted, numbers.mean(axis=0)).sum(axis=0))
        return found["r2"], found["mse"]
    counted = tally()
    counted.add(truth, outputs)
    metrics = counted.quality().accuracy.metrics
    return metrics[headline(signature)], metrics["loss"]
