"""Statistics of columns, gathered batch by batch."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stoker_workers.ml.columns.content import time_range
from stoker_workers.ml.columns.kinds import decide
from stoker_workers.ml.columns.stats import ColumnStats, Distinct, Moments, Sample
from stoker_workers.ml.data import Column, Values
from stoker_workers.ml.preprocessing.tensors import Feature, input_tensors

RANDOM = np.random.default_rng(3)


def gathered(values: Values, column: Column | None = None, batch: int = 7) -> ColumnStats:
    """The statistics of a column that comes in batches."""
    stats = ColumnStats(column or Column("x", values.dtype.name, tuple(values.shape[1:])))
    for start in range(0, len(values), batch):
        stats.update(values[start : start + batch])
    return stats


def lists(*rows: list[object] | None) -> Values:
    values = np.empty(len(rows), dtype=object)
    values[:] = rows
    return values


def test_moments_in_batches_are_those_of_all_rows_far_from_zero_too() -> None:
    values = RANDOM.normal(1e9, 1, 100)
    moments = gathered(values).moments
    assert moments.mean == pytest.approx(values.mean(), rel=1e-12)
    assert moments.variance == pytest.approx(values.var(), rel=1e-6)
    assert (moments.low, moments.high) == (values.min(), values.max())


def test_each_channel_of_an_array_has_moments_of_its_own() -> None:
    values = RANDOM.normal([1, 1000], [1, 50], (40, 5, 2))
    moments = gathered(values).moments
    assert moments.mean == pytest.approx(values.mean(axis=(0, 1)))
    assert moments.variance == pytest.approx(values.var(axis=(0, 1)))
    assert list(moments.pooled()) == pytest.approx([values.mean(), values.var()])


@pytest.mark.parametrize(
    ("column", "values", "missing"),
    [
        (Column("x", "float64"), np.array([1.0, np.nan, 3.0]), 1),
        (Column("x", "string"), np.array(["a", None, None], dtype=object), 2),
        (Column("x", "time"), np.array(["2024-01-01", "NaT"], "M8[us]"), 1),
        (Column("x", "list"), lists([1, 2], None), 1),
        (Column("x", "float64", (2,)), np.array([[1.0, np.nan], [1.0, 2.0], [np.nan, np.nan]]), 2),
    ],
)
def test_missing_values_are_counted_and_left_out(column: Column, values: Values, missing: int) -> None:
    stats = gathered(values, column, batch=1)
    assert (stats.missing, stats.present) == (missing, len(values) - missing)


def test_distinct_values_are_counted_up_to_a_limit() -> None:
    few = gathered(np.array(["b", "a", "b", None], dtype=object), Column("x", "string"), batch=2)
    assert list(few.distinct.counts.items()) == [("b", 2), ("a", 1)]
    many = Distinct(most=10)
    many.update(np.arange(20) // 2)
    assert many.complete
    many.update(np.arange(20))
    many.update(np.arange(100))
    assert (many.complete, many.rows, many.share) == (False, 40, 0.5)


def test_of_fractions_fewer_distinct_values_are_counted() -> None:
    stats = gathered(np.arange(3000) / 2, batch=300)
    assert not stats.distinct.complete
    assert len(stats.distinct.counts) == 1200
    assert gathered(np.arange(3000.0), batch=300).distinct.complete


def test_a_sample_of_rows_is_the_same_however_they_come() -> None:
    def sampled(batch: int) -> NDArray[np.int64]:
        sample = Sample(size=10)
        for start in range(0, 1000, batch):
            sample.update(np.arange(start, min(start + batch, 1000)))
        rows: NDArray[np.int64] = sample.rows
        return rows

    assert sampled(7).tolist() == sampled(1000).tolist()
    assert sampled(7).tolist() == sorted(sampled(7))
    assert 200 < sampled(7).mean() < 800


@pytest.mark.parametrize(
    ("values", "ordered"),
    [
        (np.arange(20), True),
        (np.arange(1.0, 21.0), True),
        (np.arange(20)[::-1].copy(), False),
        (np.array([0, 1, 2, 2, 3]), False),
        (np.array([0, 1, np.nan, 3]), False),
        (np.array([False, True]), False),
    ],
)
def test_an_index_goes_up_by_one_over_all_batches(values: Values, ordered: bool) -> None:
    assert gathered(values, batch=3).counting.ordered is ordered


@pytest.mark.parametrize(
    ("rows", "one_hot"),
    [
        ([[1, 0, 0], [0, 0, 1]], True),
        ([[1.0, 0.0], [0.0, 1.0]], True),
        ([[1, 0, 0], [0, 0, 0]], False),
        ([[1, 0, 0], [1, 0, 1]], False),
        ([[1, 0, 0], [0, 2, 0]], False),
        ([[0.5, 0.5], [0.0, 1.0]], False),
        ([[1.0, np.nan], [0.0, 1.0]], False),
    ],
)
def test_rows_with_exactly_one_1_are_one_hot(rows: list[list[float]], one_hot: bool) -> None:
    assert gathered(np.array(rows), batch=1).one_hot is one_hot


def test_words_and_lengths_are_means() -> None:
    texts = gathered(np.array(["one", "one two three", None], dtype=object), Column("x", "string"), batch=1)
    assert texts.words == 2
    ragged = gathered(lists([1, 2, 3], [4], []), Column("x", "list"), batch=1)
    assert (ragged.lengths.low, ragged.lengths.high, ragged.moments.high) == (0, 3, 4)
    assert ragged.whole


def test_quantiles_are_those_of_the_numbers() -> None:
    assert gathered(np.arange(101)).quantiles([0.0, 0.5]).tolist() == [0, 50]
    assert gathered(np.full(3, np.nan)).quantiles([0.5]).tolist() == [0]


def test_nothing_has_no_moments() -> None:
    moments = Moments()
    moments.update(np.array([np.nan]))
    assert (moments.count.sum(), moments.low, moments.high) == (0, np.inf, -np.inf)


@pytest.mark.parametrize("unit", ["D", "s", "ms", "us", "ns"])
def test_times_of_any_unit_are_counted_in_microseconds(unit: str) -> None:
    stats = ColumnStats(Column("at", "time"))
    stats.update(np.array(["1970-01-02", "NaT", "1970-01-04"], f"datetime64[{unit}]"))
    assert (stats.moments.low, stats.moments.high, stats.missing) == (86_400e6, 3 * 86_400e6, 1)


@pytest.mark.parametrize(
    "written", [["2024-02-29", "2023-01-01T00:00"], ["20240229", "20230101"], [20240229, 20230101]]
)
def test_times_have_one_range_however_they_are_written(written: list[str | int]) -> None:
    values: Values = np.array(written, dtype=None if isinstance(written[0], int) else object)
    last, first = (int(np.datetime64(day, "us").astype(np.int64)) for day in ("2024-02-29", "2023-01-01"))
    times = np.array([last, first]).astype("datetime64[us]")
    for stats in (
        gathered(values, Column("x", "string" if values.dtype == object else "int64"), batch=1),
        gathered(times, Column("x", "time"), batch=1),
    ):
        assert decide(stats).kind == "time"
        assert time_range(stats) == (first, last)
        [tensor] = input_tensors({"x": Feature("time", "", stats)}, {})
        assert (tensor.low, tensor.high) == (first, last)
