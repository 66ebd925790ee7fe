"""Asynchronous successive halving: which trials go on from a rung."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stoker
from stoker.kinds.tuning.halving import Halving, reason_for_pruning, survives

LEAST = Halving(keep=3)
LARGEST = Halving(monitor="val_accuracy", mode="max", keep=3)
# So few that trials are as good as each other.
VALUES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, math.inf, math.nan]), min_size=1, max_size=12)


def _badness(value: float) -> float:
    return math.inf if math.isnan(value) else value


def test_whoever_comes_early_goes_on() -> None:
    assert survives([0.9], 0.9, LEAST)
    assert survives([0.1, 0.9], 0.9, LEAST)


def test_one_in_so_many_goes_on() -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert [survives(values, own, LEAST) for own in values] == [True, True, False, False, False, False]
    assert [survives(values, own, LARGEST) for own in values] == [False, False, False, False, True, True]


def test_who_has_diverged_goes_on_only_among_few() -> None:
    assert survives([math.nan], math.nan, LEAST)
    assert not survives([0.1, 0.2, math.nan], math.nan, LEAST)
    assert not survives([0.1, 0.2, math.nan], math.nan, LARGEST)
    assert not survives([0.1, 0.2, math.inf], math.inf, LEAST)


@given(VALUES)
def test_at_least_one_goes_on_and_none_that_is_worse_than_one_that_does_not(values: list[float]) -> None:
    on = [value for value in values if survives(values, value, LEAST)]
    pruned = [value for value in values if not survives(values, value, LEAST)]
    assert on
    assert len(values) < LEAST.keep or len({_badness(value) for value in on}) <= max(1, len(values) // LEAST.keep)
    finite = [value for value in pruned if not math.isnan(value)]
    assert not finite or all(value <= min(finite) for value in on if not math.isnan(value))


def test_a_reason_says_what_was_reached_and_what_the_best_have() -> None:
    values = [0.1, 0.2, 0.42, 0.5, 0.6, 0.7, 0.8, 0.9, 0.91]
    assert reason_for_pruning(3, values, 0.91, LEAST) == (
        "pruned at epoch 3: val_loss 0.91, of 9 trials the best third have at most 0.42"
    )
    assert reason_for_pruning(1, values, 0.1, LARGEST.model_copy(update={"keep": 9})) == (
        "pruned at epoch 1: val_accuracy 0.1, of 9 trials the best 1/9 have at least 0.91"
    )


@pytest.mark.parametrize("rungs", [(3, 1), (1, 1), (), (0, 1)])
def test_rungs_are_epochs_that_rise(rungs: tuple[int, ...]) -> None:
    with pytest.raises(stoker.InvalidJob, match="rungs"):
        Halving(rungs=rungs)
