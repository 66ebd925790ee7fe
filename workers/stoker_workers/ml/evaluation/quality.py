"""What is known of predictions once all are counted."""

from dataclasses import dataclass

from stoker.kinds import Accuracy

from .classification import Reliability
from .curves import Curve
from .residuals import Residuals
from .stability import Scored


@dataclass(frozen=True)
class Pairs:
    """Truth and prediction of a regression's first output, of rows spread evenly over the data."""

    truth: tuple[float, ...]
    predicted: tuple[float, ...]


@dataclass(frozen=True)
class Quality:
    """How good predictions are.

    Attributes:
        accuracy: every figure.
        scored: how each row counts, for the headline metrics of rows drawn again.
        reliability: confidence against accuracy; None for regression.
        curves: ROC and precision-recall of the classes that rank the worst; none for regression.
        pairs: truth against prediction; None for classes.
        residuals: how the errors of a regression's first output are spread; None for classes.
    """

    accuracy: Accuracy
    scored: Scored
    reliability: Reliability | None = None
    curves: tuple[Curve, ...] = ()
    pairs: Pairs | None = None
    residuals: Residuals | None = None
