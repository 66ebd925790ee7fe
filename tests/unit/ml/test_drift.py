"""Drift: no alarm without it, none for what does not matter, an alarm soon for what does."""

from collections.abc import Mapping

import numpy as np
import pytest

from stoker_workers.ml.drift.performance import of_outcomes
from stoker_workers.ml.drift.reference import RARE, Reference, Values, reference_of
from stoker_workers.ml.drift.state import DriftState
from stoker_workers.ml.drift.windows import compared

COLUMNS = 13


def rows(count: int, rng: np.random.Generator, shift: float = 0.0) -> dict[str, Values]:
    """Thirteen columns as tables have them: numbers of several forms, with gaps, whole numbers and categories."""
    names = np.array(["red", "green", "blue", "rare"], dtype=object)
    gaps = rng.normal(size=count)
    gaps[rng.random(count) < 0.2] = np.nan
    columns: dict[str, Values] = {f"normal{n}": rng.normal(size=count) for n in range(6)}
    columns["normal0"] = columns["normal0"] + shift
    return columns | {
        "skewed": rng.exponential(size=count),
        "heavy": rng.standard_t(3, size=count),
        "gaps": gaps,
        "whole": rng.poisson(3, count).astype(np.float64),
        "flag": (rng.random(count) < 0.3).astype(np.float64),
        "color": names[rng.choice(4, count, p=[0.5, 0.3, 0.19, 0.01])],
        "id": np.array([str(number) for number in rng.integers(0, 10**12, count)], dtype=object),
    }


def alarms(reference: Reference, windows: int, rng: np.random.Generator, shift: float = 0.0) -> int:
    """In how many of so many windows running something has newly drifted."""
    state, raised = DriftState(), 0
    for _ in range(windows):
        before, state = state, state.after(compared(rows(reference.size, rng, shift), reference))
        raised += bool(set(state.drifted) - set(before.drifted))
    return raised


def found_within(reference: Reference, windows: int, shift: float, rng: np.random.Generator) -> bool:
    state = DriftState()
    for _ in range(windows):
        state = state.after(compared(rows(reference.size, rng, shift), reference))
    return "normal0" in state.drifted


@pytest.mark.parametrize(
    ("size", "windows"),
    [
        (200, 60),
        *(pytest.param(size, 1000, marks=pytest.mark.slow) for size in (100, 200, 1000)),
    ],
)
def test_windows_without_drift_raise_no_alarms(size: int, windows: int) -> None:
    rng = np.random.default_rng(size)
    reference = reference_of(rows(2000, rng), size)
    assert len(reference.columns) == COLUMNS
    assert alarms(reference, windows, rng) <= windows / 100


@pytest.mark.parametrize("trials", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_half_a_standard_deviation_in_one_column_is_found_within_three_windows(trials: int) -> None:
    rng = np.random.default_rng(5)
    reference = reference_of(rows(2000, rng), 200)
    found = sum(found_within(reference, 3, 0.5, rng) for _ in range(trials))
    assert found >= 0.95 * trials


def test_a_fiftieth_of_a_standard_deviation_is_no_alarm_however_many_rows_show_it() -> None:
    rng = np.random.default_rng(7)
    reference = reference_of({"normal0": rng.normal(size=200_000)}, 200_000)
    for _ in range(2):
        [test] = compared({"normal0": rng.normal(size=200_000) + 0.02}, reference)
        assert test.p < 0.001, "it is significant"
        assert not test.differs, "and does not matter"


def differing(window: Mapping[str, Values], reference: Reference) -> set[tuple[str, str]]:
    return {(test.column, test.of) for test in compared(window, reference) if test.differs}


def test_categories_never_seen_before_are_one_bin_and_missing_values_their_own() -> None:
    rng = np.random.default_rng(11)
    reference = reference_of(rows(2000, rng), 200)
    about = reference.columns["id"]
    assert about.kind == "category"
    assert about.shares == {RARE: 1.0}, "of a column of ids, each value is a rare one"
    window = rows(200, rng)
    assert differing(window, reference) == set()
    window["color"][:60] = np.array([f"new{n % 7}" for n in range(60)], dtype=object)
    window["gaps"][:120] = np.nan
    window["normal3"][:100] = np.nan
    assert differing(window, reference) == {("color", "values"), ("gaps", "missing"), ("normal3", "missing")}


def test_what_says_nothing_decides_nothing() -> None:
    rng = np.random.default_rng(13)
    reference = reference_of({"same": np.full(500, 4.0), "none": np.full(500, np.nan), "x": rng.normal(size=500)}, 200)
    window: dict[str, Values] = {"same": np.full(200, 4.0), "none": np.full(200, np.nan), "x": rng.normal(size=200)}
    assert differing(window, reference) == set()
    window["same"] = np.full(200, 4.5)
    assert differing(window, reference) == {("same", "values")}
    assert differing({"x": np.full(200, np.nan)}, reference) == {("x", "missing")}
    assert differing({"x": rng.normal(size=5) + 9}, reference) == set(), "too few rows to tell"


def test_drift_is_what_differs_in_two_windows_running_until_it_has_not_for_two() -> None:
    rng = np.random.default_rng(17)
    reference = reference_of(rows(2000, rng), 200)
    seen = []
    state = DriftState()
    for shift in (1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0):
        state = state.after(compared(rows(200, rng, shift), reference))
        seen.append("normal0" in state.drifted)
    assert seen == [False, False, False, True, True, True, True, False, False]
    assert DriftState.model_validate_json(state.model_dump_json()) == state


def test_a_reference_reads_back_as_it_was_written() -> None:
    rng = np.random.default_rng(19)
    reference = reference_of(rows(300, rng), 100)
    assert Reference.model_validate_json(reference.model_dump_json()) == reference


def test_what_is_no_number_says_nothing_of_how_far_numbers_are_off() -> None:
    measured = of_outcomes(["1 3", "nan 3", "2 inf", "2 0x10", "7", "5 1"])
    assert measured is not None
    assert (measured.rows, measured.value) == (2, 3.0)
    assert of_outcomes(["nan 3"]) is None
