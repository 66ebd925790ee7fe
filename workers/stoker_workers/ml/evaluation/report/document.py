"""What an evaluation found, as one document."""

from pydantic import Field

from stoker.kinds import Accuracy, Efficiency, Slice, Stability
from stoker.models.signature import Task

from ..pictures import Mistaken
from ..quality import Drawn


class Report(Drawn):
    """An evaluation's figures and the curves behind its plots.

    Attributes:
        model: the exact reference of the model.
        data: what it was measured on.
        metrics: the headline numbers.
        learning: every training metric, one number per epoch; empty where the model's history is not known.
        outputs: what is drawn of each of several outputs, or columns of numbers.
        mistakes: the pictures that a classifier gets wrong and is the surest of.
        slices: the headline numbers by the values of columns.
        warnings: why the figures may say less than they seem to.
    """

    model: str
    data: str
    task: Task
    rows: int
    metrics: dict[str, float]
    accuracy: Accuracy
    efficiency: Efficiency
    stability: Stability
    learning: dict[str, tuple[float, ...]]
    outputs: dict[str, Drawn] = Field(default_factory=dict)
    mistakes: tuple[Mistaken, ...] = ()
    slices: tuple[Slice, ...] = ()
    warnings: tuple[str, ...] = ()
