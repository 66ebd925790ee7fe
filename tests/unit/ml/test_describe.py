"""The `Describe` job from end to end on a messy table, and what it is made of."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from stoker.errors import InvalidJob
from stoker.events import Event
from stoker.kinds import Describe, DescribedColumn, DescribeResult
from stoker.models.store import Store
from stoker_workers.kinds import describe
from stoker_workers.ml.columns.description import described
from stoker_workers.ml.columns.duplicates import Duplicates
from stoker_workers.ml.columns.giveaways import giveaways
from stoker_workers.ml.columns.kinds import decide
from stoker_workers.ml.columns.stats import ColumnStats
from stoker_workers.ml.data import Column, Values
from stoker_workers.ml.run import Run, Stopped

OpenRun = Callable[..., Run]
HEAD = ["", "customer_id", "zone", "amount", "note", "land", "churn", "left"]
ROWS = 600


@pytest.fixture
def messy(tmp_path: Path) -> str:
    """A CSV with an index, a key, gaps, a constant, a giveaway, rare churn, and 40 rows twice."""
    random = np.random.default_rng(1)
    rows: list[list[object]] = []
    for place in range(ROWS):
        churned = place % 40 == 0
        amount = "" if place % 10 == 0 else f"{random.normal(5, 2):.2f}"
        note = f"<b>{place}</b>" if place % 20 == 0 else ""
        kept = "lost" if churned else "kept"
        rows.append([place, 7000 + place, "abc"[place % 3], amount, note, "DE", "Yes" if churned else "No", kept])
    with (tmp_path / "messy.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEAD, *rows, *rows[:40]])
    return str(tmp_path / "messy.csv")


def result_of(run: Run, data: str, target: str | tuple[str, ...] | None = None) -> DescribeResult:
    outcome = describe.run(Describe(data=data, target=target), run)
    assert isinstance(outcome.result, DescribeResult)
    assert outcome.effects == ()
    return outcome.result


def column_of(values: Values, dtype: str) -> DescribedColumn:
    stats = ColumnStats(Column("x", dtype, values.shape[1:]))
    stats.update(values)
    return described(stats, decide(stats))


def test_a_messy_table_is_described_column_by_column(open_run: OpenRun, messy: str, store: Store) -> None:
    result = result_of(open_run(), messy, target="churn")
    columns = {column.name: column for column in result.columns}
    assert result.rows == ROWS + 40
    assert {name: column.kind for name, column in columns.items()} == {
        "customer_id": "ignore", "zone": "category", "amount": "number", "note": "category",
        "land": "ignore", "churn": "boolean", "left": "category",
    }  # fmt: skip
    amount = columns["amount"]
    assert amount.missing == 64
    assert amount.histogram is not None
    assert sum(amount.histogram.counts) == result.rows - amount.missing
    assert (amount.histogram.edges[0], amount.histogram.edges[-1]) == (amount.low, amount.high)
    assert amount.mean == pytest.approx(5, abs=0.5)
    assert columns["zone"].commonest == {"a": 214, "b": 213, "c": 213}
    assert (columns["customer_id"].distinct, columns["customer_id"].exact) == (ROWS, True)
    assert (result.target, result.task, result.task_doubt) == ("churn", "classification", None)
    assert json.loads(store.read(result.files["report"]))["rows"] == result.rows


def test_its_warnings_name_the_column_and_the_setting(open_run: OpenRun, messy: str) -> None:
    result = result_of(open_run(), messy, target="churn")
    assert any("left out, for it numbers the rows" in note for note in result.notes)
    warnings = result.warnings
    for said in (
        "column 'customer_id' is left out: a key, by its name: 600 of 640 values differ",
        "column 'land' is left out: it is 'DE' in every row",
        "the classes of 'churn' are out of balance: 624 rows of 'No', 16 of 'Yes'",
        "column 'left' alone tells 'churn' in 100 % of the rows",
        "leave it out with columns={'left': 'ignore'}",
        "40 of 640 rows are equal to an earlier one",
    ):
        assert any(said in warning for warning in warnings), (said, warnings)
    assert not [warning for warning in warnings if "'zone'" in warning or "'amount'" in warning]


def test_an_index_is_left_out_and_what_is_like_one_is_warned_of(open_run: OpenRun, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("row,built,price\n" + "".join(f"{10_000 + n},{1950 + n},{n % 7}.5\n" for n in range(60)))
    result = result_of(open_run(), str(path), "price")
    assert [column.kind for column in result.columns] == ["ignore", "number", "number"]
    assert any("'row' is left out: an index: 10000, 10001" in warning for warning in result.warnings)
    assert any("'built' is taken for a number" in each and "as in an index" in each for each in result.warnings)


@pytest.mark.usefixtures("pages_drawn")
def test_the_page_shows_every_column_and_escapes_it(open_run: OpenRun, messy: str, store: Store) -> None:
    page = store.read(result_of(open_run(), messy, "churn").files["html"]).decode()
    assert "640 rows of 7 columns" in page
    assert "amount: number" in page
    assert page.count("<svg") == 1
    assert "&lt;b&gt;0&lt;/b&gt;" in page
    assert "<b>0</b>" not in page
    assert "out of balance" in page


def test_a_conventional_target_need_not_be_named(open_run: OpenRun) -> None:
    result = result_of(open_run(), "sample://iris")
    assert (result.target, result.task, result.task_doubt) == ("y", "classification", None)
    assert [(column.kind, column.shape) for column in result.columns] == [("vector", (4,)), ("category", ())]


def test_without_a_target_there_is_no_task(open_run: OpenRun, messy: str) -> None:
    result = result_of(open_run(), messy)
    assert (result.target, result.task) == (None, None)
    assert not any("alone tells" in warning for warning in result.warnings)


def test_a_target_that_is_not_there_is_refused(open_run: OpenRun, messy: str) -> None:
    with pytest.raises(InvalidJob, match=r"messy.csv has no column 'price'; it has 'customer_id'"):
        result_of(open_run(), messy, "price")


def test_a_target_that_cannot_be_predicted_is_a_warning(open_run: OpenRun, messy: str) -> None:
    result = result_of(open_run(), messy, "land")
    assert result.task is None
    assert any("target 'land' is the same in every row" in warning for warning in result.warnings)


def test_each_of_several_targets_has_its_task_and_they_are_told_together(open_run: OpenRun, messy: str) -> None:
    result = result_of(open_run(), messy, ("amount", "churn", "land"))
    assert (result.target, result.task, result.together) == (None, None, None)
    assert [(target.name, target.task) for target in result.targets] == [
        ("amount", "regression"), ("churn", "classification"), ("land", None),
    ]  # fmt: skip
    assert result.targets[1].why == "2 different texts"
    assert any("target 'land' is the same in every row" in warning for warning in result.warnings)
    assert any("target 'amount' is missing in 64 of 640 rows" in warning for warning in result.warnings)
    assert result_of(open_run(), messy, ("amount", "churn")).together == "together, an output each: 'amount', 'churn'"
    both = result_of(open_run(), messy, ("churn", "left"))
    assert not any("'left' alone tells 'churn'" in warning for warning in both.warnings)
    shown = " ".join(both.shown().notes)
    assert "churn asks for classification: 2 different texts" in shown
    with pytest.raises(InvalidJob, match="has no column 'price'"):
        result_of(open_run(), messy, ("churn", "price"))


@pytest.mark.parametrize(("target", "task"), [("tags", "multilabel"), ("kind", "classification")])
def test_lists_are_described_beside_a_target_or_as_one(
    target: str, task: str, open_run: OpenRun, tmp_path: Path
) -> None:
    rows = [
        {"tags": ["a", "b", "c"][: place % 4], "curve": [0.5] * (place % 5), "kind": "uv"[place % 2]}
        for place in range(80)
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = result_of(open_run(), str(tmp_path / "t.jsonl"), target)
    assert result.task == task
    assert [column.dtype for column in result.columns] == ["list", "list", "string"]


@pytest.mark.parametrize("huge", [np.inf, 1e300])
def test_numbers_that_no_model_takes_are_described(huge: float, open_run: OpenRun, tmp_path: Path) -> None:
    rows = [{"a": place * 0.7, "b": huge if place == 3 else place * 1.5} for place in range(80)]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    for target in ("a", "b"):
        result = result_of(open_run(), str(tmp_path / "t.parquet"), target)
        assert any("alone tells" in warning for warning in result.warnings), result.warnings


def test_a_target_whose_digits_a_model_cannot_give_is_warned_of(open_run: OpenRun, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{n * 0.7},{2**60 + n * n}\n" for n in range(80)))
    warnings = result_of(open_run(), str(tmp_path / "t.csv"), "b").warnings
    assert any("target 'b' holds numbers around 1.153e+18" in warning for warning in warnings)


def test_a_doubtful_task_is_a_warning_that_names_the_field(open_run: OpenRun, tmp_path: Path) -> None:
    np.savez(tmp_path / "grades.npz", x=np.ones((90, 2)), y=np.array([1] * 50 + [2] * 30 + [3] * 10))
    result = result_of(open_run(), str(tmp_path / "grades.npz"))
    assert result.task == "classification"
    assert any("set task='regression' to predict a number" in warning for warning in result.warnings)


def test_infinite_and_mostly_missing_numbers_are_warned_of(open_run: OpenRun, tmp_path: Path) -> None:
    rare = [1.5, 2.5, 3.5, np.inf, *[None] * 96]
    table = pa.table({"rare": pa.array(rare), "other": np.arange(100) % 7 + 0.5})
    pa.parquet.write_table(table, tmp_path / "rare.parquet")
    with np.errstate(invalid="ignore"):
        result = result_of(open_run(), str(tmp_path / "rare.parquet"))
    assert any("'rare' is missing in 96 % of the rows (96 of 100)" in warning for warning in result.warnings)
    assert any("'rare' holds infinite numbers" in warning for warning in result.warnings)
    assert result.columns[0].high is None


def test_categories_that_differ_only_in_case_or_spaces_are_warned_of(open_run: OpenRun, tmp_path: Path) -> None:
    (tmp_path / "cities.csv").write_text("city,land\n" + "New York,US\nnew  york,US\nBoston,us\n" * 9)
    warnings = result_of(open_run(), str(tmp_path / "cities.csv")).warnings
    assert any("'New York' and 'new  york' are two values of column 'city'" in warning for warning in warnings)
    assert any("'US' and 'us' are two values of column 'land'" in warning for warning in warnings)


def test_it_stops_between_batches_when_asked_to(open_run: OpenRun, messy: str) -> None:
    with pytest.raises(Stopped):
        result_of(open_run(stop_requested=lambda: "cancel"), messy)


def test_it_tells_how_far_it_is(
    open_run: OpenRun, messy: str, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stoker_workers.ml.progress._INTERVAL_S", 0.0)
    result_of(open_run(), messy)
    [progress] = [event for event in events if event.type == "progress"]
    assert (progress.stage, progress.done) == ("reading", 640)


def test_times_are_described_as_times() -> None:
    column = column_of(np.array(["2024-01-01", "NaT", "2024-01-03", "2024-01-02"], "M8[us]"), "time")
    assert (column.kind, column.missing, column.low, column.high) == (
        "time", 1, "2024-01-01T00:00:00", "2024-01-03T00:00:00",
    )  # fmt: skip
    assert column.mean == column.median == "2024-01-02T00:00:00"
    assert column.histogram is not None
    assert column.histogram.edges[0] == "2024-01-01T00:00:00"
    assert column.values(4) == "2024-01-01 … 2024-01-03"


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([20240131, 20240301, 20240229]), "int64"),
        (np.array(["2024-01-31", "2024-03-01", "2024-02-29"], object), "string"),
    ],
)
def test_dates_are_described_as_times_however_they_are_written(values: Values, dtype: str) -> None:
    column = column_of(values, dtype)
    assert (column.kind, column.low, column.high) == ("time", "2024-01-31T00:00:00", "2024-03-01T00:00:00")
    assert (column.mean, column.median, column.histogram) == (None, None, None)


def test_each_of_a_few_whole_numbers_has_a_bar_of_its_own() -> None:
    histogram = column_of(np.array([1, 2, 2, 9] * 9), "int64").histogram
    assert histogram is not None
    assert histogram.counts == (9, 18, 0, 0, 0, 0, 0, 0, 9)
    assert histogram.edges[:2] == (0.5, 1.5)


def test_arrays_have_a_range_and_no_median() -> None:
    column = column_of(np.arange(24.0).reshape(4, 6), "float64")
    assert (column.low, column.high, column.mean, column.median, column.distinct) == (0, 23, 11.5, None, None)


def test_rows_are_equal_if_all_their_values_are_missing_ones_too() -> None:
    numbers = np.array([1.0, np.nan, 1.0, np.nan, 0.0, -0.0])
    texts = np.array(["a", None, "a", None, "b", "c"], dtype=object)
    times = np.array(["2024-01-01", "NaT", "2024-01-01", "NaT", "NaT", "NaT"], "M8[us]")
    duplicates = Duplicates()
    duplicates.update([numbers, texts, times])
    assert (duplicates.count(), duplicates.exact) == (2, True)
    duplicates.update([numbers, texts, times])
    assert duplicates.count() == 8


def test_arrays_and_lists_are_compared_whole() -> None:
    lists = np.empty(3, dtype=object)
    lists[:] = [np.array([1, 2]), np.array([1, 2]), ["a"]]
    duplicates = Duplicates()
    duplicates.update([np.array([[1, 2], [1, 2], [2, 1]]), lists])
    assert duplicates.count() == 1


def test_columns_are_not_mixed_up() -> None:
    duplicates = Duplicates()
    duplicates.update([np.array([1, 2]), np.array([2, 1])])
    assert duplicates.count() == 0


def test_of_more_rows_than_are_kept_the_duplicates_are_estimated() -> None:
    duplicates = Duplicates(most=500)
    for _ in range(2):
        for start in range(0, 4000, 1000):
            duplicates.update([np.arange(start, start + 1000)])
    assert not duplicates.exact
    assert duplicates.count() == pytest.approx(4000, rel=0.25)
    same = Duplicates(most=500)
    for _ in range(4):
        same.update([np.zeros(1000)])
    assert (same.count(), same.exact) == (3999, True)


RANDOM = np.random.default_rng(2)
CLASSES = np.array(["kept", "lost", "new"], dtype=object)[RANDOM.integers(0, 3, 1000)]
NUMBERS = RANDOM.normal(100, 30, 1000)
NOISY = RANDOM.integers(0, 9, 1000)


def some_missing(values: Values) -> Values:
    missing = values.astype(object) if values.dtype == object else values.astype(float)
    missing[CLASSES == "lost"] = None if values.dtype == object else np.nan
    return missing


@pytest.mark.parametrize(
    ("column", "target", "task", "told"),
    [
        (np.char.upper(CLASSES.astype(str)).astype(object), CLASSES, "classification", "in 100 % of the rows"),
        (NOISY + np.where(CLASSES == "lost", 90, 10), CLASSES == "lost", "classification", "100 %"),
        (some_missing(NUMBERS), CLASSES == "lost", "classification", "100 %"),
        (np.array(["x"] * 1000, dtype=object), CLASSES, "classification", None),
        (np.arange(1000), CLASSES, "classification", None),
        (NUMBERS, CLASSES, "classification", None),
        (np.where(RANDOM.random(1000) < 0.9, CLASSES, "kept"), CLASSES, "classification", None),
        (NUMBERS * 1.95583, NUMBERS, "regression", "with an R² of 0.99"),
        (NUMBERS + RANDOM.normal(0, 20, 1000), NUMBERS, "regression", None),
        (RANDOM.normal(0, 20, 1000), NUMBERS, "regression", None),
        (CLASSES[:40], CLASSES[:40], "classification", None),
    ],
)  # fmt: skip
def test_a_column_gives_the_target_away_if_it_predicts_it_alone(
    column: Values, target: Values, task: str, told: str | None
) -> None:
    found = giveaways({"x": column}, target, "regression" if task == "regression" else "classification")
    assert (told is None) == (not found)
    assert told is None or told in found["x"]
