"""Which rows a training is validated on."""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stoker
from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker_workers.ml.data import Arrays, Column, Values
from stoker_workers.ml.preprocessing.division import Division, divide
from stoker_workers.ml.preprocessing.shares import Part, by_chance, by_strata
from stoker_workers.ml.preprocessing.split import HELD_OUT, TRAINED, UNUSED, HashedSplit, Sides
from stoker_workers.ml.reading import read_training_data
from stoker_workers.ml.run import Run

OpenRun = Callable[..., Run]
RANDOM = np.random.default_rng(0)
ROWS = 1_000
TABLE: dict[str, Values] = {
    "age": RANDOM.normal(40, 10, ROWS),
    "customer": np.array([f"c{number}" for number in RANDOM.integers(0, 150, ROWS)], dtype=object),
    "day": np.datetime64("2025-01-01", "us") + RANDOM.integers(0, 100, ROWS) * np.timedelta64(1, "D"),
    "plan": np.array(["basic", "plus", "rare"], dtype=object)[np.searchsorted([0.6, 0.95], RANDOM.random(ROWS))],
    "y": np.array(["no", "yes"], dtype=object)[(RANDOM.random(ROWS) < 0.07).astype(int)],
    "amount": RANDOM.normal(0, 1, ROWS),
}


class Streamed:
    """The same rows, as if they did not fit into memory, and as if nobody had counted them."""

    in_memory = False
    notes: tuple[str, ...] = ()
    rows = None

    def __init__(self, columns: Mapping[str, Values]) -> None:
        self._whole = Arrays(columns, "test")
        self.columns: tuple[Column, ...] = self._whole.columns

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        yield from self._whole.batches(min(rows, 300))


@pytest.fixture
def divided(open_run: OpenRun) -> Callable[..., Division]:
    def divide_table(
        *, target: str = "y", streamed: bool = False, table: Mapping[str, Values] = TABLE, seed: int = 0, **fields: Any
    ) -> Division:
        source = Streamed(table) if streamed else Arrays(table, "test")
        return divide(
            stoker.Train(model="m", data="table.csv", target=target, **fields), source, (target,), seed, open_run()
        )

    return divide_table


Divided = Callable[..., Division]


def sides(division: Division, table: Mapping[str, Values] = TABLE) -> Sides:
    """The side of each row, asked for in batches of different sizes."""
    rows = len(next(iter(table.values())))
    edges = [0, 1, min(400, rows), rows]
    parts = [
        division.split.sides({name: values[start:stop] for name, values in table.items()}, start)
        for start, stop in pairwise(edges)
        if stop > start
    ]
    return np.concatenate(parts)


def shares(values: Values, side: Sides) -> dict[Any, float]:
    return {value: float((side[values == value] == HELD_OUT).mean()) for value in np.unique(values)}


def test_a_share_at_random_is_exact_but_never_all() -> None:
    assert [len(by_chance(rows, Part(0.1), 0)) for rows in (1, 2, 4, 100)] == [0, 1, 1, 10]
    assert set(by_chance(100, Part(0.5), 0)) != set(by_chance(100, Part(0.5), 1))


def test_a_hash_depends_on_the_row_alone() -> None:
    split, rows = HashedSplit(0, 0.1, seed=7), np.zeros(100_000)
    whole = split.sides({"x": rows}, 0)
    assert whole.mean() == pytest.approx(0.1, abs=0.005)
    parts = [split.sides({"x": rows[:300]}, 0), split.sides({"x": rows[300:1_000]}, 300)]
    assert np.array_equal(np.concatenate(parts), whole[:1_000])
    assert (whole & HashedSplit(0, 0.1, seed=8).sides({"x": rows}, 0)).mean() == pytest.approx(0.01, abs=0.002)
    assert not HashedSplit(0, 0, seed=7).sides({"x": rows}, 0).any()


def test_classes_have_the_same_share_on_both_sides_without_being_asked_to(
    divided: Divided, events: list[Event]
) -> None:
    side = sides(divided())
    assert (side == HELD_OUT).sum() == 100
    assert shares(TABLE["y"], side) == {"no": pytest.approx(0.1, abs=0.002), "yes": pytest.approx(0.1, abs=0.015)}
    [told] = [event.line for event in events if isinstance(event, Log)]
    assert told == "validation: 100 of 1,000 rows, the same share of every value of 'y'"
    assert not np.array_equal(side, sides(divided(seed=1)))
    assert np.array_equal(side, sides(divided()))


def test_any_column_can_be_stratified_by_and_numbers_are_not(divided: Divided) -> None:
    side = sides(divided(target="amount", stratify="plan", validation_split=0.2))
    assert all(share == pytest.approx(0.2, abs=0.02) for share in shares(TABLE["plan"], side).values())
    assert divided(target="amount").why == "0.1 of the rows, at random"
    assert divided(stratify=False).why == "0.1 of the rows, at random"
    with pytest.raises(
        InvalidJob, match="stratify=True keeps the shares of classes, and target 'amount' holds numbers"
    ):
        divided(target="amount", stratify=True)
    with pytest.raises(InvalidJob, match="no value has two rows"):
        divided(target="y", stratify="age")
    with pytest.raises(InvalidJob, match=r"stratify names column 'size', which table.csv has not; it has 'age'"):
        divided(stratify="size")


def test_a_class_of_one_row_and_a_row_without_a_class_are_not_held_out() -> None:
    codes = np.array([0] * 50 + [1] + [-1] * 49)
    for seed in range(20):
        assert by_strata(codes, Part(0.5), seed).max() < 50


@pytest.mark.parametrize("streamed", [False, True])
def test_all_rows_of_a_group_are_on_one_side(divided: Divided, streamed: bool) -> None:
    division = divided(group="customer", streamed=streamed, validation_split=0.3)
    side = sides(division)
    assert set(shares(TABLE["customer"], side).values()) == {0.0, 1.0}
    assert (side == HELD_OUT).mean() == pytest.approx(0.3, abs=0.1 if streamed else 0.01)
    assert list(division.set_aside) == ["customer"]
    assert ("by a hash" in division.why) is streamed


@pytest.mark.parametrize("streamed", [False, True])
def test_rows_without_a_group_are_split_each_by_itself_and_that_is_said(divided: Divided, streamed: bool) -> None:
    gaps = TABLE["customer"].copy()
    gaps[::2] = None
    table = TABLE | {"customer": gaps}
    division = divided(group="customer", table=table, streamed=streamed)
    assert 0.05 < (sides(division, table)[::2] == HELD_OUT).mean() < 0.2
    assert "rows without one are" in division.why


@pytest.mark.parametrize("streamed", [False, True])
def test_the_newest_rows_are_held_out_and_those_of_one_day_together(divided: Divided, streamed: bool) -> None:
    division = divided(time="day", streamed=streamed, validation_split=0.25)
    side = sides(division)
    assert TABLE["day"][side == TRAINED].max() < TABLE["day"][side == HELD_OUT].min()
    assert (side == HELD_OUT).mean() == pytest.approx(0.25, abs=0.02)
    assert "by 'day' the newest, from 2025-" in division.why
    assert list(division.set_aside) == ["day"]


def test_the_newest_share_is_one_of_the_rows_that_have_a_target(divided: Divided) -> None:
    unknown = TABLE["y"].copy()
    newest = TABLE["day"] >= np.datetime64("2025-03-01")
    unknown[newest] = None
    side = sides(divided(time="day", table=TABLE | {"y": unknown}))
    assert ((side == HELD_OUT) & ~newest).sum() == pytest.approx(0.1 * (~newest).sum(), abs=10)


def test_times_that_are_missing_are_said_and_times_that_are_none_are_refused(divided: Divided) -> None:
    gaps = TABLE["day"].copy()
    gaps[:7] = np.datetime64("NaT")
    division = divided(time="day", table=TABLE | {"day": gaps})
    assert "7 rows without a time are trained on" in division.why
    assert (sides(division, TABLE | {"day": gaps})[:7] == TRAINED).all()
    texts = TABLE["day"].astype("datetime64[D]").astype(str).astype(object)
    np.testing.assert_array_equal(
        sides(divided(time="day", table=TABLE | {"day": texts}), TABLE | {"day": texts}), sides(divided(time="day"))
    )
    dated = TABLE | {"day": np.char.replace(texts.astype(str), "-", "").astype(np.int64)}
    np.testing.assert_array_equal(sides(divided(time="day", table=dated), dated), sides(divided(time="day")))
    assert re.search(r"by 'day' the newest, from 2025\d{4} on", divided(time="day", table=dated).why)
    with pytest.raises(InvalidJob, match=r"column 'plan' holds '\w+' in row 0 .*; expected a time such as 2026"):
        divided(time="plan")
    with pytest.raises(InvalidJob, match="too few different times"):
        divided(time="day", table=TABLE | {"day": np.repeat(TABLE["day"][:1], ROWS)})


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("fields", [{}, {"stratify": "plan"}, {"group": "customer"}])
def test_each_row_is_held_out_by_one_fold(divided: Divided, streamed: bool, fields: dict[str, Any]) -> None:
    folds = [sides(divided(folds=4, fold=fold, streamed=streamed, **fields)) == HELD_OUT for fold in range(4)]
    assert (np.sum(folds, axis=0) == 1).all()
    if not streamed:
        assert all(fold.mean() == pytest.approx(0.25, abs=0.01) for fold in folds)
    if "group" in fields:
        assert all(set(TABLE["customer"][fold]).isdisjoint(TABLE["customer"][~fold]) for fold in folds)


@pytest.mark.parametrize("streamed", [False, True])
def test_folds_by_time_are_trained_on_ever_more_and_never_on_what_is_newer(divided: Divided, streamed: bool) -> None:
    trained = []
    for fold in range(4):
        side = sides(divided(time="day", folds=4, fold=fold, streamed=streamed))
        day = TABLE["day"]
        assert day[side == TRAINED].max() < day[side == HELD_OUT].min()
        assert not (side == UNUSED).any() or day[side == HELD_OUT].max() < day[side == UNUSED].min()
        assert (side == HELD_OUT).mean() == pytest.approx(0.2, abs=0.03)
        trained.append(int((side == TRAINED).sum()))
    assert trained == sorted(trained)
    with pytest.raises(InvalidJob, match="too few different times"):
        divided(time="day", folds=100, fold=0)


def test_folds_of_fewer_groups_are_refused(divided: Divided) -> None:
    with pytest.raises(InvalidJob, match="group names column 'plan', which has 3 different value"):
        divided(group="plan", folds=4, fold=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"group": "a", "time": "b"}, "group and time are several ways to split rows"),
        ({"stratify": True, "group": "a"}, "stratify and group are several ways"),
        ({"time": "a", "validation_data": "b.csv"}, "with validation_data none are"),
        ({"time": "a", "validation_split": 0}, "validation_split=0 holds out none"),
        ({"time": "y", "target": "y"}, "time names 'y', which is to be predicted"),
        ({"folds": 5, "validation_split": 0.2}, "folds validate on every row in turn"),
        ({"folds": 5, "validation_data": "b.csv"}, "folds validate on every row in turn"),
        ({"folds": 5, "workers": 2}, "leave folds or workers out"),
        ({"folds": 5, "fold": 5}, "fold=5 is none of 5 folds"),
        ({"fold": 1}, "there are none: set folds"),
        ({"folds": 1}, "folds"),
        ({"target": "y", "features": ("a", "y")}, "'y' is the target and a feature at once"),
        ({"target": ("a", "y"), "features": ("y",)}, "'y' is the target and a feature at once"),
        ({"features": ("a", "a")}, "features names 'a' twice"),
        ({"target": "y", "sample_weight": "y"}, "'y' is the target, and sample_weight at once"),
        ({"outputs": {"y": {}, "z": {}}, "sample_weight": "z"}, "'z' is the target, and sample_weight at once"),
        ({"features": ("w",), "sample_weight": "w"}, "'w' is a feature, and sample_weight at once"),
        ({"target": ("y", "z"), "stratify": True}, "one target's classes, and there are 2 targets"),
        ({"task": "regression", "stratify": True}, "stratify is for classes .* and task='regression' has none"),
        ({"task": "multilabel", "class_weights": "balanced"}, "class_weights is for classes"),
        ({"target": "y", "limits": {"y": (0, 1)}}, "limits names 'y', which is to be predicted"),
        ({"sample_weight": "w", "limits": {"w": (0, 1)}}, "limits names 'w', which is sample_weight"),
        ({"features": ("a",), "limits": {"b": (0, 1)}}, "limits names 'b', which features does not"),
        ({"time": "day", "limits": {"day": (0, 1)}}, "limits names 'day', by which rows are split"),
        ({"group": "who", "scaling": {"who": "log"}}, "scaling names 'who', by which rows are split"),
        ({"limits": {"a": (1, 0)}}, r"limits of 'a' must be \(least, most\), got \(1, 0\)"),
        (
            {"forecast": stoker.Forecast(time="t"), "target": "y", "limits": {"y": (0, 1)}},
            "limits names 'y', which is for single rows",
        ),
        ({"data": stoker.Data("a.csv", columns={"y": "ignore"}), "target": "y"}, "target names 'y', and columns="),
        ({"data": stoker.Data("a.csv", columns={"a": "ignore"}), "features": ("a",)}, "features names 'a', and col"),
        ({"data": stoker.Data("a.csv", columns={"a": "text"}), "limits": {"a": (0, 1)}}, "its data calls 'text'"),
    ],
)
def test_what_contradicts_itself_is_refused_at_the_door(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        stoker.Train(**{"model": "m", "data": "a.csv", **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "y", "stratify": "y"},
        {"target": "y", "stratify": "a", "features": ("a",)},
        {"target": "y", "group": "a", "features": ("a",), "limits": {"a": (0, 1)}},
        {"target": "y", "sample_weight": "w", "limits": {"a": (0, 1)}, "scaling": {"a": "log"}},
        {"data": stoker.Data("a.csv", columns={"who": "ignore", "w": "ignore"}), "group": "who", "sample_weight": "w"},
    ],
)
def test_a_column_may_have_roles_that_go_together(fields: dict[str, Any]) -> None:
    stoker.Train(**{"model": "m", "data": "a.csv", **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sample_weight": "Age"}, "has no column 'Age'; it has .*: did you mean 'age'"),
        ({"target": "z"}, "has no column 'z'; it has 'age', 'customer'"),
        ({"features": ("custmer",)}, "has no column 'custmer'; it has .*: did you mean 'customer'"),
        ({"limits": {"ages": (0, 1)}}, "limits names 'ages', which .* has not; it has .*: did you mean 'age'"),
        ({"group": "costumer"}, "group names column 'costumer', which .* has not; .*: did you mean 'customer'"),
        ({"stratify": "plans"}, "stratify names column 'plans', which .* has not; .*: did you mean 'plan'"),
        ({"group": "y", "target": None}, "group names 'y', which is to be predicted"),
        ({"sample_weight": "y", "target": None}, "'y' is the target, and sample_weight at once"),
    ],
)
def test_what_only_the_data_tells_is_refused_before_they_are_split(
    fields: dict[str, Any], message: str, open_run: OpenRun, tmp_path: Path, events: list[Event]
) -> None:
    path = tmp_path / "table.csv"
    names = ("age", "customer", "plan", "y")
    lines = [",".join(names), *(",".join(str(TABLE[name][row]) for name in names) for row in range(50))]
    path.write_text("\n".join(lines))
    spec = stoker.Train(**{"model": "m", "data": str(path), "target": "y", **fields})
    with pytest.raises(InvalidJob, match=message):
        read_training_data(spec, open_run(), seed=0)
    assert not any(isinstance(event, Log) and event.line.startswith("validation") for event in events)
