"""What a target asks for: each rule, each refusal, and how often the rules are right."""

import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker_workers.ml.columns.stats import ColumnStats
from stoker_workers.ml.columns.task import Task, TaskName, decide_task
from stoker_workers.ml.data import Column, Values

from .labelled import TARGETS, coded

RANDOM = np.random.default_rng(5)
PRICES = RANDOM.integers(50_000, 900_000, 100)
ONE_HOT = np.eye(4)[RANDOM.integers(0, 4, 40)]


def decided(values: Values | list[object], chosen: TaskName | None = None, dtype: str | None = None) -> Task:
    array = np.array(values, dtype=object) if isinstance(values, list) else values
    stats = ColumnStats(
        Column("y", dtype or ("string" if array.dtype == object else array.dtype.name), array.shape[1:])
    )
    stats.update(array)
    return decide_task(stats, chosen)


@pytest.mark.parametrize(
    ("values", "task", "why"),
    [
        (["a", "b", "a"], "classification", "2 different texts"),
        (np.array([True, False]), "classification", "two values"),
        (np.array([0.0, 1.0, 1.0]), "classification", "two values"),
        (np.array([-1, 1]), "classification", "two values"),
        (np.array([1.0, 2.0, 3.0] * 9), "classification", "whole numbers from 1 to 3, all about equally often"),
        (np.array([*range(100)] * 5), "classification", "all about equally often"),
        (coded([5, 20, 9]), "classification", "3 different whole numbers from 0 to 2"),
        (np.array([0.5, 1.0, 2.0]), "regression", "it has fractions"),
        (PRICES, "regression", "different whole numbers"),
        (np.array([3, 4, 5, 7] * 9), "regression", "4 different whole numbers from 3 to 7, with gaps"),
        (coded([300, 200, 90, 30, 8, 2]), "regression", "the larger the rarer, as counts are"),
        (coded([1, 9, 40, 90, 38, 8, 1]), "regression", "the commonest in the middle, as amounts are"),
        (ONE_HOT, "classification", "one-hot, of 4 classes"),
        (RANDOM.normal(size=(40, 2)), "regression", "2 numbers in every row"),
        (np.array([[1, 1, 0], [0, 1, 0]]), "multilabel", "labels that hold at once"),
    ],
)
def test_the_first_rule_that_fits_decides(values: Values | list[object], task: TaskName, why: str) -> None:
    decision = decided(values)
    assert decision.task == task
    assert why in decision.why


@pytest.mark.parametrize(
    ("values", "doubt"),
    [
        (coded([5, 20, 9]), "if they are amounts, set task='regression' to predict a number"),
        (coded([300, 200, 90, 30, 8, 2]), "if they are labels, set task='classification'"),
        (np.array([3, 4, 5, 7] * 9), "if they are labels of 4 classes, set task='classification'"),
        (np.array([[1, 1, 0], [0, 1, 0]]), "if they are amounts, set task='regression'"),
        (np.array([1, 2, 3] * 9), None),
        (np.array([0, 1] * 9), None),
        (PRICES, None),
        (["a", "b", "a"], None),
    ],
)
def test_where_either_is_fair_the_doubt_names_the_field(values: Values | list[object], doubt: str | None) -> None:
    said = decided(values).doubt
    assert said is None if doubt is None else doubt in str(said)


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        (np.array([1, 2, 3] * 9), "regression"),
        (coded([300, 200, 90, 30, 8, 2]), "classification"),
        (np.array([0.5, 1.5, 0.5, 1.5]), "classification"),
        (RANDOM.normal(size=(40, 2)), "regression"),
        (np.array([20240131, 20240229, 20240301]), "regression"),
        (ONE_HOT, "regression"),
    ],
)
def test_the_users_word_overrules(values: Values, chosen: TaskName) -> None:
    assert decided(values, chosen) == Task(chosen, "as task says")


MONTHS = np.array([100 * year + month for year in (2022, 2023) for month in range(1, 13)])
KEYS: list[object] = [f"key {place}" for place in range(40)]


@pytest.mark.parametrize(
    ("values", "chosen", "dtype", "said"),
    [
        (KEYS, None, None, "cannot be classes: 40 of 40 values differ (text such as 'key 0', 'key 1', 'key 2')"),
        (KEYS, "classification", None, "name another target"),
        (PRICES, "classification", None, "set task='regression'"),
        (["a", "b"], "regression", None, "predicts numbers, but target 'y' holds text such as 'a', 'b'"),
        (["a", "a"], None, None, "target 'y' is the same in every row (text such as 'a')"),
        (np.array([1.0, 1.0]), "regression", None, "there is nothing to learn"),
        (np.full(3, np.nan), None, None, "target 'y' has no value in any of 3 rows"),
        (RANDOM.normal(size=(40, 2)), "classification", None, "exactly one 1 and else 0"),
        (np.array(["2024-01-01"], "M8[us]"), None, "time", "target 'y' holds times such as 2024-01-01"),
        (np.array([20240131, 20240229, 20240301]), None, None, "holds dates written as numbers, such as 20240131"),
        (MONTHS, None, None, "holds dates written as numbers, such as 202201"),
        (np.ones((2, 3, 3)), None, None, "target 'y' holds arrays of 3 × 3 (float64)"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_in_one_sentence(
    values: Values | list[object], chosen: TaskName | None, dtype: str | None, said: str
) -> None:
    with pytest.raises(InvalidJob) as refused:
        decided(values, chosen, dtype)
    assert said in refused.value.message


def test_targets_of_public_tables_are_told_apart_in_at_least_85_of_100() -> None:
    right = [decided(each.values).task == each.truth for each in TARGETS]
    assert len(right) == 40
    assert np.mean(right) >= 0.85
