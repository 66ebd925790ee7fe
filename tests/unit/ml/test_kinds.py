"""What kind a column is: each rule, each refusal, and how often the rules are right."""

from collections.abc import Sequence

import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.models.data import ColumnKind
from stoker_workers.ml.columns.decision import Decision
from stoker_workers.ml.columns.kinds import decide
from stoker_workers.ml.columns.stats import ColumnStats
from stoker_workers.ml.data import Column, Values

from .labelled import COLUMNS

RANDOM = np.random.default_rng(5)


def decided(
    values: Values | Sequence[object], name: str = "x", dtype: str | None = None, chosen: ColumnKind | None = None
) -> Decision:
    array = np.array(values, dtype=object) if isinstance(values, list) else np.asarray(values)
    stats = ColumnStats(
        Column(name, dtype or ("string" if array.dtype == object else array.dtype.name), array.shape[1:])
    )
    stats.update(array)
    return decide(stats, chosen)


def lists(*rows: list[object]) -> Values:
    values = np.empty(len(rows), dtype=object)
    values[:] = rows
    return values


MONTHS = np.array([100 * year + month for year in (2022, 2023) for month in range(1, 13)])
DAYS = [f"2024-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
WORDS = ["red green blue", "a few words more", "this is a text of some length"]
TEXTS = [f"{word} number {place}" for place in range(10) for word in WORDS]
AMOUNTS = RANDOM.integers(0, 500, 100)


@pytest.mark.parametrize(
    ("values", "dtype", "kind", "why"),
    [
        (np.full(5, np.nan), None, "ignore", "no value in any of 5 rows"),
        ([None, None], None, "ignore", "no value in any of 2 rows"),
        (["x", "x", "x"], None, "ignore", "it is 'x' in every row"),
        (np.array([7.0, np.nan, 7.0]), None, "ignore", "but where it is missing (1 of 3)"),
        (np.arange(5), "duration[us]", "ignore", "it holds duration[us]"),
        (np.array([["a", "b"]], dtype=object), None, "ignore", "it holds arrays of 2 (string)"),
        (np.ones((3, 64), np.float32), None, "vector", "64 numbers in every row"),
        (np.ones((3, 28, 28), np.uint8), None, "image", "an array of 28 × 28"),
        (np.ones((3, 32, 32, 3), np.float32), None, "image", "an array of 32 × 32 × 3"),
        (np.ones((3, 50, 6)), None, "sequence", "50 steps of 6 numbers"),
        (np.ones((2, 4, 8, 8, 3), np.uint8), None, "vector", "an array of 4 × 8 × 8 × 3"),
        (lists([1, 2], [3]), "list", "tokens", "lists of whole numbers"),
        (lists(["a", "b"], ["c"]), "list", "tags", "lists of 3 different texts"),
        (lists([], []), "list", "ignore", "each of its lists is empty"),
        (lists([0.5, 2.0], [-3.0]), "list", "sequence", "lists of numbers"),
        (lists([1, -2], [3]), "list", "sequence", "lists of numbers"),
        (np.array([0, 1, 1]), None, "boolean", "only 0 and 1"),
        (np.array([0.0, 1.0, np.nan]), None, "boolean", "only 0 and 1"),
        (np.array([True, False]), None, "boolean", "only False and True"),
        (["Yes", "no", " NO ", None], None, "boolean", "NO"),
        (["on", "off"], None, "boolean", "only off and on"),
        (["Ja", "nein", "NEIN", None], None, "boolean", "nein"),
        (["oui", "nein"], None, "category", "2 different values"),
        (np.array(["2024-01-01", "2024-01-05"], "M8[us]"), "time", "time", "dates or times"),
        (DAYS, None, "time", "its texts are dates or times, such as '2024-01-01'"),
        (["2024-01-01T12:00:00Z", "2024-01-01 12:30:00.5+02:00"], None, "time", "dates or times"),
        (np.array([20240131, 20240229, 19991231]), None, "time", "its numbers are dates, such as 20240131"),
        (np.array([20240131, 20240230, 19991231]), None, "number", "whole numbers"),
        (MONTHS, None, "time", "its numbers are months, such as 202201"),
        (RANDOM.permutation(np.append(MONTHS[6:] * 1.0, np.nan)), None, "time", "its numbers are months"),
        ([str(month) for month in MONTHS], None, "time", "its texts are months, such as '202201'"),
        (np.append(MONTHS, 202313), None, "number", "whole numbers"),
        (MONTHS[:5], None, "number", "whole numbers"),
        (np.array([190001, 191012, 192505, 195012, 200106, 202003]), None, "number", "whole numbers"),
        (np.array([0.0, 1.0, 0.5]), None, "number", "it has fractions"),
        (np.arange(1, 41), None, "ignore", "an index: 1, 2, 3 and so on, row by row"),
        (np.arange(5), None, "number", "whole numbers from 0 to 4"),
        (RANDOM.permutation(40), None, "number", "whole numbers from 0 to 39"),
        (np.array([1, 2] * 5), None, "category", "only 1 and 2"),
        (np.array([1, 2, 3] * 9 + [1] * 9), None, "category", "whole numbers from 1 to 3"),
        (np.array([*range(24)] * 9), None, "category", "all about equally often"),
        (np.array([1, 2, 4] * 9), None, "number", "whole numbers from 1 to 4"),
        (AMOUNTS, None, "number", "whole numbers"),
        (TEXTS, None, "text", "30 different texts"),
        ([*TEXTS[:9]] * 9, None, "category", "9 different values"),
        ([f"{place:032x}" for place in range(30)], None, "ignore", "a key: 30 of 30 values differ"),
        ([f"given family{place}" for place in range(30)], None, "text", "30 of 30 values differ"),
        (["red", "green", "red"], None, "category", "2 different values"),
    ],
)  # fmt: skip
def test_the_first_rule_that_fits_decides(
    values: Values | list[object], dtype: str | None, kind: ColumnKind, why: str
) -> None:
    decision = decided(values, dtype=dtype)
    assert decision.kind == kind
    assert why in decision.why


@pytest.mark.parametrize("name", ["", "index", "Unnamed: 0", "__index_level_0__", "Row ID", "RowNumber"])
def test_the_index_columns_of_table_tools_are_left_out_by_name(name: str) -> None:
    assert decided(RANDOM.permutation(1000), name).kind == "ignore"


def test_numbers_of_the_rows_are_an_index_wherever_they_start() -> None:
    orders = np.arange(10_000, 10_400)
    assert "an index: 10000, 10001, 10002 and so on, row by row" in decided(orders).why
    shuffled = decided(RANDOM.permutation(orders))
    assert (shuffled.kind, "each of the whole numbers from 10000 to 10399 once" in shuffled.why) == ("ignore", True)
    assert decided(np.append(orders, 10_398)).kind == decided(np.delete(orders, 7)).kind == "number"
    assert decided(np.where(orders == 10_007, np.nan, orders)).kind == "number"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (np.arange(1950, 2024), "built"),
        (RANDOM.permutation(np.arange(1950, 2024)), "season"),
        (np.arange(300, 400), "day"),
        (np.arange(300, 400), "timeStep"),
        (RANDOM.permutation(np.arange(1, 101)), "rank"),
        (RANDOM.permutation(np.arange(50, 90)), "score"),
    ],
)
def test_what_may_be_years_times_or_ranks_is_kept_and_warned_of(values: Values, name: str) -> None:
    decision = decided(values, name)
    assert decision.kind == "number"
    assert f"if it is one, columns={{{name!r}: 'ignore'}} leaves it out" in str(decision.warning)


@pytest.mark.parametrize("name", ["id", "PassengerId", "customerID", "order_id", "zip", "Postal Code", "phone number"])
def test_keys_are_left_out_by_name(name: str) -> None:
    decision = decided(RANDOM.permutation(1000) + 10_000, name)
    assert decision.kind == "ignore"
    assert f"columns={{{name!r}: 'category'}} makes it a category" in decision.why
    assert decided([f"A{place}" for place in range(1000)] * 2, name).kind == "ignore"


def test_keys_that_repeat_are_categories() -> None:
    assert decided(np.repeat(np.arange(500), 25), "PULocationID").kind == "category"
    assert decided(np.array([1, 2] * 40), "VendorID").kind == "category"


@pytest.mark.parametrize("name", ["valid", "width", "codec", "idea", "bid", "humidity"])
def test_words_that_only_contain_those_of_keys_name_none(name: str) -> None:
    assert decided(AMOUNTS, name).kind == "number"


def test_what_may_be_otherwise_is_said_with_the_setting() -> None:
    assert decided(np.array([1, 2, 3] * 9), "grade").warning == (
        "if they are amounts, columns={'grade': 'number'} makes it a number"
    )
    assert decided(np.array([0, 1, 2, 3, 4, 5, 6] + [0] * 50), "visits").warning == (
        "if they are codes, columns={'visits': 'category'} makes it a category"
    )
    assert "columns={'x': 'image'}" in str(decided(np.ones((2, 28, 28))).warning)
    assert "columns={'x': 'number'}" in str(decided(np.array([20240131, 20240229])).warning)
    assert decided(MONTHS).warning == "if not, columns={'x': 'number'} makes it a number"
    assert "columns={'x': 'category'}" in str(decided([str(month) for month in MONTHS]).warning)
    assert decided(AMOUNTS).warning is None


@pytest.mark.parametrize(
    ("values", "dtype", "chosen"),
    [
        (np.arange(1, 41), None, "number"),
        (np.arange(1, 41), None, "ignore"),
        (np.array([98101, 98102]), None, "category"),
        (["a", "b"], None, "text"),
        (["yes", "no"], None, "category"),
        (DAYS, None, "time"),
        (np.array([20240131, 20240229]), None, "time"),
        (np.array([202401, 202407]), None, "time"),
        (MONTHS, None, "number"),
        (np.ones((2, 28, 28)), None, "image"),
        (np.ones((2, 28, 28), np.uint8), None, "sequence"),
        (np.ones((2, 28, 28), np.uint8), None, "vector"),
        (np.ones((2, 30), np.int32), None, "tokens"),
        (np.ones((2, 30)), None, "sequence"),
        (lists([1, 2], [3]), "list", "sequence"),
    ],
)
def test_the_users_word_overrules(values: Values | list[object], dtype: str | None, chosen: ColumnKind) -> None:
    decision = decided(values, dtype=dtype, chosen=chosen)
    assert (decision.kind, decision.why) == (chosen, "as columns says")


@pytest.mark.parametrize(
    ("values", "dtype", "chosen", "said"),
    [
        (["12", "a"], None, "number", "'x' cannot be a number: it holds text such as '12', 'a'"),
        (["a", "b"], None, "boolean", "choose category or text or ignore"),
        (["2024-01-01", "soon"], None, "time", "'x' cannot be a time"),
        (np.array([1, 2]), None, "text", "'x' cannot be a text: it holds numbers such as 1, 2"),
        (np.array([1, 2]), None, "boolean", "choose number or category or ignore"),
        (np.array(["2024-01-01"], "M8[us]"), "time", "number", "it holds times such as 2024-01-01"),
        (np.ones((2, 4)), None, "image", "it holds arrays of 4 (float64)"),
        (np.ones((2, 4, 4, 3), np.uint8), None, "sequence", "choose vector or image or ignore"),
        (np.full((2, 4), -1), None, "tokens", "choose vector or sequence or ignore"),
        (lists(["a"], ["b"]), "list", "sequence", "it holds lists of texts"),
        (lists(["a"], ["b"]), "list", "tokens", "choose tags or ignore for it in columns"),
        (np.arange(3), "duration[us]", "number", "choose ignore for it in columns"),
    ],
)
def test_a_kind_that_a_column_cannot_be_is_refused_in_one_sentence(
    values: Values | list[object], dtype: str | None, chosen: ColumnKind, said: str
) -> None:
    with pytest.raises(InvalidJob) as refused:
        decided(values, dtype=dtype, chosen=chosen)
    assert said in refused.value.message


def test_categories_that_hardly_repeat_are_taken_at_the_users_word_and_warned_of() -> None:
    decision = decided([f"{place:x}" for place in range(100)], chosen="category")
    assert decision.warning is not None
    assert "100 of 100 values differ" in decision.warning
    assert "more than 2,000 values" in str(decided(np.arange(2000) / 4, chosen="category").warning)


def test_columns_of_public_tables_are_what_they_are_in_at_least_85_of_100() -> None:
    decisions = [decided(each.values, each.name, each.column.dtype).kind for each in COLUMNS]
    strict = [kind == each.truth for kind, each in zip(decisions, COLUMNS, strict=True)]
    lenient = [kind == each.truth or kind in each.fair for kind, each in zip(decisions, COLUMNS, strict=True)]
    assert len(COLUMNS) >= 100
    assert np.mean(strict) >= 0.85
    assert np.mean(lenient) >= 0.95
