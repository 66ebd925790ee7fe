"""Forecasts: from a table with times to windows to train on, and those that are held out."""

from dataclasses import dataclass

import numpy as np

from stoker.errors import InvalidJob
from stoker.kinds import Train
from stoker.kinds.training.forecast import Forecast
from stoker.models.calendar_steps import step_words
from stoker.models.data import listed
from stoker.models.manifest import LearnedColumn
from stoker.models.signature import Forecasting
from stoker.models.windows import Ordered, Stretch, ordered, spaced, stretches

from ..columns.content import word
from ..data import Source, Values
from ..data.windows import Windows
from ..progress import Meter, obey_stop
from ..run import Run
from .channels import columns_of_truth, learned_columns, require_columns, time_decision
from .division import Division
from .profile import pass_rows
from .shares import Part, by_time
from .split import HELD_OUT, TRAINED, UNUSED, ExactSplit

_MOST_BYTES = 2 << 30
# A season is told by so many steps at most, and if by it the error of the last value falls to this share.
_MOST_SEASON = 1_000
_SEASON_SHARE = 0.8
# Two days are as like as one day, up to chance: a part of a season whose error is at most so much larger is the season.
_AS_GOOD = 1.1


@dataclass(frozen=True)
class ForecastData:
    """What a forecast is trained on.

    Attributes:
        tensor: what the model calls its input.
        columns: what was made of the table's.
    """

    windows: Windows
    forecast: Forecasting
    tensor: str
    division: Division
    columns: tuple[LearnedColumn, ...]


def cut_windows(source: Source, forecast: Forecasting, tensor: str, run: Run, *, last: bool = False) -> Windows:
    """The windows of a table for a model that is trained already; see `Windows`.

    Raises:
        InvalidJob: its rows cannot be put in order, or there are too few.
    """
    rows = ordered(read_columns(source, forecast.columns, run), forecast)
    _say_left_out(rows, forecast, run)
    if not last:
        return Windows(stretches(rows.series, forecast), forecast, tensor)
    parts = {stretch.series: stretch for stretch in stretches(rows.series, forecast)}
    short = [name for name, stretch in parts.items() if len(stretch.times) < forecast.window]
    if short:
        why = f"fewer than {forecast.window} rows follow each other at the end"
        run.say(f"no forecast for {listed(short)}: {why}", level="warning")
    cut = slice(-forecast.window, None)
    kept = [Stretch(name, each.times[cut], each.carried[cut]) for name, each in parts.items() if name not in short]
    return Windows(kept, forecast, tensor, last=True)


def forecast_data(spec: Train, asked: Forecast, source: Source, run: Run) -> ForecastData:
    """Choose the columns, sort the rows, cut windows, and split them by time; what was decided is said.

    Raises:
        InvalidJob: a column is missing or wrong, or there are too few rows.
        Stopped: a stop was requested.
    """
    assert isinstance(spec.target, str)
    by_name = {column.name: column for column in source.columns}
    require_columns(spec, asked, source)
    table = read_columns(source, tuple(by_name), run)
    booleans = columns_of_truth(spec, asked, source, table)
    columns = tuple(learned_columns(spec, asked, source, table, booleans))
    time = time_decision(spec, by_name[asked.time], table[asked.time])
    channels = (spec.target, *(each.name for each in columns if each.kind != "ignore" and each.name != spec.target))
    forecast = Forecasting(
        window=asked.window,
        horizon=asked.horizon,
        time=asked.time,
        series=asked.series,
        channels=channels,
        booleans=tuple(name for name in channels if name in booleans),
        times=time.kind == "time",
    )
    if time.warning:
        run.say(f"column {asked.time!r}: {time.why}; {time.warning}")
    rows = ordered(table, forecast)
    _say_left_out(rows, forecast, run)
    forecast = spaced(rows.series, forecast)
    parts = stretches(rows.series, forecast)
    tensor = "window"
    while tensor in forecast.columns:
        tensor += "_"
    windows = _long_enough(Windows(parts, forecast, tensor), parts, str(spec.data), forecast)
    division, cut = _divide(spec, windows, rows, forecast)
    forecast = forecast.model_copy(update={"season": _season(parts, cut, forecast)})
    run.say(*_words(rows, parts, windows, forecast, columns), f"validation: {division.why}")
    return ForecastData(windows, forecast, tensor, division, columns)


def divided_windows(
    spec: Train, source: Source, forecast: Forecasting, tensor: str, run: Run
) -> tuple[Windows, Division]:
    """The windows of a table for a model that is to learn more of them, and their split; what was found is said.

    Raises:
        InvalidJob: a column is missing or wrong, or there are too few rows.
        Stopped: a stop was requested.
    """
    rows = ordered(read_columns(source, forecast.columns, run), forecast)
    _say_left_out(rows, forecast, run)
    parts = stretches(rows.series, forecast)
    windows = _long_enough(Windows(parts, forecast, tensor), parts, str(spec.data), forecast)
    division, _ = _divide(spec, windows, rows, forecast)
    run.say(*_words(rows, parts, windows, forecast, ()), f"validation: {division.why}")
    return windows, division


def _long_enough(windows: Windows, parts: list[Stretch], ref: str, forecast: Forecasting) -> Windows:
    """The windows, of which there must be one."""
    if not windows.rows:
        longest = max((len(part.times) for part in parts), default=0)
        raise InvalidJob(
            f"no series of {ref} has {forecast.window + forecast.horizon} rows that follow each other, as a window of "
            f"{forecast.window} and a horizon of {forecast.horizon} need; the longest has {longest}: give longer "
            "series, or make window or horizon shorter"
        )
    return windows


def read_columns(source: Source, names: tuple[str, ...], run: Run) -> dict[str, Values]:
    """Whole columns of a source; those that it does not have are left out.

    Raises:
        InvalidJob: they would fill the memory.
        Stopped: a stop was requested.
    """
    known = [column.name for column in source.columns if column.name in names]
    parts: dict[str, list[Values]] = {name: [] for name in known}
    meter, rows = Meter(run, "reading data", total=source.rows), 0
    for batch in source.batches(pass_rows(source)):
        for name in known:
            parts[name].append(batch[name])
        rows += len(batch[known[0]]) if known else 0
        if rows * len(known) * 8 > _MOST_BYTES:
            raise InvalidJob(
                f"a forecast sorts its table in memory, and {rows:,} rows of {len(known)} columns are too many: give "
                "fewer series or columns, or a later beginning"
            )
        meter.at(rows)
        obey_stop(run)
    return {name: np.concatenate(values) if values else np.empty(0) for name, values in parts.items()}


def _divide(spec: Train, windows: Windows, rows: Ordered, forecast: Forecasting) -> tuple[Division, float]:
    """Hold out the windows whose horizon is in the newest part; those that reach into it are not trained on.

    Returns:
        The split, and the time from which on nothing is trained on.
    """
    part = Part.of(spec)
    sides = np.full(windows.rows, TRAINED, dtype=np.int8)
    if not part.high:
        why = "none of the windows" if spec.validation_data is None else f"all windows of {spec.validation_data}"
        return Division(ExactSplit(sides), why, {}), np.inf
    edges = by_time(np.concatenate([each.times for each in rows.series]), part)
    starts, ends = windows.horizons()
    if edges is not None:
        first, end = edges[0], np.inf if edges[1] is None else edges[1]
        sides[ends >= first] = UNUSED
        sides[(starts >= first) & (ends < end)] = HELD_OUT
    counts = [int((sides == side).sum()) for side in (TRAINED, HELD_OUT, UNUSED)]
    if edges is None or not counts[0] or not counts[1]:
        raise InvalidJob(
            f"{spec.data} has too few rows for windows of {forecast.window} and horizons of {forecast.horizon} steps: "
            f"{counts[0]:,} of them can be trained on, and {counts[1]:,} begin in the newest part, which is held out; "
            "make window or horizon shorter, or change validation_split or folds"
        )
    moment = np.datetime64(int(edges[0]), "us").astype("datetime64[s]") if forecast.times else word(edges[0])
    why = (
        f"{part.words}{counts[1]:,} windows whose horizon is from {moment} on; {counts[0]:,} lie before it, and "
        f"{counts[2]:,} that reach into it, or beyond it, are not used"
    )
    return Division(ExactSplit(sides), why, {}), edges[0]


def _season(parts: list[Stretch], cut: float, forecast: Forecasting) -> int | None:
    """After how many steps of the training part the target is most like itself, if that is plain to see."""
    known = [part.values[part.times < cut, 0] for part in parts]

    def error(lag: int) -> float:
        differences = [np.abs(each[lag:] - each[:-lag]) for each in known if len(each) > lag]
        return float(np.nanmean(np.concatenate(differences))) if differences else np.inf

    most = min(forecast.window, _MOST_SEASON)
    errors = {lag: error(lag) for lag in range(1, most + 1) if any(len(each) > 2 * lag for each in known)}
    seasons = {lag: value for lag, value in errors.items() if lag > 1 and value < min(errors.get(lag - 1, 0), np.inf)}
    if not seasons or not np.isfinite(list(errors.values())).any():
        return None
    best = min(seasons, key=lambda lag: seasons[lag])
    best = next(lag for lag in sorted(seasons) if best % lag == 0 and seasons[lag] <= _AS_GOOD * seasons[best])
    usual = float(np.nanmean(list(errors.values())))
    return best if seasons[best] < _SEASON_SHARE * usual else None


def _words(
    rows: Ordered, parts: list[Stretch], windows: Windows, forecast: Forecasting, columns: tuple[LearnedColumn, ...]
) -> list[str]:
    even = "rows are not evenly spaced in time, and taken as they follow each other"
    if forecast.step is not None or forecast.months is not None:
        filled = sum(len(part.times) for part in parts) - sum(len(each.times) for each in rows.series)
        length = step_words(forecast)
        even = f"a step is {length}; {filled:,} that lack take the value before, but in gaps as long as a window"
    season = f"; values come again after {forecast.season} steps" if forecast.season else ""
    told = (
        f"forecast: {windows.rows:,} windows of {len(rows.series):,} series, {forecast.window} steps of "
        f"{listed(forecast.channels)} each, and the next {forecast.horizon} of {forecast.channels[0]!r}"
    )
    left_out = (f"column {each.name!r} is left out: {each.why}" for each in columns if each.kind == "ignore")
    return [told, f"{even}{season}", *left_out]


def _say_left_out(rows: Ordered, forecast: Forecasting, run: Run) -> None:
    for count, what in (
        (rows.without_time, f"have no {forecast.time!r}"),
        (rows.without_series, f"name no {forecast.series!r}"),
        (rows.repeated, "are equal to another one"),
    ):
        if count:
            run.say(f"{count:,} rows {what}, and are left out", level="warning")
