"""What an evaluation found, as one document."""

from typing import Literal

from stoker.kinds import Accuracy, Efficiency, Stability
from stoker.models.manifest import Described

from ..classification import Reliability
from ..quality import Pairs


class Report(Described):
    """An evaluation's figures and the curves behind its plots.

    Attributes:
        model: the exact reference of the model.
        data: what it was measured on.
        metrics: the headline numbers.
        learning: every training metric, one number per epoch; empty where the model's history is not known.
        reliability: confidence against accuracy; None for regression.
        pairs: truth against prediction; None for classes.
        warnings: why the figures may say less than they seem to.
    """

    model: str
    data: str
    task: Literal["binary", "multiclass", "regression", "pixels"]
    rows: int
    metrics: dict[str, float]
    accuracy: Accuracy
    efficiency: Efficiency
    stability: Stability
    learning: dict[str, tuple[float, ...]]
    reliability: Reliability | None
    pairs: Pairs | None
    warnings: tuple[str, ...] = ()
