"""Windows of a table with times: sorted, filled, cut, or refused."""

from typing import Any

import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.models.calendar_steps import step_words
from stoker.models.inputs import Inputs
from stoker.models.signature import Forecasting, Signature, TensorSpec
from stoker.models.windows import newest_windows, ordered, series_names, spaced, step_of, stretches

HOUR = 3_600_000_000.0
FORECAST = Forecasting(window=3, horizon=2, time="when", series="meter", channels=("kwh", "heat"), step=HOUR)
ALONE = FORECAST.model_copy(update={"series": None})


def table(**changed: Any) -> dict[str, Any]:
    """Two meters, five hours each, the newest rows first."""
    rows: dict[str, Any] = {
        "when": [f"2025-01-01T{hour:02}:00" for hour in (4, 3, 2, 1, 0)] * 2,
        "meter": ["b"] * 5 + ["a"] * 5,
        "kwh": [14, 13, 12, 11, 10, 4, 3, 2, 1, 0],
        "heat": [0.0] * 10,
    }
    return rows | changed


def test_the_last_rows_of_each_series_are_one_window_in_the_order_of_time() -> None:
    windows = newest_windows(table(), FORECAST)
    assert windows.shape == (2, 3, 2)
    assert windows[:, :, 0].tolist() == [[12, 13, 14], [2, 3, 4]]
    assert series_names(table(), FORECAST) == ["b", "a"]
    signature = Signature(
        inputs=(TensorSpec(name="window", shape=(3, 2), dtype="float32", gaps=True),),
        outputs=(TensorSpec(name="output", shape=(2,), dtype="float32"),),
        task="regression",
        target="kwh",
        forecast=FORECAST,
    )
    inputs = Inputs(signature, "m@1")
    np.testing.assert_array_equal(inputs.encoded(table(other=range(10)))["window"], windows)
    assert inputs.unused(table(other=range(10))) == ["other"]
    raw = {"window": np.zeros((4, 3, 2), np.float32)}
    assert inputs.encoded(raw) is raw or inputs.encoded(raw)["window"] is raw["window"]


def test_a_step_that_lacks_takes_the_value_before_and_a_long_gap_ends_a_stretch() -> None:
    hours = [0, 1, 3, 4, 20, 21]
    rows = {"when": [f"2025-01-01T{hour:02}:00" for hour in hours], "kwh": [0, 1, 3, 4, 20, 21], "heat": [1.0] * 6}
    known = ordered(rows, ALONE).series
    first, second = stretches(known, ALONE)
    assert np.isnan(first.values[:, 0]).tolist() == [False, False, True, False, False]
    assert first.carried[:, 0].tolist() == [0, 1, 1, 3, 4]
    assert second.carried[:, 0].tolist() == [20, 21]
    with pytest.raises(InvalidJob, match=r"the table ends with 2 rows that follow each other.*the last 3"):
        newest_windows(rows, ALONE)


@pytest.mark.parametrize(
    ("times", "step"),
    [
        ([0, 1, 2, 3, 4], 1.0),
        ([*range(20), 25, 26], 1.0),
        ([0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 14, 15], None),  # no weekends: more than a tenth of the steps
        ([0, 1, 2.1, 3.2, 4], None),
        ([*range(20), 20.5], None),
        ([5], None),
    ],
)
def test_a_table_is_evenly_spaced_if_nearly_all_steps_are_equal(times: list[float], step: float | None) -> None:
    forecast = ALONE.model_copy(update={"times": False, "step": None})
    rows = {"when": times, "kwh": times, "heat": times}
    assert step_of(ordered(rows, forecast).series) == step


def by_dates(dates: list[str]) -> Forecasting:
    """What is found of the steps between dates."""
    undecided = ALONE.model_copy(update={"step": None})
    rows = {"when": dates, "kwh": [*range(len(dates))], "heat": [0.0] * len(dates)}
    return spaced(ordered(rows, undecided).series, undecided)


def dates_of(months: Any, day: int = 1) -> list[str]:
    return [f"{2020 + month // 12}-{month % 12 + 1:02}-{day:02}" for month in months]


LAST_DAYS = [str(day) for day in np.arange("2020-02", "2023-01", dtype="datetime64[M]").astype("datetime64[D]") - 1]
# The first days of months that are no Saturday or Sunday.
WORKING_DAYS = [
    "2020-01-01",
    "2020-02-03",
    "2020-03-02",
    "2020-04-01",
    "2020-05-01",
    "2020-06-01",
    "2020-07-01",
    "2020-08-03",
]


@pytest.mark.parametrize(
    ("dates", "months", "words"),
    [
        (dates_of(range(30)), 1, "a month"),
        (dates_of(range(30), day=28), 1, "a month"),
        (dates_of([*range(20), *range(22, 40)]), 1, "a month"),  # two lack
        (LAST_DAYS, 1, "a month"),
        (WORKING_DAYS, 1, "a month"),
        ([f"{date}T00:00+0{1 + (3 <= at % 12 < 10)}:00" for at, date in enumerate(dates_of(range(30)))], 1, "a month"),
        (dates_of(range(0, 60, 3)), 3, "a quarter"),
        (dates_of(range(0, 60, 6)), 6, "a half year"),
        (dates_of(range(0, 240, 12)), 12, "a year"),
        (dates_of([12, 24, 36, 48]), 12, "a year"),  # of 365 days each
        (dates_of(range(0, 60, 2)), 2, "2 months"),
        ([str(np.datetime64("2020-01-01") + 30 * at) for at in range(6)], None, "30 days, 0:00:00"),
        ([str(np.datetime64("2020-01-01") + 28 * at) for at in range(30)], None, "28 days, 0:00:00"),
    ],
)
def test_rows_may_lie_whole_months_apart(dates: list[str], months: int | None, words: str) -> None:
    found = by_dates(dates)
    assert (found.months, found.step is None) == (months, months is not None)
    assert step_words(found) == words


@pytest.mark.parametrize(
    "dates",
    [
        ["2020-01-05", "2020-02-20", "2020-03-01", "2020-05-13", "2020-06-28"],
        [*dates_of(range(20)), "2021-09-01", "2021-09-15"],
        ["2020-01-01"],
    ],
)
def test_what_is_about_a_month_apart_is_not_even(dates: list[str]) -> None:
    found = by_dates(dates)
    assert (found.months, found.step) == (None, None)


def test_months_with_many_gaps_are_refused() -> None:
    with pytest.raises(
        InvalidJob,
        match=r"months apart, mostly 1, but 2 of 9 steps .* first from 2020-03-01 to 2020-05-01: give one row for "
        "each month, with empty cells",
    ):
        by_dates(dates_of([0, 1, 2, 4, 5, 6, 7, 9, 10, 11]))
    with pytest.raises(InvalidJob, match="give one row for each quarter"):
        by_dates(dates_of([0, 3, 6, 9, 12, 13, 14]))


def test_a_month_that_lacks_is_filled_in_at_its_date() -> None:
    monthly = ALONE.model_copy(update={"months": 1, "step": None})
    dates = [date for date in LAST_DAYS[:8] if "-02-" not in date]
    rows = {"when": dates, "kwh": [0, 2, 3, 4, 5, 6, 7], "heat": [1.0] * 7}
    [filled] = stretches(ordered(rows, monthly).series, monthly)
    assert np.isnan(filled.values[:, 0]).tolist() == [False, True, *[False] * 6]
    assert [str(np.datetime64(int(time), "us"))[:10] for time in filled.times] == LAST_DAYS[:8]
    first, second = stretches(
        ordered({"when": dates_of([0, 1, 5, 6]), "kwh": [0, 1, 5, 6], "heat": [0] * 4}, monthly).series, monthly
    )
    assert (len(first.times), len(second.times)) == (2, 2)


@pytest.mark.parametrize(
    ("steps", "dates", "message"),
    [
        (
            {"months": 1, "step": None},
            ["2020-01-01", "2020-02-01", "2020-02-02"],
            "rows of 2020-02-01.* 2020-02-02.* a month",
        ),
        (
            {},
            ["2020-01-01T10:00", "2020-01-01T11:00", "2020-01-01T11:10"],
            "11:00:00 and .*11:10:00 .* step .*, 1:00:00: give",
        ),
    ],
)
def test_rows_closer_than_a_step_are_refused(steps: dict[str, Any], dates: list[str], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        newest_windows({"when": dates, "kwh": [1, 2, 3], "heat": [1, 2, 3]}, ALONE.model_copy(update=steps))


def test_rows_that_cannot_be_put_in_order_are_left_out_and_counted_and_refused_when_served() -> None:
    meters, times = table()["meter"], table()["when"]
    rows = table(meter=[None, *meters[1:]], when=[times[0], None, *times[2:]])
    known = ordered(rows, FORECAST)
    assert (known.without_time, known.without_series) == (1, 1)
    assert [len(each.times) for each in known.series] == [3, 5]
    with pytest.raises(InvalidJob, match="1 rows have no 'when', so nobody knows where they belong"):
        newest_windows(rows, FORECAST)


def test_a_row_that_comes_twice_counts_once_and_two_values_of_one_time_are_refused() -> None:
    twice = {name: [*values, values[0]] for name, values in table().items()}
    assert ordered(twice, FORECAST).repeated == 1
    twice["kwh"][-1] = 99
    with pytest.raises(InvalidJob, match=r"rows 0 and 10 .* of series 'b' are both of 2025-01-01T04:00:00, and differ"):
        newest_windows(twice, FORECAST)
    with pytest.raises(InvalidJob, match="name the column that tells series apart as series"):
        newest_windows(table(), ALONE)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            {"kwh": [1, 2, 3], "when": ["2025-01-01"] * 3},
            "takes the columns 'kwh', .* 'heat', 'meter'",
        ),
        (table(when=["yesterday"] * 10), "'when' holds 'yesterday' in row 0"),
        (table(kwh=["much"] * 10), "'kwh' holds text; expected numbers"),
        (table(kwh=[np.inf] * 10), "'kwh' holds inf in row 0"),
        ({name: values[:2] for name, values in table().items()}, "series 'b' ends with 2 rows"),
        ({name: [] for name in table()}, "no rows to forecast from"),
    ],
)
def test_what_cannot_be_forecast_from_is_refused(rows: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        newest_windows(rows, FORECAST)
