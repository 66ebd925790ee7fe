"""What is known of predictions once all are counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stoker.kinds import Accuracy
from stoker.models.described import Described

from .classification import Reliability
from .curves import Curve
from .forecasting import Continued
from .residuals import Residuals
from .stability import Scored


@dataclass(frozen=True)
class Pairs:
    """Truth and prediction of numbers, of rows spread evenly over the data."""

    truth: tuple[float, ...]
    predicted: tuple[float, ...]


class Drawn(Described):
    """What is drawn of an output's predictions.

    Attributes:
        reliability: confidence against accuracy; None for all but classes.
        curves: ROC and precision-recall of classes or labels, of many those that rank the worst; none for numbers.
        pairs: truth against prediction of the first number; None for classes.
        residuals: how its errors are spread; None for classes.
        forecasts: windows of a series with what comes behind them.
    """

    reliability: Reliability | None = None
    curves: tuple[Curve, ...] = ()
    pairs: Pairs | None = None
    residuals: Residuals | None = None
    forecasts: tuple[Continued, ...] = ()


@dataclass(frozen=True)
class Quality:
    """How good predictions are.

    Attributes:
        accuracy: every figure.
        scored: how each row counts, for the headline metrics of rows drawn again.
        outputs: what is drawn of each of several outputs, or columns of numbers.
    """

    accuracy: Accuracy
    scored: Scored
    drawn: Drawn = field(default_factory=Drawn)
    outputs: Mapping[str, Drawn] = field(default_factory=dict)
