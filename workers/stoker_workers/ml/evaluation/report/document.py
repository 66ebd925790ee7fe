"""What an evaluation found, as one document."""

from stoker.kinds import Accuracy, Efficiency, Slice, Stability
from stoker.models.manifest import Described, Task

from ..classification import Reliability
from ..curves import Curve
from ..forecasting import Continued
from ..quality import Pairs
from ..residuals import Residuals


class Drawn(Described):
    """What is drawn of an output's predictions.

    Attributes:
        reliability: confidence against accuracy; None for regression.
        curves: ROC and precision-recall, of many classes those that rank the worst; none for regression.
        pairs: truth against prediction; None for classes.
        residuals: how a regression's errors are spread; None for classes.
        forecasts: windows of a series with what comes behind them.
    """

    reliability: Reliability | None = None
    curves: tuple[Curve, ...] = ()
    pairs: Pairs | None = None
    residuals: Residuals | None = None
    forecasts: tuple[Continued, ...] = ()


class Report(Drawn):
    """An evaluation's figures and the curves behind its plots.

    Attributes:
        model: the exact reference of the model.
        data: what it was measured on.
        metrics: the headline numbers.
        learning: every training metric, one number per epoch; empty where the model's history is not known.
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
    slices: tuple[Slice, ...] = ()
    warnings: tuple[str, ...] = ()
