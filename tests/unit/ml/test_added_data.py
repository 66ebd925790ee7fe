"""Trainings that add rows to those of a version: how they are mixed, what is validated on, and what is refused."""

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.kinds import CNN, MLP, Data, EarlyStopping, Train, TrainResult
from stoker.models.manifest import ModelVersion
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.copies import Copies
from stoker_workers.ml.data import Joined, Part
from stoker_workers.ml.data.source import Arrays, Values
from stoker_workers.ml.preprocessing.split import HELD_OUT, ExactSplit, NotedSplit, SplitBehind
from stoker_workers.ml.run import Outcome, Run
from stoker_workers.ml.training import dataset

from .conftest import STILL, VERY_OFTEN, assert_resumes, manifest_of

OpenRun = Callable[..., Run]
LABELS = ("no", "yes")


def table(path: Path, rows: int, *, seed: int = 0, labels: tuple[str, ...] = LABELS, **columns: Values) -> str:
    """Customers, separated by semicolons, with decimal commas, and with a number that means a place."""
    random = np.random.default_rng(seed)
    place = random.integers(1, 4, rows)
    size = random.normal(size=rows).round(3)
    names = {
        "zip": place,
        "size": [f"{value:.3f}".replace(".", ",") for value in size],
        "note": ["good old thing" if value > 0 else "bad new one, small" for value in size],
        "sold": [labels[int(value > 0) if len(labels) == 2 else row % len(labels)] for row, value in enumerate(size)],
        **columns,
    }
    lines = [";".join(names), *(";".join(map(str, row)) for row in zip(*names.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def data(path: str) -> Data:
    return Data(path, separator=";", decimal=",", columns={"zip": "category"})


def version_of(outcome: Outcome, number: int) -> ModelVersion:
    return ModelVersion(**dict(manifest_of(outcome)), version=number, created_at=datetime(2026, 1, 1, tzinfo=UTC))


def first(path: Path, run: Run, **fields: Any) -> ModelVersion:
    groups = np.arange(80) // 4
    days = [f"2026-01-{1 + row % 28:02}" for row in range(80)]
    old = data(table(path, 80, customer=groups, day=np.array(days)))
    spec = {
        "model": "first",
        "data": old,
        "target": "sold",
        "architecture": MLP(hidden=(4,)),
        "features": ("zip", "size", "note"),
    }
    return version_of(train(Train(**{**spec, "epochs": 1, "batch_size": 40, "seed": 1, **fields}), run), 1)


def adding(ref: Any, number: int = 1, **fields: Any) -> Train:
    usual = {"init_from": f"first@{number}", "optimizer": STILL, "epochs": 1, "batch_size": 60}
    return Train(**{"model": "first", "add_data": ref, **usual, **fields})


def validated(of: ModelVersion) -> dict[str, float]:
    return {name: value for name, value in of.metrics.items() if name.startswith("val_")}


def said(events: list[Event]) -> str:
    return "\n".join(event.line for event in events if isinstance(event, Log))


@pytest.mark.parametrize(
    ("fields", "held_out"),
    [
        ({}, 8),
        pytest.param({"group": "customer", "validation_split": 0.25}, 20, marks=pytest.mark.slow),
        pytest.param({"time": "day", "validation_split": 0.2}, None, marks=pytest.mark.slow),
    ],
    ids=["at random", "by groups", "by time"],
)
def test_the_rows_that_a_version_was_validated_on_stay_so_and_all_others_are_trained_on(
    fields: dict[str, Any], held_out: int | None, open_run: OpenRun, tmp_path: Path, events: list[Event]
) -> None:
    before = first(tmp_path / "old.csv", open_run(), **fields)
    new = table(tmp_path / "new.csv", 30, seed=1)  # in which there is neither a customer nor a day
    events.clear()
    outcome = train(adding(data(new)), open_run(before))
    after = version_of(outcome, 2)
    assert validated(after) == pytest.approx(validated(before), rel=1e-5)
    assert isinstance(outcome.result, TrainResult)
    if held_out is not None:
        assert outcome.result.rows == 80 - held_out + 30
    assert f"adds 30 rows of {new} to the 80 of '{tmp_path / 'old.csv'}' that first@1 was trained on" in said(events)
    assert f"of {tmp_path / 'old.csv'} as first@1, " in after.split
    assert (after.parent, after.data) == ("first@1", f"{tmp_path / 'old.csv'} + {new}")


def test_data_are_added_again_and_again_and_each_version_names_all_with_how_they_are_read(
    open_run: OpenRun, tmp_path: Path, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = first(tmp_path / "old.csv", open_run())
    learned = before.learned_from
    assert learned is not None
    assert (learned.data[0].rows, len(learned.data[0].digest)) == (80, 64)
    assert learned.data[0].options == {"separator": ";", "decimal": ",", "columns": {"zip": "category"}}

    second = version_of(train(adding(data(table(tmp_path / "b.csv", 30, seed=1))), open_run(before)), 2)
    lines = [{"zip": "3", "size": 0.5, "note": "good old thing", "sold": "yes"}] * 9
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, lines)))
    job = adding(str(tmp_path / "c.jsonl"), 2, optimizer="adam", epochs=2, seed=2, batch_size=40, checkpoint=VERY_OFTEN)
    run = open_run(second)
    events.clear()
    outcome = train(job, run)
    third = version_of(outcome, 3)
    assert [Path(each).name for each in third.trained_on] == ["old.csv", "b.csv", "c.jsonl"]
    assert third.learned_from is not None
    assert third.learned_from.held_out == learned.held_out
    assert ModelVersion.model_validate_json(third.model_dump_json()) == third
    assert isinstance(outcome.result, TrainResult)
    assert outcome.result.rows == 72 + 30 + 9
    assert_resumes(job, outcome, events, run)

    # Of rows that are not kept in memory, each window has its share of all data.
    monkeypatch.setattr(dataset, "RESIDENT_BYTES", 0)
    streamed = train(adding(str(tmp_path / "c.jsonl"), 2), run)
    assert validated(version_of(streamed, 3)) == pytest.approx(validated(before), rel=1e-5)


def test_other_data_that_a_version_was_validated_on_stay_so_unless_the_job_names_some(
    open_run: OpenRun, tmp_path: Path
) -> None:
    other = data(table(tmp_path / "test.csv", 40, seed=5))
    before = first(tmp_path / "old.csv", open_run(), validation_data=other, validation_split=0)
    new = data(table(tmp_path / "new.csv", 30, seed=1))
    outcome = train(adding(new, early_stopping=EarlyStopping()), open_run(before))
    after = version_of(outcome, 2)
    assert isinstance(outcome.result, TrainResult)
    assert (outcome.result.rows, after.split) == (110, f"all rows of {other}, as first@1")
    assert validated(after) == pytest.approx(validated(before), rel=1e-5)
    assert after.learned_from is not None
    assert before.learned_from is not None
    assert after.learned_from.validation == before.learned_from.validation
    named = version_of(train(adding(new, validation_data=new), open_run(before)), 2)
    assert named.learned_from is not None
    assert named.learned_from.validation is not None
    assert named.learned_from.validation.ref == new.ref
    table(tmp_path / "test.csv", 40, seed=6)
    with pytest.raises(InvalidJob, match=r"test\.csv has changed since first@1 has learned from it"):
        train(adding(new), open_run(before))


def test_rows_that_are_validated_on_and_come_up_again_among_added_ones_are_said(
    open_run: OpenRun, tmp_path: Path, events: list[Event]
) -> None:
    before = first(tmp_path / "old.csv", open_run())
    _, *lines = (tmp_path / "old.csv").read_text().splitlines()
    more = Path(table(tmp_path / "more.csv", 30, seed=1)).read_text().splitlines()[1:]
    added = [";".join(line.split(";")[:4]) for line in sorted(lines)] + [*more, "1;0,5;good old thing;"]
    (tmp_path / "sorted.csv").write_text("\n".join(["zip;size;note;sold", *added]))
    events.clear()
    train(adding(data(str(tmp_path / "sorted.csv"))), open_run(before))
    warnings = [event.line for event in events if isinstance(event, Log) and event.level == "warning"]
    assert any(
        "8 of the 8 rows that are validated on are, column by column, among those of" in line for line in warnings
    )
    assert "1 rows without 'sold' are left out" in said(events)


@pytest.mark.slow
def test_rows_of_other_data_that_are_validated_on_and_come_up_again_are_said(
    open_run: OpenRun, tmp_path: Path, events: list[Event]
) -> None:
    """As a file, or a part of one."""
    test = Path(table(tmp_path / "test.csv", 40, seed=7))
    before = first(tmp_path / "old.csv", open_run(), validation_data=data(str(test)), validation_split=0)
    with pytest.raises(InvalidJob, match=r"first@1 has learned from .*test\.csv already"):
        train(adding(data(str(test))), open_run(before))
    half = tmp_path / "half.csv"
    half.write_text("\n".join(test.read_text().splitlines()[:21]))
    events.clear()
    train(adding(data(str(half))), open_run(before))
    assert "20 of the 40 rows that are validated on are" in said(events)


def test_rows_are_copies_by_their_values_if_no_other_rows_repeat_them() -> None:
    validated = {"n": np.array([1, 2, -0.0]), "t": np.array(["a", None, "c"], object)}
    new = {"n": np.array([0, 2, 1, 7]), "t": np.array(["c", None, "b", "d"], object)}
    old = {"n": np.array([2.0, np.nan]), "t": np.array([None, "a"], object)}
    sides = np.zeros(4, np.int8)
    copies = Copies([validated], ["n", "t"], 4)
    copies.note(new, 0, sides)
    assert (copies.rows, copies.validated) == (2, 3)
    copies.note(old, 4, sides[:2])
    assert copies.rows == 1
    pictures = [np.full((2, 2, 2), 7, dtype) for dtype in (np.uint8, np.float32)]
    by_picture = Copies([{"x": pictures[0][:1]}], ["x"], 2)
    by_picture.note({"x": pictures[1]}, 0, sides[:2])
    assert by_picture.rows == 1
    nothing = Copies([], ["x"], 2)
    nothing.note({"x": pictures[1]}, 0, sides[:2])
    assert (nothing.rows, nothing.validated) == (0, 0)


@pytest.mark.slow
def test_new_classes_get_a_new_last_layer_that_forgets_none(open_run: OpenRun, tmp_path: Path) -> None:
    before = first(tmp_path / "old.csv", open_run())
    new = data(table(tmp_path / "new.csv", 30, seed=1, labels=("yes", "perhaps", "later")))
    after = version_of(train(adding(new, optimizer="adam"), open_run(before)), 2)
    assert after.signature.classes == ("later", "no", "perhaps", "yes")


def test_what_is_added_must_fit_and_what_was_learned_from_must_be_the_same(open_run: OpenRun, tmp_path: Path) -> None:
    before = first(tmp_path / "old.csv", open_run())
    run = open_run(before)
    less = tmp_path / "less.csv"
    less.write_text("zip;size;sold\n1;0,5;no\n2;0,7;yes\n")
    with pytest.raises(InvalidJob, match=r"less\.csv has no column 'note'"):
        train(adding(data(str(less))), run)
    words = table(tmp_path / "words.csv", 30, size=np.array(["large"] * 30))
    with pytest.raises(InvalidJob, match=r"column 'size'.*large|'size' .*words\.csv"):
        train(adding(data(words)), run)
    none = tmp_path / "none.csv"
    none.write_text("zip;size;note;sold\n")
    with pytest.raises(InvalidJob, match=r"none\.csv has no rows to add"):
        train(adding(data(str(none))), run)
    copy = Path(shutil.copy(tmp_path / "old.csv", tmp_path / "copy.csv"))
    with pytest.raises(InvalidJob, match=r"first@1 has learned from .*copy\.csv already, and what it was validated on"):
        train(adding(data(str(copy))), run)
    new = data(table(tmp_path / "new.csv", 30, seed=1))
    learned = before.learned_from
    assert learned is not None
    assert learned.held_out is not None
    other = learned.held_out.model_copy(update={"seed": 2})
    moved = before.model_copy(update={"learned_from": learned.model_copy(update={"held_out": other})})
    with pytest.raises(InvalidJob, match="that first@1 was validated on cannot be found again"):
        train(adding(new), open_run(moved))
    old = ModelVersion.model_validate_json(before.model_dump_json(exclude={"learned_from"}))
    assert (old.learned_from, old.trained_on) == (None, (str(tmp_path / "old.csv"),))
    with pytest.raises(InvalidJob, match="how the data of first@1 were read is not known, for an older Stoker"):
        train(adding(new), open_run(old))
    table(tmp_path / "old.csv", 80, seed=9)
    with pytest.raises(InvalidJob, match=r"old\.csv has changed since first@1 has learned from it: put back"):
        train(adding(new), run)


def test_arrays_and_sample_sets_are_added_to_each_other(open_run: OpenRun, tmp_path: Path) -> None:
    spec = Train(model="first", data="sample://iris", epochs=1, seed=1, architecture=MLP(hidden=(4,)))
    before = version_of(train(spec, open_run()), 1)
    np.savez(tmp_path / "more.npz", x=np.ones((5, 4), np.float32), y=np.arange(5) % 3)
    outcome = train(adding(str(tmp_path / "more.npz")), open_run(before))
    assert isinstance(outcome.result, TrainResult)
    assert outcome.result.rows == 108 + 5
    assert validated(version_of(outcome, 2)) == pytest.approx(validated(before), rel=1e-5)
    np.savez(tmp_path / "wide.npz", x=np.ones((5, 6)), y=np.arange(5) % 3)
    with pytest.raises(InvalidJob, match=r"column 'x' holds numbers of shape \(6,\) in .*wide.npz, and numbers of"):
        train(adding(str(tmp_path / "wide.npz")), open_run(before))


def test_folders_of_pictures_are_added_and_a_renamed_folder_is_a_change(open_run: OpenRun, tmp_path: Path) -> None:
    def folder(name: str, count: int, *, seed: int) -> Path:
        random = np.random.default_rng(seed)
        for at in range(count):
            path = tmp_path / name / ("cat", "dog")[at % 2] / f"{at}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 99 + 99 * (at % 2), (9, 9, 3), np.uint8)).save(path)
        return tmp_path / name

    old, new = folder("old", 20, seed=0), folder("new", 6, seed=1)
    spec = Train(model="first", data=str(old), epochs=1, seed=1, architecture=CNN(filters=(2,), dense=(2,)))
    before = version_of(train(spec, open_run()), 1)
    outcome = train(adding(str(new)), open_run(before))
    assert isinstance(outcome.result, TrainResult)
    assert outcome.result.rows == 18 + 6
    assert validated(version_of(outcome, 2)) == pytest.approx(validated(before), rel=1e-5)
    (old / "cat").rename(old / "cow")
    with pytest.raises(InvalidJob, match="has changed since"):
        train(adding(str(new)), open_run(before))


def test_whether_pictures_have_changed_that_a_table_names_is_not_known(open_run: OpenRun, tmp_path: Path) -> None:
    for at in range(8):
        Image.fromarray(np.full((8, 8, 3), 30 * at, np.uint8)).save(tmp_path / f"{at}.png")
    rows = "\n".join(f"{at}.png,{at % 2}" for at in range(8))
    (tmp_path / "table.csv").write_text(f"image,label\n{rows}\n")
    spec = Train(model="first", data=str(tmp_path / "table.csv"), epochs=1, architecture=MLP(hidden=(2,)))
    before = version_of(train(spec, open_run()), 1)
    with pytest.raises(InvalidJob, match="has changed since cannot be told, for its files name pictures"):
        train(adding(str(tmp_path / "table.csv")), open_run(before))


def source(values: Mapping[str, Values]) -> Arrays:
    return Arrays(values, "")


def test_sources_are_joined_in_order_and_mixed_by_their_shares() -> None:
    new = source({"n": np.arange(3), "only": np.arange(3)})
    old = source({"n": np.arange(9) / 2})
    joined = Joined([Part("new", new, 3), Part("old", old, 9)], ["n"])
    assert (joined.rows, joined.in_memory, joined.columns[0].dtype) == (12, True, "float64")
    rows = [batch["n"] for batch in joined.batches(5)]
    assert [len(each) for each in rows] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate(rows), [*range(3), *np.arange(9) / 2])
    told = [(first, batch["n"].tolist()) for first, batch in joined.mixed(4)]
    assert told == [(0, [0]), (3, [0, 0.5, 1]), (1, [1]), (6, [1.5, 2, 2.5]), (2, [2]), (9, [3, 3.5, 4])]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array(["a", "b"], object), "holds text in new, and numbers in old"),
        (np.array([True, False]), "holds booleans in new, and numbers in old"),
        (np.zeros((2, 3)), r"holds numbers of shape \(3,\) in new, and numbers in old"),
    ],
)
def test_a_column_that_holds_another_thing_is_not_mixed(values: Values, words: str) -> None:
    with pytest.raises(InvalidJob, match=words):
        Joined([Part("new", source({"n": values}), 2), Part("old", source({"n": np.arange(2)}), 2)], ["n"])


def test_a_split_behind_other_rows_holds_out_the_same_whatever_the_batches_are() -> None:
    split = SplitBehind(5, ExactSplit.holding_out(7, np.array([0, 4])))
    expected = [0, 0, 0, 0, 0, HELD_OUT, 0, 0, 0, HELD_OUT, 0, 0]
    noted = []
    for size in (1, 4, 12):
        witness = NotedSplit(split)
        sides = [witness.sides({"n": np.empty(min(size, 12 - first))}, first).tolist() for first in range(0, 12, size)]
        assert [side for each in sides for side in each] == expected
        noted.append((witness.digest, witness.rows, witness.held_out))
    assert noted == [(noted[0][0], 12, 2)] * 3
