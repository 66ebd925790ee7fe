"""Steps of whole months: which rows are so far apart, though months are of different lengths."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidJob
from .signature import Forecasting

Floats = NDArray[np.float64]

SHORTEST_MONTH_US = 28 * 86_400_000_000.0 - 3_600_000_000.0
"""28 days, less the hour by which clocks are put forward."""
# By how much of a month rows may lie off: the first and the last working day of a month move by about three days.
_JITTER = 0.14
_NAMES = {1: "month", 3: "quarter", 6: "half year", 12: "year"}


def months_of(times: Sequence[Floats], even_share: float) -> int | None:
    """How many months lie between rows, if nearly always as many, and else a multiple of them; None if not so.

    Args:
        times: of each series in order, in µs since 1970.
        even_share: how many of the steps must be of the commonest length.

    Raises:
        InvalidJob: each row is of the same day of a month, but too many of the steps are of other lengths.
    """
    moving = [each for each in times if len(each) > 1]
    if not moving or min(float(np.diff(each).min()) for each in moving) < SHORTEST_MONTH_US:
        return None
    numbers = [month_numbers(each) for each in moving]
    if any(np.abs(each - np.rint(each)).max() > _JITTER for each in numbers):
        return None
    steps = np.concatenate([np.diff(np.rint(each)) for each in numbers]).astype(np.int64)
    lengths, counts = np.unique(steps, return_counts=True)
    step = int(lengths[counts.argmax()])
    if step == 0 or (lengths == 0).any():
        return None
    if counts.max() >= even_share * len(steps) and not (steps % step).any():
        return step
    if not of_one_day(moving):
        return None
    raise _uneven(moving, numbers, step, int(counts.max()), len(steps))


def month_numbers(times: Floats) -> Floats:
    """How many months each time is after the first, with fractions of a month."""
    moments = times.astype(np.int64).astype("datetime64[us]")
    months = moments.astype("datetime64[M]")
    begin = months.astype("datetime64[us]")
    length = (months + 1).astype("datetime64[us]") - begin
    numbers: Floats = months.astype(np.int64) + (moments - begin) / length
    since_first: Floats = numbers - numbers[0]
    return since_first


def of_one_day(times: Sequence[Floats]) -> bool:
    """Whether all times are of one day of a month, or of the last one of each."""
    moments = np.concatenate(times).astype(np.int64).astype("datetime64[us]")
    months = moments.astype("datetime64[M]")
    since = moments - months.astype("datetime64[us]")
    lengths = (months + 1).astype("datetime64[us]") - months.astype("datetime64[us]")
    day = np.timedelta64(1, "D")
    expected = np.minimum(since.max(), lengths - day + since.max() % day)
    return bool((since == expected).all())


def months_later(time: float, months: NDArray[np.int64]) -> Floats:
    """The same day so many months later, or the last one of a shorter month."""
    moment = np.datetime64(int(time), "us")
    month = moment.astype("datetime64[M]")
    since = moment - month.astype("datetime64[us]")
    later = (month + months).astype("datetime64[us]")
    last_day = (month + months + 1).astype("datetime64[us]") - np.timedelta64(1, "D")
    moments = np.minimum(later + since, last_day + since % np.timedelta64(1, "D"))
    times: Floats = moments.astype(np.int64).astype(np.float64)
    return times


def step_words(forecast: Forecasting) -> str:
    """The step of a model's windows: "a quarter", "1:00:00", "2"."""
    if forecast.months is not None:
        name = _NAMES.get(forecast.months)
        return f"a {name}" if name else f"{forecast.months} months"
    assert forecast.step is not None
    return str(np.timedelta64(int(forecast.step), "us").astype(object)) if forecast.times else f"{forecast.step:g}"


def _uneven(series: Sequence[Floats], numbers: Sequence[Floats], step: int, hits: int, steps: int) -> InvalidJob:
    """The refusal of rows of one day each that are not evenly far apart."""
    first, second = next(
        (times[at], times[at + 1])
        for times, each in zip(series, numbers, strict=True)
        for at in np.flatnonzero(np.diff(np.rint(each)) != step)[:1]
    )
    days = [str(np.datetime64(int(time), "us").astype("datetime64[D]")) for time in (first, second)]
    name = _NAMES.get(step, f"step of {step} months")
    return InvalidJob(
        f"rows lie whole months apart, mostly {step}, but {steps - hits:,} of {steps:,} steps are of another length, "
        f"first from {days[0]} to {days[1]}: give one row for each {name}, with empty cells where nothing is known"
    )
