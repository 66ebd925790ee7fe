"""What a model predicts for one row, as apps get it."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from .described import Described

_MOST_SHOWN = 10


class Prediction(Described):
    """What a model predicts for one row: a class, labels, numbers, or one of these for each of several outputs.

    Attributes:
        label: the most likely class; None for what is no single class.
        labels: of labels that may hold at once, those with a probability of 0.5 or more.
        probabilities: of each class or label; those of classes sum to 1. Empty for numbers.
        value: the number, or a tuple of them if the model predicts several, as a forecast does; None for classes.
        values: the numbers by the name of their column, if the model predicts several columns.
        error: of a reconstruction, the mean squared difference from the row, in standard deviations of training, over
            what is not missing in it: the larger, the less the row is like those trained on. None for all else.
        mask: of each pixel its class, row by row, in the model's size; None for all else.
        series: what is forecast, where the model tells several apart; else None.
        outputs: what is predicted by each output of a model that has several; all else is empty then.
        model: the exact reference of the version whose prediction it is, such as "digits@3".
        request: the id of the request that it answers, for `client.feedback`.
    """

    label: str | None = None
    labels: tuple[str, ...] = ()
    probabilities: dict[str, float] = Field(default_factory=dict)
    value: float | tuple[float, ...] | None = None
    values: dict[str, float] = Field(default_factory=dict)
    error: float | None = None
    mask: tuple[tuple[int, ...], ...] | None = None
    series: str | None = None
    outputs: dict[str, "Prediction"] = Field(default_factory=dict)
    model: str | None = None
    request: str | None = None

    def __repr_args__(self) -> Iterable[tuple[str, Any]]:
        """What is there, with four digits, and of many classes the most likely ones."""
        if self.series is not None:
            yield "series", self.series
        if self.outputs:
            yield "outputs", self.outputs
        elif self.mask is not None:
            yield "mask", f"{len(self.mask)} × {len(self.mask[0])} pixels"
        elif not self.probabilities:
            yield ("values", self.values) if self.values else ("value", self.value)
            if self.error is not None:
                yield "error", float(f"{self.error:.4g}")
        else:
            yield ("label", self.label) if self.label is not None else ("labels", self.labels)
            likely = sorted(self.probabilities.items(), key=lambda each: -each[1])[:_MOST_SHOWN]
            yield "probabilities", {label: float(f"{probability:.4g}") for label, probability in likely}
            if more := len(self.probabilities) - len(likely):
                yield "less_likely", more
