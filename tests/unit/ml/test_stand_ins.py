"""Numbers that stand for a missing value are told of, and numbers that are only large or rare are not."""

import numpy as np
import pytest

from stoker_workers.ml.columns.kinds import decide
from stoker_workers.ml.columns.stats import ColumnStats
from stoker_workers.ml.data import Column

_DRAWN = np.random.default_rng(4)


def warning(numbers: np.ndarray, dtype: str = "float64") -> str | None:
    stats = ColumnStats(Column("x", dtype))
    stats.update(numbers.astype(dtype))
    return decide(stats, "number").warning


def with_some(numbers: np.ndarray, value: float, count: int) -> np.ndarray:
    return _DRAWN.permutation(np.concatenate([numbers, np.full(count, value)]))


CONCENTRATIONS = np.round(_DRAWN.gamma(2, 1, 500), 1)
TEMPERATURES = np.round(_DRAWN.normal(10, 8, 500), 1)
DAYS = _DRAWN.integers(0, 28, 500).astype(np.float64)


@pytest.mark.parametrize(
    ("numbers", "value", "count"),
    [
        (CONCENTRATIONS, -200, 10),
        (CONCENTRATIONS, -1, 400),
        (TEMPERATURES, -200, 10),
        (TEMPERATURES, 9999, 10),
        (DAYS, 99, 10),
        (DAYS, 999, 9000),
        (100 + DAYS, 0, 10),
    ],
)
def test_a_number_unlike_all_others_that_comes_again_and_again_is_told_of(
    numbers: np.ndarray, value: float, count: int
) -> None:
    told = warning(with_some(numbers, value, count))
    assert told
    assert told.startswith(f"{value} comes in ")
    assert told.endswith(f"missing='{value}' says so")


@pytest.mark.parametrize(
    ("numbers", "value", "count"),
    [
        pytest.param(CONCENTRATIONS, -200, 2, id="rare"),
        pytest.param(TEMPERATURES, -30, 20, id="near"),
        pytest.param(DAYS, 40, 20, id="a little larger"),
        pytest.param(_DRAWN.integers(0, 5, 500), 9, 20, id="one of few codes"),
        pytest.param(_DRAWN.lognormal(3, 2, 500), 0, 300, id="none of an amount"),
        pytest.param(CONCENTRATIONS, -0.5, 20, id="a fraction"),
        pytest.param(CONCENTRATIONS, np.nan, 20, id="missing"),
        pytest.param(np.round(_DRAWN.normal(0, 1e9, 500)), 99, 20, id="in their midst"),
    ],
)
def test_no_other_number_is(numbers: np.ndarray, value: float, count: int) -> None:
    assert warning(with_some(numbers, value, count)) is None


@pytest.mark.parametrize("numbers", [np.empty(0), np.full(9, np.nan), np.full(9, 3.0), np.full(9, np.inf)])
def test_nor_is_anything_where_there_are_no_others(numbers: np.ndarray) -> None:
    assert warning(numbers) is None
