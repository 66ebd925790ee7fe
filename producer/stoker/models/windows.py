"""From a table with times to windows of the steps that follow each other, series by series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidJob
from .calendar_steps import SHORTEST_MONTH_US, month_numbers, months_later, months_of, of_one_day, step_words
from .columns import listed
from .rows import MISSING_CATEGORY, MISSING_TIME, category, encode
from .signature import Forecasting, TensorSpec
from .tensors import Array
from .values import FROM_0, Numbering, numbers, values_of

Floats = NDArray[np.float64]

# Of all steps, so many must be of the commonest length for a table to be evenly spaced.
_EVEN_SHARE = 0.9
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Stretch:
    """Steps of one series without a gap between them, in the order of time.

    Attributes:
        series: its name; "" for a single series.
        times: in µs since 1970, or numbers.
        values: (steps, channels); NaN where one is missing.
    """

    series: str
    times: Floats
    values: Floats

    @property
    def carried(self) -> Floats:
        """The values, with the last one before it in place of each that is missing: a model sees nothing later."""
        steps = np.arange(len(self.values))[:, None]
        known = np.maximum.accumulate(np.where(np.isnan(self.values), 0, steps), axis=0)
        return np.take_along_axis(self.values, known, axis=0)


@dataclass(frozen=True)
class Ordered:
    """The rows of a table by series and time.

    Attributes:
        series: each as one stretch, whatever is between its rows, by their first rows' order.
        without_time, without_series, repeated: how many rows were left out because they have no time or name no series,
            or are equal to another one.
    """

    series: tuple[Stretch, ...]
    without_time: int = 0
    without_series: int = 0
    repeated: int = 0


def ordered(columns: Mapping[str, object], forecast: Forecasting, numbering: Numbering = FROM_0) -> Ordered:
    """Sort a table's rows.

    Raises:
        InvalidJob: a column is missing or holds what it cannot, or two rows of a series are of one time.
    """
    if absent := [name for name in forecast.columns if name not in columns]:
        raise InvalidJob(
            f"a forecast takes the columns {listed(forecast.columns)} of a table, and {listed(absent)} of them are "
            f"missing; there are {listed(list(columns))}"
        )
    if not len(values_of(columns[forecast.time])):
        return Ordered(())
    times = _times(columns[forecast.time], forecast, numbering)
    names: list[str | None] = [""] * len(times)
    if forecast.series:
        names = _names(columns[forecast.series], len(times))
    values = np.stack([_channel(columns[name], name, forecast, numbering) for name in forecast.channels], -1)
    named = np.fromiter((name is not None for name in names), bool, len(names))
    timed = ~np.isnan(times)
    present = [name for name, is_there in zip(names, timed, strict=True) if name is not None and is_there]
    places = {name: place for place, name in enumerate(dict.fromkeys(present))}
    codes = np.array([-1 if name is None else places.get(name, -1) for name in names])
    order = np.lexsort((times, codes))
    order = order[(named & timed)[order]]
    starts = np.flatnonzero(np.diff(codes[order])) + 1
    series, repeated = [], 0
    for name, rows in zip(places, np.split(order, starts), strict=True) if places else ():
        kept = _without_repeats(rows, times, values, name, forecast, numbering)
        repeated += len(rows) - len(kept)
        series.append(Stretch(name, times[kept], values[kept]))
    return Ordered(tuple(series), int((~timed).sum()), int((timed & ~named).sum()), repeated)


def step_of(series: Sequence[Stretch]) -> float | None:
    """The time from one row to the next, if nearly all rows are so far apart, and the others a multiple of it."""
    steps = np.concatenate([np.diff(each.times) for each in series]) if series else np.empty(0)
    if not len(steps):
        return None
    lengths, counts = np.unique(steps, return_counts=True)
    step = float(lengths[counts.argmax()])
    multiples = steps / step
    if counts.max() < _EVEN_SHARE * len(steps) or (np.abs(multiples - np.rint(multiples)) > _ROUNDING).any():
        return None
    return step


def spaced(series: Sequence[Stretch], forecast: Forecasting) -> Forecasting:
    """The forecast with the step from one row to the next, in months or of one length, if rows are evenly spaced.

    Raises:
        InvalidJob: they lie whole months apart, but unevenly.
    """
    step = step_of(series)
    times = [each.times for each in series]
    # Years of 365 days each are years, but steps of 30 days are no months.
    if forecast.times and (step is None or (step >= SHORTEST_MONTH_US and of_one_day(times))):
        months = months_of(times, _EVEN_SHARE)
        return forecast.model_copy(update={"months": months, "step": step if months is None else None})
    return forecast.model_copy(update={"step": step})


def stretches(series: Sequence[Stretch], forecast: Forecasting) -> list[Stretch]:
    """Series with the steps that lack filled in as missing; a gap as long as a window ends a stretch.

    Raises:
        InvalidJob: two rows are closer than a step.
    """
    if forecast.step is None and forecast.months is None:
        return list(series)
    filled = []
    for each in series:
        places = _places(each.times, forecast)
        _require_steps(places, each, forecast)
        cuts = np.flatnonzero(np.diff(places) > forecast.window) + 1
        pieces = (np.split(part, cuts) for part in (places, each.times, each.values))
        for place, times, values in zip(*pieces, strict=True):
            grid = np.full((place[-1] - place[0] + 1, values.shape[1]), np.nan)
            grid[place - place[0]] = values
            moments = _times_from(times[0], len(grid), forecast)
            moments[place - place[0]] = times
            filled.append(Stretch(each.series, moments, grid))
    return filled


def newest(series: Sequence[Stretch], forecast: Forecasting) -> list[Stretch]:
    """The last window of each series, with what is missing carried on from before.

    Raises:
        InvalidJob: a series has not as many steps, or there is none.
    """
    last = {stretch.series: stretch for stretch in stretches(series, forecast)}
    if not last:
        raise InvalidJob(f"there are no rows to forecast from; give the last {forecast.window} of each series")
    for name, stretch in last.items():
        if len(stretch.times) < forecast.window:
            of = f"series {name!r}" if forecast.series else "the table"
            raise InvalidJob(
                f"{of} ends with {len(stretch.times)} rows that follow each other, and the model takes the last "
                f"{forecast.window}; give at least as many, up to the newest one"
            )
    cut = slice(-forecast.window, None)
    return [Stretch(each.series, each.times[cut], each.carried[cut]) for each in last.values()]


def newest_windows(columns: Mapping[str, object], forecast: Forecasting) -> Array:
    """The last window of each series of a table, (series, window, channels), by their first rows' order.

    Raises:
        InvalidJob: see `ordered` and `newest`; a row without a time or a series is refused, too.
    """
    sorted_rows = ordered(columns, forecast)
    for count, name in ((sorted_rows.without_time, forecast.time), (sorted_rows.without_series, forecast.series)):
        if count:
            raise InvalidJob(f"{count} rows have no {name!r}, so nobody knows where they belong: fill or drop them")
    return np.stack([stretch.values for stretch in newest(sorted_rows.series, forecast)])


def series_names(columns: Mapping[str, object], forecast: Forecasting) -> list[str]:
    """The names of a table's series, in the order of `newest_windows`; none where it is one series."""
    if forecast.series is None:
        return []
    names = columns[forecast.series]
    return [name for name in dict.fromkeys(_names(names, len(values_of(names)))) if name is not None]


def _places(times: Floats, forecast: Forecasting) -> NDArray[np.int64]:
    """How many steps each time is after the first."""
    if not len(times):
        return np.empty(0, np.int64)
    steps = (times - times[0]) / forecast.step if forecast.months is None else month_numbers(times) / forecast.months
    return np.rint(steps).astype(np.int64)


def _times_from(first: float, count: int, forecast: Forecasting) -> Floats:
    """The times of so many steps."""
    if forecast.months is not None:
        return months_later(first, np.arange(count) * forecast.months)
    assert forecast.step is not None
    return first + np.arange(count, dtype=np.float64) * forecast.step


def _require_steps(places: NDArray[np.int64], series: Stretch, forecast: Forecasting) -> None:
    close = np.flatnonzero(np.diff(places) == 0)
    if len(close):
        first, second = (_moment(series.times[close[0] + after], forecast) for after in (0, 1))
        of = f" of series {series.series!r}" if series.series else ""
        raise InvalidJob(
            f"rows{of} of {first} and {second} are closer to each other than the step that the model was trained on, "
            f"{step_words(forecast)}: give one row for each step"
        )


def _moment(time: float, forecast: Forecasting) -> str:
    return str(np.datetime64(int(time), "us").astype("datetime64[s]")) if forecast.times else f"{time:g}"


def _channel(values: object, name: str, forecast: Forecasting, numbering: Numbering) -> Floats:
    if name not in forecast.booleans:
        return numbers(values, name, gaps=True, numbering=numbering)
    spec = TensorSpec(name="channel", shape=(1,), dtype="float64", kind="boolean", gaps=True, columns=(name,))
    return encode([spec], {name: values}, numbering)["channel"][:, 0]


def _times(values: object, forecast: Forecasting, numbering: Numbering) -> Floats:
    if not forecast.times:
        return numbers(values, forecast.time, gaps=True, numbering=numbering)
    spec = TensorSpec(name="times", shape=(1,), dtype="int64", kind="time", gaps=True, columns=(forecast.time,))
    times = encode([spec], {forecast.time: values}, numbering)["times"][:, 0]
    return np.where(times == MISSING_TIME, np.nan, times.astype(np.float64))


def _names(values: object, rows: int) -> list[str | None]:
    array = values_of(values)
    if array.ndim != 1 or len(array) != rows:
        raise InvalidJob(f"the column of series has shape {array.shape}; expected one name for each of {rows} rows")
    try:
        spelt = [category(value) for value in array.tolist()]
    except TypeError as error:
        raise InvalidJob(f"the column of series holds a {error}; expected names, whole numbers or booleans") from None
    return [None if name == MISSING_CATEGORY else name for name in spelt]


def _without_repeats(
    rows: NDArray[np.intp], times: Floats, values: Floats, name: str, forecast: Forecasting, numbering: Numbering
) -> NDArray[np.intp]:
    """The rows of a series, each time once.

    Raises:
        InvalidJob: rows of one time differ.
    """
    again = np.flatnonzero(np.diff(times[rows]) == 0)
    for place in again:
        first, second = rows[place], rows[place + 1]
        if not np.array_equal(values[first], values[second], equal_nan=True):
            moment = _moment(times[first], forecast)
            of = f" of series {name!r}" if name else ""
            more = "drop one of them, or name the column that tells series apart as series"
            raise InvalidJob(
                f"rows {numbering[first]} and {numbering[second]} (the first row is 0){of} are both of {moment}, and "
                f"differ: {more if not forecast.series else 'drop one of them'}"
            )
    return np.delete(rows, again + 1)
