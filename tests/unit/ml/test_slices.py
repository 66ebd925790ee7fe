"""Rows grouped by a column, and where predictions are clearly worse, by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.kinds import Slice
from stoker_workers.ml.data import Column
from stoker_workers.ml.evaluation.groups import Grouping, Groups
from stoker_workers.ml.evaluation.slices import Sliced, measure_slices
from stoker_workers.ml.evaluation.tally import ClassifierTally, RegressionTally

Values = NDArray[np.generic]


def objects(values: Sequence[object]) -> Values:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def grouped(dtype: str, values: Values, batch: int = 4) -> dict[str, list[int]]:
    """The rows of each group."""
    grouping = Grouping(Column("column", dtype))
    for at in range(0, len(values), batch):
        grouping.add(values[at : at + batch])
    groups = grouping.groups()
    return {name: np.flatnonzero(groups.of_row == place).tolist() for place, name in enumerate(groups.names)}


DAY = np.datetime64("2026-03-01", "us")


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("string", objects(["b", "a", None, "b", " b", ""]), {"b": [0, 3, 4], "(missing)": [2, 5], "a": [1]}),
        ("bool", np.array([True, False, True]), {"true": [0, 2], "false": [1]}),
        ("bool", np.array([1.0, np.nan, 0.0, np.nan, 1.0]), {"true": [0, 4], "(missing)": [1, 3], "false": [2]}),
        ("bool", objects([True, None, False]), {"true": [0], "(missing)": [1], "false": [2]}),
        ("int64", np.array([3, 1, 3, 2]), {"1": [1], "2": [3], "3": [0, 2]}),
        ("float64", np.array([0.5, np.nan, 0.25]), {"0.25": [2], "0.5": [0], "(missing)": [1]}),
        ("float64", np.array([np.nan, np.nan]), {"(missing)": [0, 1]}),
        (
            "float64",
            np.append(np.arange(12.0), np.nan),
            {"up to 2": [0, 1, 2], "2 to 5": [3, 4, 5], "5 to 8": [6, 7, 8], "above 8": [9, 10, 11], "(missing)": [12]},
        ),
        # Two quarters of one value are one group.
        (
            "int64",
            np.array([0] * 12 + [*range(1, 13)]),
            {"up to 0": [*range(12)], "0 to 6": [*range(12, 18)], "above 6": [*range(18, 24)]},
        ),
        (
            "time",
            np.array([DAY + np.timedelta64(day, "D") for day in range(12)]),
            {
                "up to 2026-03-03": [0, 1, 2],
                "2026-03-03 to 2026-03-06": [3, 4, 5],
                "2026-03-06 to 2026-03-09": [6, 7, 8],
                "above 2026-03-09": [9, 10, 11],
            },
        ),
        ("time", np.array([DAY, "NaT"], dtype="M8[us]"), {"2026-03-01": [0], "(missing)": [1]}),
    ],
)
def test_rows_are_grouped_by_value_or_quarter(dtype: str, values: Values, expected: dict[str, list[int]]) -> None:
    assert grouped(dtype, values) == expected
    assert grouped(dtype, values, batch=1000) == expected


def test_values_that_are_no_single_ones_make_no_groups() -> None:
    for column, held in ((Column("x", "float32", (4,)), r"entries of shape \(4,\)"), (Column("x", "list"), "list")):
        with pytest.raises(
            InvalidJob, match=f"slices names column 'x', which holds {held}; name columns of categories"
        ):
            Grouping(column)


def test_numbers_that_differ_late_are_told_apart() -> None:
    assert [*grouped("float64", 1e6 + np.array([0.125, 0.25]))] == ["1000000.1", "1000000.2"]


def test_of_many_values_the_largest_groups_stay() -> None:
    values = objects([f"v{number}" for number in range(40) for _ in range(40 - number)])
    groups = grouped("string", values)
    assert [*groups] == [*(f"v{number}" for number in range(29)), "(11 other values)"]
    assert [len(rows) for rows in groups.values()] == [*range(40, 11, -1), sum(range(1, 12))]


def sliced(right: Sequence[bool], *of_rows: Sequence[int]) -> Sliced:
    """Slices of a classifier that is right on these rows, in columns "0", "1", …"""
    tally = ClassifierTally(("a", "b"), logits=False)
    tally.add(np.ones(len(right), dtype=np.int64), np.where(right, 0.9, 0.1)[:, None])
    columns = [
        Groups(str(place), tuple(f"v{number}" for number in range(max(of_row) + 1)), np.array(of_row))
        for place, of_row in enumerate(of_rows)
    ]
    return measure_slices(columns, tally.quality().scored)


def test_a_slice_is_worse_if_that_is_no_chance_and_it_has_enough_rows() -> None:
    clearly = [*[True] * 60, *[False] * 40, *[True] * 290, *[False] * 10]
    found = sliced(clearly, [0] * 100 + [1] * 300)
    assert [(each.rows, each.metrics["accuracy"], each.worse) for each in found.slices] == [
        (100, 0.6, ("accuracy",)),
        (300, pytest.approx(290 / 300), ()),
    ]
    assert found.warnings == ("0 v0 is clearly worse: accuracy 0.6 on 100 rows, 0.9667 on all others",)
    interval = found.slices[0].intervals["accuracy"]
    assert (interval.low, interval.high) == pytest.approx((0.504, 0.696), abs=1e-3)
    few = sliced([*[False] * 29, *[True] * 300], [0] * 29 + [1] * 300)
    assert few.warnings == ()
    assert few.slices[0].intervals == {}
    chance = sliced([*[True] * 33, *[False] * 7, *[True] * 270, *[False] * 30], [0] * 40 + [1] * 300)
    assert chance.warnings == ()


def test_random_slices_are_hardly_ever_called_worse() -> None:
    random = np.random.default_rng(3)
    right = (random.random(4000) < 0.8).tolist()
    found = sliced(right, *(random.integers(30, size=4000).tolist() for _ in range(8)))
    assert len(found.slices) == 240
    assert found.warnings == ()


def test_the_worst_slices_come_first_and_the_rest_are_counted() -> None:
    right = [row % 10 >= place for place in (9, 5, 7, 6, 6, 8, 8) for row in range(100)] + [True] * 20_000
    found = sliced(right, [place for place in range(7) for _ in range(100)] + [7] * 20_000)
    assert [text.split()[1] for text in found.warnings[:-1]] == ["v0", "v5", "v6", "v2", "v3"]
    assert found.warnings[-1] == "2 more slices are clearly worse: the report has all"


def test_numbers_are_compared_by_their_mean_absolute_error() -> None:
    random = np.random.default_rng(4)
    truth = random.normal(1e6, 5, size=(400, 1))
    errors = random.normal(size=(400, 1)) * np.where(np.arange(400) < 100, 3, 1)[:, None]
    tally = RegressionTally()
    tally.add(truth, truth + errors)
    of_row = (np.arange(400) >= 100).astype(np.int64)
    found = measure_slices([Groups("size", ("large", "small"), of_row)], tally.quality().scored)
    large, small = found.slices
    assert isinstance(large, Slice)
    assert large.metrics["mae"] == pytest.approx(np.abs(errors[:100]).mean())
    assert small.metrics["rmse"] == pytest.approx(np.sqrt((errors[100:] ** 2).mean()))
    assert (large.worse, small.worse) == (("mae",), ())
    near, far = (np.abs(errors[rows]).mean() for rows in (slice(100, None), slice(100)))
    [warning] = found.warnings
    assert warning == f"size large is clearly worse: mae {far:.4g} on 100 rows, {near:.4g} on all others"
