"""What a `Train` job says to forecast."""

from typing import TYPE_CHECKING

from pydantic import Field

from ...errors import InvalidJob
from ..base import Frozen
from .splits import Column

if TYPE_CHECKING:
    from ..train import Train


class Forecast(Frozen):
    """Learn to continue a series of numbers: from the last `window` steps to the next `horizon` ones.

    The rows are a table with a time in each. What the model sees of a window are the target and the other columns of
    numbers; what it predicts are the target's next values.

    Attributes:
        window: how many steps the model looks back.
        horizon: how many steps it predicts.
        time: the column with the time of each row, in any order: dates and times, or numbers.
        series: the column that tells several series apart, such as "meter"; None if there is one.
    """

    window: int = Field(default=48, ge=1, le=100_000)
    horizon: int = Field(default=24, ge=1, le=10_000)
    time: Column
    series: Column | None = None


def refuse_wrong_forecast(spec: "Train", forecast: Forecast) -> None:
    """Refuse what a forecast cannot be, or contradicts.

    Raises:
        InvalidJob: something does.
    """
    if not isinstance(spec.target, str):
        raise InvalidJob("a forecast continues one column of numbers: name it as target")
    if spec.target in (forecast.time, forecast.series):
        raise InvalidJob(f"target {spec.target!r} is what is to be forecast, and cannot be its time or series as well")
    if forecast.time == forecast.series:
        raise InvalidJob(f"forecast names {forecast.time!r} as time and as series; name two columns, or no series")
    for name in ("stratify", "group", "time", "sample_weight"):
        if getattr(spec, name):
            raise InvalidJob(f"{name} is for rows, and a forecast learns from windows, split by its time: leave it out")
    if spec.task not in (None, "regression"):
        raise InvalidJob(f"a forecast is of numbers, and task={spec.task!r} is not: leave it out")
    known = {spec.target, forecast.time, forecast.series}
    if twice := [name for name in spec.features or () if name in known]:
        raise InvalidJob(f"features names {twice[0]!r}, which the forecast knows already: leave it out there")
