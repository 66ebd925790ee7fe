"""Learning how many rows to compute at once."""

import pytest

from stoker_workers.ml.prediction.runtime import Pace


def pace_of(samples: dict[int, float], target_s: float = 0.02, largest: int = 1024) -> Pace:
    pace = Pace(target_s, largest)
    for rows, seconds in samples.items():
        pace.took(rows, seconds)
    return pace


@pytest.mark.parametrize(
    ("samples", "rows"),
    [
        ({1: 0.001, 16: 0.005, 64: 0.009, 128: 0.018}, 64),
        ({1: 0.0001, 1024: 0.001}, 1024),
        ({1: 0.001}, 8),
        ({1: 0.5}, 1),
        ({256: 0.009}, 256),
        ({256: 0.004}, 512),
        ({256: 0.05}, 1),
        ({}, 1024),
    ],
)
def test_the_largest_batch_that_takes_half_the_target_is_chosen(samples: dict[int, float], rows: int) -> None:
    assert pace_of(samples).max_rows == rows


def test_no_batch_is_larger_than_allowed() -> None:
    assert pace_of({1: 1e-6}, largest=100).max_rows == 64


def test_a_call_counts_for_all_sizes_up_to_the_next_power_of_two() -> None:
    assert pace_of({33: 0.009}).expected_s(64) == 0.009


def test_a_model_that_becomes_slower_gets_smaller_batches() -> None:
    pace = pace_of({64: 0.009})
    assert pace.max_rows == 64
    for _ in range(20):
        pace.took(64, 0.04)
    assert pace.max_rows < 64


def test_a_size_that_was_once_slow_is_tried_again_when_smaller_ones_are_quick() -> None:
    pace = pace_of({64: 0.1})
    for _ in range(20):
        pace.took(32, 0.004)
    assert pace.max_rows == 64


def test_one_slow_call_changes_little() -> None:
    pace = pace_of({64: 0.005})
    pace.took(64, 0.02)
    assert pace.max_rows == 64
