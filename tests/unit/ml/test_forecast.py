"""Forecasts from a table with times: trained, measured, predicted, resumed."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import stoker
from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.kinds import EvaluateResult, InferResult, Train
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.predictions import predictions
from stoker.models.store import Store
from stoker_workers.kinds import execute
from stoker_workers.ml.columns.stats import Moments
from stoker_workers.ml.data.samples import load_sample
from stoker_workers.ml.evaluation.report import Report
from stoker_workers.ml.networks.levelled import levelled
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.reading import read_training_data
from stoker_workers.ml.run import Run

from .conftest import OFTEN, assert_goes_on, assert_resumes, manifest_of

OpenRun = Callable[..., Run]
FORECAST = stoker.Forecast(window=48, horizon=24, time="when", series="meter")
SPEC = Train(model="m", data="sample://consumption", target="kwh", forecast=FORECAST, epochs=6, seed=1)
HOUR = np.timedelta64(1, "h")


def versioned(spec: Train, run: Run) -> ModelVersion:
    return ModelVersion(**dict(manifest_of(execute(spec, run))), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))


def lines(events: list[Event]) -> str:
    return "\n".join(event.line for event in events if isinstance(event, Log))


def table(folder: Path, *, hours: int = 400, name: str = "t.csv", **columns: Any) -> str:
    """One evenly spaced series, written as CSV."""
    times = np.datetime64("2025-01-01T00:00:00") + np.arange(hours) * HOUR
    values = {"when": times, "kwh": np.round(np.sin(np.arange(hours) / 4), 3), **columns}
    rows = [",".join(values), *(",".join(map(str, row)) for row in zip(*values.values(), strict=True))]
    (folder / name).write_text("\n".join(rows))
    return str(folder / name)


@pytest.mark.usefixtures("pages_drawn")
def test_a_forecast_is_measured_beside_naive_ones_and_served_from_raw_rows(
    open_run: OpenRun, store: Store, events: list[Event], tmp_path: Path
) -> None:
    version = versioned(SPEC, open_run())
    signature = version.signature
    assert signature.forecast is not None
    assert (signature.forecast.channels, signature.forecast.season) == (("kwh", "temperature"), 24)
    assert signature.inputs[0].shape == (48, 2)
    assert "8,936 windows of 4 series, 48 steps of 'kwh', 'temperature'" in lines(events)
    assert "a step is 1:00:00; 43 that lack take the value before" in lines(events)
    assert (
        "346 windows are neither trained on nor measured, for their horizon has gaps; 7,718 remain to train on"
        in lines(events)
    )
    assert "as columns says" not in lines(events)
    assert "windows whose horizon is from 2025-04-" in version.split
    assert {column.name: column.kind for column in version.columns} == {"temperature": "number", "kwh": "number"}

    evaluation = stoker.Evaluate(model="m", data=SPEC.data, bootstrap=100, noise=(), slices=("meter",))
    measured = execute(evaluation, open_run(version)).result
    assert isinstance(measured, EvaluateResult)
    errors = measured.accuracy.forecast
    assert errors is not None
    assert errors.season is not None
    assert len(errors.model.mae) == len(errors.last.rmse) == 24
    assert errors.model.mean < errors.season.mean < errors.last.mean
    assert errors.model.mean == pytest.approx(measured.metrics["mae"], rel=1e-5)
    assert any("carrying the last value on" in note for note in measured.shown().notes)
    assert [each.value for each in measured.slices] == ["north", "south", "mill", "school"]
    report = Report.model_validate_json(store.read(measured.files["report"]))
    assert [(len(each.past), len(each.truth), each.of) for each in report.forecasts] == [(48, 24, 100)] * 3
    middle, bad, worst = (each.mae for each in report.forecasts)
    assert (
        middle
        < bad
        < worst
        == pytest.approx(np.abs(np.subtract(report.forecasts[2].truth, report.forecasts[2].predicted)).mean())
    )
    page = store.read(measured.files["html"]).decode()
    assert page.count('aria-label="forecast against truth"') == 3
    assert "The tenth worst of 100 windows drawn at random." in page

    rows = next(load_sample("consumption", "test").batches(100_000))
    inputs = Inputs(signature, version.ref)
    tensors = inputs.encoded(rows)
    inputs.check(tensors)
    assert isinstance(tensors, dict)
    outputs = Predictor.load(version, store, tmp_path, rows=4).predict(tensors)
    answers = predictions(version, outputs, rows)
    assert [answer.series for answer in answers] == ["north", "south", "mill", "school"]
    assert all(isinstance(answer.value, tuple) and len(answer.value) == 24 for answer in answers)
    plain = keras.saving.load_model(store.fetch(version.files["keras"], tmp_path), safe_mode=True, compile=False)
    np.testing.assert_allclose(plain(tensors["window"].astype(np.float32)), outputs, rtol=1e-5, atol=1e-5)

    spec = stoker.Infer(model="m", data=SPEC.data, format="csv", columns=["meter", "when"])
    inferred = execute(spec, open_run(version)).result
    assert isinstance(inferred, InferResult)
    written = list(csv.DictReader(store.read(inferred.chunks[0]).decode().splitlines()))
    assert [row["meter"] for row in written] == ["north", "south", "mill", "school"]
    assert float(written[2]["value_23"]) == pytest.approx(answers[2].value[23], rel=1e-4)  # type: ignore[index]
    assert written[0]["when"].startswith("2025-05-05 23:00")

    # Another year and another meter, which lacks an hour; the step is the version's.
    hours = np.delete(np.datetime64("2026-01-01T00", "us") + np.arange(300) * HOUR, 200)
    new = {"when": hours, "meter": ["east"] * 299, "kwh": np.sin(np.arange(299) / 4), "temperature": np.zeros(299)}
    pq.write_table(pa.table(new), tmp_path / "east.parquet")
    events.clear()
    outcome = assert_goes_on(version, str(tmp_path / "east.parquet"), open_run(version))
    assert "229 windows of 1 series" in lines(events)
    assert "windows whose horizon is from 2026-01-" in manifest_of(outcome).split
    for data, fields, message in (
        ("new.csv", {"group": "meter"}, "group is for rows, and m@1 learns from windows of time"),
        ("new.csv", {"target": "temperature"}, "target names temperature, and m@1 predicts kwh"),
        (None, {"add_data": "east.parquet"}, "add_data mixes rows, and m@1 learns from rows that follow each"),
    ):
        with pytest.raises(InvalidJob, match=message):
            assert_goes_on(version, data, open_run(version), **fields)


def test_no_window_that_is_trained_on_reaches_into_the_part_that_is_held_out(open_run: OpenRun, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"data": table(tmp_path), "forecast": FORECAST.model_copy(update={"series": None})})
    data = read_training_data(spec, open_run(), 0)
    [batch] = data.source.batches(1_000)
    sides = data.split.sides(batch, 0)
    first = batch["when"] + HOUR
    last = first + 23 * HOUR
    begin = first[sides == 1].min()
    assert last[sides == 0].max() < begin
    assert ((sides == 2) == ((last >= begin) & (first < begin))).all()
    assert (sides == 1).sum() == 40 - 23
    # The past of what is held out is known by then.
    np.testing.assert_array_equal(batch["kwh"][0], batch["window"][24, -24:, 0])
    bounds = []
    for fold in range(3):
        data = read_training_data(spec.model_copy(update={"folds": 3, "fold": fold}), open_run(), 0)
        sides = data.split.sides(batch, 0)
        assert last[sides == 0].max() < first[sides == 1].min()
        bounds.append((first[sides == 1].min(), last[sides == 1].max()))
    assert bounds[0][1] < bounds[1][0] < bounds[1][1] < bounds[2][0]


def test_series_of_any_size_are_forecast_alike(open_run: OpenRun, store: Store, tmp_path: Path) -> None:
    hours = np.arange(600)
    parts = [(name, size * (2 + np.sin(2 * np.pi * hours / 24))) for name, size in (("small", 0.01), ("large", 500.0))]
    when = (np.datetime64("2025-01-01T00:00:00") + hours * HOUR).tolist()
    rows = [f"{time},{name},{value:.6g}" for name, values in parts for time, value in zip(when, values, strict=True)]
    (tmp_path / "sizes.csv").write_text("\n".join(["when,meter,kwh", *rows]))
    version = versioned(SPEC.model_copy(update={"data": str(tmp_path / "sizes.csv"), "epochs": 15}), open_run())
    given = {
        "when": [str(time) for time in when[:500]] * 2,
        "meter": ["small"] * 500 + ["large"] * 500,
        "kwh": np.concatenate([values[:500] for _, values in parts]),
    }
    outputs = Predictor.load(version, store, tmp_path, rows=2).predict(Inputs(version.signature, "m").encoded(given))
    for output, (_, values) in zip(outputs, parts, strict=True):
        assert np.abs(output - values[500:524]).mean() < 0.1 * values.mean()


DAYS = np.datetime64("2024-01-11") + np.arange(120)
DATED = np.char.replace(DAYS.astype(str), "-", "").astype(np.int64)
DAILY = SPEC.model_copy(
    update={"epochs": 1, "forecast": FORECAST.model_copy(update={"series": None, "window": 8, "horizon": 2})}
)


def daily(folder: Path, name: str, **columns: Any) -> str:
    """A table of some months, one day and a week of which lack, written as CSV or Parquet."""
    columns = {"kwh": np.round(np.sin(np.arange(120) * np.pi / 3.5), 3), **columns}
    rows = np.delete(np.arange(120), [30, *range(70, 77)])[::-1]
    kept = {column: np.asarray(values)[rows] for column, values in columns.items()}
    if name.endswith("parquet"):
        pq.write_table(pa.table(kept), folder / name)
        return str(folder / name)
    return table(folder, hours=len(rows), name=name, **kept)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("written", [DATED, DATED.astype(np.float64)])
def test_dates_written_as_numbers_are_the_days_that_they_mean(
    written: Any, name: str, open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    paid = np.roll(DAYS, 3)
    read = []
    for when, due in ((DAYS, paid), (written, np.roll(written, 3))):
        spec = DAILY.model_copy(update={"data": daily(tmp_path, name, when=when, due=due)})
        data = read_training_data(spec, open_run(), 0)
        [batch] = data.source.batches(1_000)
        read.append((data.forecast, data.why, batch["window"], batch["kwh"], batch["when"]))
        assert "a step is 1 day, 0:00:00; 8 that lack" in lines(events)
        assert "column 'due' is left out: a forecast reads numbers only" in lines(events)
        events.clear()
    for stated, expected in zip(*reversed(read), strict=True):
        np.testing.assert_array_equal(stated, expected)


def test_dates_written_as_numbers_are_said_and_are_numbers_by_the_word_of_who_knows(
    open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    path = daily(tmp_path, "t.csv", when=DATED, due=np.roll(DATED, 3))
    spec = DAILY.model_copy(update={"data": path})
    read_training_data(spec, open_run(), 0)
    assert "column 'when': its numbers are dates, such as 20240509" in lines(events)
    assert "if not, columns={'when': 'number'} makes it a number" in lines(events)
    numbers = stoker.Data(ref=path, columns={"when": "number", "due": "number"})
    forecast = read_training_data(spec.model_copy(update={"data": numbers}), open_run(), 0).forecast
    assert forecast is not None
    assert (forecast.times, forecast.channels) == (False, ("kwh", "due"))
    with pytest.raises(InvalidJob, match=r"column 'due' holds dates: its numbers are dates.*'due': 'number'"):
        read_training_data(spec.model_copy(update={"features": ("due",)}), open_run(), 0)


@pytest.mark.slow
def test_a_model_of_dates_that_are_numbers_takes_them_in_either_form(
    open_run: OpenRun, store: Store, tmp_path: Path
) -> None:
    tables = {
        name: daily(tmp_path, name, when=when)
        for name, when in (("iso.csv", DAYS), ("dated.csv", DATED), ("dated.parquet", DATED))
    }
    version = versioned(DAILY.model_copy(update={"data": tables["dated.csv"]}), open_run())
    results = [
        execute(stoker.Evaluate(model="m", data=data, bootstrap=100, noise=()), open_run(version)).result
        for data in tables.values()
    ]
    metrics = [result.metrics for result in results if isinstance(result, EvaluateResult)]
    assert metrics == [metrics[0]] * 3
    predictor, inputs = Predictor.load(version, store, tmp_path, rows=1), Inputs(version.signature, "m")
    times: list[Any] = [DAYS.astype(str).tolist(), DATED, DATED.tolist(), list(map(str, DATED)), DAYS]
    outputs = [predictor.predict(inputs.encoded({"when": when, "kwh": np.arange(120.0)})) for when in times]
    for output in outputs[1:]:
        np.testing.assert_array_equal(output, outputs[0])


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_months_written_as_numbers_are_the_months_that_they_mean(
    name: str, open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    months = np.datetime64("2010-01") + np.arange(120)
    numbers = np.array([int(str(month).replace("-", "")) for month in months])
    forecast = stoker.Forecast(window=6, horizon=2, time="when")
    read = []
    for when in (months.astype("M8[s]"), numbers):
        path = daily(tmp_path, name, when=when, kwh=np.arange(120.0))
        spec = Train(model="m", data=path, target="kwh", forecast=forecast)
        data = read_training_data(spec, open_run(), 0)
        [batch] = data.source.batches(1_000)
        read.append((data.forecast, data.why, batch["window"], batch["when"]))
    for stated, expected in zip(*reversed(read), strict=True):
        np.testing.assert_array_equal(stated, expected)
    assert "column 'when': its numbers are months, such as 201912" in lines(events)


@pytest.mark.slow
def test_words_for_yes_and_no_are_channels_as_booleans_are(open_run: OpenRun, store: Store, tmp_path: Path) -> None:
    shut = np.arange(120) % 7 > 4
    tables = {
        name: daily(tmp_path, name, when=DAYS, shut=np.where(shut, *words) if words else shut)
        for name, words in (("words.csv", ("yes", "no")), ("true.csv", ("TRUE", "FALSE")), ("t.parquet", ()))
    }
    windows = []
    for data in tables.values():
        read = read_training_data(DAILY.model_copy(update={"data": data}), open_run(), 0)
        assert read.forecast is not None
        assert (read.forecast.channels, read.forecast.booleans) == (("kwh", "shut"), ("shut",))
        windows.append(next(read.source.batches(1_000))["window"])
    np.testing.assert_array_equal(windows[1:], windows[:1] * 2)
    version = versioned(DAILY.model_copy(update={"data": tables["words.csv"]}), open_run())
    metrics = [
        execute(stoker.Evaluate(model="m", data=data, bootstrap=100, noise=()), open_run(version)).result
        for data in tables.values()
    ]
    assert len({str(result.metrics) for result in metrics if isinstance(result, EvaluateResult)}) == 1
    predictor, inputs = Predictor.load(version, store, tmp_path, rows=1), Inputs(version.signature, "m")
    written: list[Any] = [shut, shut.tolist(), np.where(shut, "Yes", "no").tolist(), shut.astype(int)]
    outputs = [
        predictor.predict(inputs.encoded({"when": DAYS, "kwh": np.arange(120.0), "shut": values})) for values in written
    ]
    for output in outputs[1:]:
        np.testing.assert_array_equal(output, outputs[0])
    with pytest.raises(InvalidJob, match=r"column 'shut' holds 'ajar' in row 0 .*expected yes or no"):
        inputs.encoded({"when": DAYS, "kwh": np.arange(120.0), "shut": ["ajar"] * len(DAYS)})


def test_a_forecast_is_resumed_to_the_bit(open_run: OpenRun, events: list[Event], tmp_path: Path) -> None:
    spec = SPEC.model_copy(
        update={
            "data": table(tmp_path),
            "forecast": FORECAST.model_copy(update={"series": None}),
            "epochs": 2,
            "checkpoint": OFTEN,
        }
    )
    assert_resumes(spec, execute(spec, open_run()), events, open_run())


@pytest.mark.parametrize(
    ("columns", "forecast", "message"),
    [
        ({"when": ["soon"] * 400}, {}, "column 'when' holds 'soon' in row 0 .*; expected a time"),
        ({"kwh": ["much"] * 400}, {}, "a forecast is of numbers and from numbers, and column 'kwh' holds others"),
        ({}, {"series": "meter"}, "series names 'meter', which .* has not; it has 'when', 'kwh'"),
        ({}, {"window": 390}, "has 414 rows that follow each other.*the longest has 400"),
        ({}, {"window": 300}, "too few rows for windows of 300 and horizons of 24 steps: 57 .* and 0 begin"),
        ({"when": ["2025-01-01"] * 400}, {}, "rows 0 and 1 .* are both of 2025-01-01T00:00:00, and differ"),
    ],
)
def test_a_table_that_cannot_be_forecast_is_refused(
    columns: Any, forecast: Any, message: str, open_run: OpenRun, tmp_path: Path
) -> None:
    asked = FORECAST.model_copy(update={"series": None, **forecast})
    spec = SPEC.model_copy(update={"data": table(tmp_path, **columns), "forecast": asked, "validation_split": 0.05})
    with pytest.raises(InvalidJob, match=message):
        read_training_data(spec, open_run(), 0)


def test_a_season_is_the_shortest_that_the_series_comes_again_after(open_run: OpenRun, tmp_path: Path) -> None:
    hours = np.arange(400)
    days = np.sin(hours * np.pi / 6)
    weeks = np.sin(hours * np.pi / 2) * np.where(hours // 4 % 7 < 5, 1, 0.3)
    found = []
    for seed, series in enumerate([days, days, days, weeks]):
        noisy = np.round(series + np.random.default_rng(seed).normal(0, 0.1, 400), 3)
        asked = FORECAST.model_copy(update={"series": None})
        spec = SPEC.model_copy(update={"data": table(tmp_path, kwh=noisy), "forecast": asked})
        forecast = read_training_data(spec, open_run(), 0).forecast
        assert forecast is not None
        found.append(forecast.season)
    assert found == [12, 12, 12, 28]


def test_what_is_left_out_or_uneven_is_said(open_run: OpenRun, events: list[Event], tmp_path: Path) -> None:
    days = np.datetime64("2020-01-01") + np.arange(700)
    working = days[(np.arange(700) % 7) < 5][:400]
    note = ["words"] * 400
    spec = SPEC.model_copy(
        update={
            "data": table(tmp_path, when=working, note=note, zero=[0] * 400),
            "forecast": FORECAST.model_copy(update={"series": None}),
        }
    )
    read_training_data(spec, open_run(), 0)
    told = lines(events)
    assert "rows are not evenly spaced in time, and taken as they follow each other" in told
    assert "column 'note' is left out: a forecast reads numbers only" in told
    assert "column 'zero' is left out: it is 0 in every row" in told

    months = np.arange(400).astype("datetime64[M]").astype("datetime64[D]")
    monthly = spec.model_copy(update={"data": table(tmp_path, when=months)})
    forecast = read_training_data(monthly, open_run(), 0).forecast
    assert forecast is not None
    assert (forecast.months, forecast.step) == (1, None)
    assert "a step is a month; 0 that lack take the value before" in lines(events)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target": None}, "name it as target"),
        ({"target": "when"}, "cannot be its time or series as well"),
        ({"time": "when"}, "time is for rows, and a forecast learns from windows"),
        ({"sample_weight": "w"}, "sample_weight is for rows"),
        ({"task": "classification"}, "a forecast is of numbers"),
        ({"features": ["when"]}, "features names 'when', which the forecast knows already"),
        ({"forecast": {"time": "when", "series": "when"}}, "names 'when' as time and as series"),
    ],
)
def test_what_contradicts_a_forecast_is_refused_at_the_door(fields: dict[str, Any], message: str) -> None:
    known: dict[str, Any] = {"model": "m", "data": "a.csv", "target": "kwh", "forecast": {"time": "when"}}
    with pytest.raises(InvalidJob, match=message):
        Train(**known | fields)


@pytest.mark.parametrize("level", [0.1, 0.8164966, -7.3, 1_000.1])
def test_a_channel_of_equal_values_tells_nothing_at_any_level(level: float) -> None:
    seen = Moments((2,))
    seen.update(np.random.default_rng(0).normal(size=(50, 2)))
    network = keras.Sequential([keras.Input((6, 2)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model = levelled(network, (6, 2), seen, seen)
    window = np.random.default_rng(1).normal(size=(1, 6, 2)).astype(np.float32)
    window[:, :, 1] = 0
    expected = model(window).numpy()
    window[:, :, 1] = level
    np.testing.assert_array_equal(model(window).numpy(), expected)


def test_a_levelled_network_forecasts_each_row_alike_in_a_batch_of_as_many_rows_as_steps() -> None:
    steps = Moments((1,))
    steps.update(np.random.default_rng(0).normal(5, 2, size=(100, 1)))
    ahead = Moments((3,))
    ahead.update(np.random.default_rng(1).normal(5, 2, size=(100, 3)))
    inner = keras.Sequential([keras.Input((8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    network = levelled(inner, (8, 1), steps, ahead)
    windows = np.random.default_rng(2).normal(size=(3, 8, 1)).astype(np.float32) * [[[1.0]], [[10.0]], [[100.0]]]
    alone = np.concatenate([network(windows[row : row + 1]) for row in range(3)])
    np.testing.assert_allclose(network(windows), alone, rtol=1e-4)
