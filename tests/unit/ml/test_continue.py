"""Trainings that go on from a version: what stays, what is new, and what is refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.kinds import CNN, MLP, Augment, Data, Text, Train, WideAndDeep
from stoker.models.columns import ColumnKind
from stoker.models.manifest import ModelVersion
from stoker.models.rows import encode
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.prediction.loading import load_saved
from stoker_workers.ml.run import Outcome, Run

from .conftest import STILL, VERY_OFTEN, assert_resumes, manifest_of

COLOURS = ("red", "green", "blue")
# Of each job but one: to prepare dates and texts takes longer to trace than the network.
FEW = ("size", "colour")


def version_of(outcome: Outcome, number: int = 1) -> ModelVersion:
    manifest = manifest_of(outcome)
    return ModelVersion(**dict(manifest), version=number, created_at=datetime(2026, 1, 1, tzinfo=UTC))


def write(path: Path, rows: int, *, shift: float = 0.0, labels: tuple[str, ...] = ("no", "yes"), seed: int = 0) -> Path:
    """A table of numbers with gaps, categories, dates and texts, whose classes follow from a number and a category."""
    random = np.random.default_rng(seed)
    lines = []
    for row in range(rows):
        size, colour = random.normal(shift, 1), COLOURS[random.integers(3)]
        label = labels[int((size > shift) ^ (colour == "red")) if len(labels) == 2 else row % len(labels)]
        text = " ".join(np.array(["good", "bad", "old", "new", "small"])[random.integers(5, size=4)])
        lines.append(
            {
                "size": None if row % 11 == 0 else size,
                "colour": colour,
                "on": f"2024-{1 + row % 12:02}-{1 + row % 28:02}",
                "note": text,
                "price": 1000 + 50 * size,
                "sold": label,
            }
        )
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write(tmp_path / "old.jsonl", 160)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Rows that are scaled otherwise, and have other words: statistics of their own would show."""
    return write(tmp_path / "new.jsonl", 96, shift=3.0, seed=1)


@pytest.fixture
def start(open_run: Callable[..., Run]) -> Callable[..., ModelVersion]:
    """Trains a first version: `start(data="…", …)`."""

    def start(**fields: Any) -> ModelVersion:
        keras.utils.clear_session()  # as a process that trains one model names its layers
        fields = {"epochs": 1, "batch_size": 80, "seed": 1, "validation_split": 0, **fields}
        return version_of(train(Train(model="first", **fields), open_run()))

    return start


def predicted(version: ModelVersion, run: Run, rows: Path) -> list[np.ndarray[Any, Any]]:
    columns: dict[str, Any] = {}
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    for name in lines[0]:
        values = [line[name] for line in lines]
        columns[name] = np.array(values, dtype=float if name in ("size", "price") else object)
    model = load_saved(run.store.fetch(version.files["keras"], run.scratch), version.ref)
    inputs = encode(version.signature.inputs, columns)
    output = model(inputs if len(inputs) > 1 else next(iter(inputs.values())), training=False)
    return [np.asarray(each) for each in keras.tree.flatten(output)]


def said(events: list[Event]) -> str:
    return "\n".join(event.line for event in events if isinstance(event, Log))


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "sold", "architecture": MLP(hidden=(8,), norm="layer", dropout=0.1)},
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in (
                {"target": "sold", "architecture": Text(units=4, dense=(4,)), "features": ("note", "size")},
                {"target": "sold", "architecture": WideAndDeep(hidden=(4,)), "features": ("colour", "size")},
                {"target": "price", "task": "regression", "features": FEW},
                {"target": ("price", "sold"), "features": FEW},
            )
        ),
    ],
    ids=["mlp", "text", "wide and deep", "numbers", "two outputs"],
)
def test_a_version_that_learns_nothing_more_predicts_what_it_did_whatever_the_new_data_are_like(
    fields: dict[str, Any], old: Path, new: Path, start: Callable[..., ModelVersion], open_run: Callable[..., Run]
) -> None:
    first = start(data=str(old), **fields)
    run = open_run(first)
    job = Train(model="second", data=str(new), init_from="first@1", optimizer=STILL, epochs=1, validation_split=0)
    second = version_of(train(job, run))
    assert second.parent == "first@1"
    assert second.signature == first.signature
    for before, after in zip(predicted(first, run, new), predicted(second, run, new), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-5 * np.abs(before).max())


def test_it_goes_on_learning_from_where_it_was_with_layers_frozen_and_ends_the_same_if_it_is_resumed(
    old: Path, new: Path, start: Callable[..., ModelVersion], open_run: Callable[..., Run], events: list[Event]
) -> None:
    network = MLP(hidden=(8, 4), dropout=0.2)
    first = start(data=str(old), target="sold", architecture=network, features=FEW)
    run = open_run(first)
    events.clear()
    job = Train(
        model="second",
        data=str(new),
        init_from="first@1",
        freeze="dense",
        epochs=2,
        seed=3,
        checkpoint=VERY_OFTEN,
    )
    outcome = train(job, run)
    assert "goes on from first@1" in said(events)
    assert "freezes 1 of 3 layers: 'dense'" in said(events)
    before, after = (
        load_saved(run.store.fetch(version.files["keras"], run.scratch), "it")
        for version in (first, version_of(outcome))
    )
    same = [np.array_equal(a, b) for a, b in zip(before.get_weights(), after.get_weights(), strict=True)]
    assert same == [True, True, False, False, False, False]
    assert len(after.trainable_variables) == 6
    assert_resumes(job, outcome, list(events), run)


def test_patterns_that_fit_no_layer_or_leave_none_are_refused_with_the_names_there_are(
    old: Path, start: Callable[..., ModelVersion], open_run: Callable[..., Run]
) -> None:
    run = open_run(start(data=str(old), target="sold", architecture=MLP(hidden=(8,)), features=("size",)))
    job = Train(model="second", data=str(old), init_from="first@1", freeze=("dense", "conv*"))
    with pytest.raises(
        InvalidJob, match=r"freeze names 'conv\*', and no layer .* is called so: there are 'dense', 'dense_1'"
    ):
        train(job, run)
    with pytest.raises(InvalidJob, match=r"freeze=\('dense\*',\) leaves no layer of first@1"):
        train(job.model_copy(update={"freeze": ("dense*",)}), run)


def head(version: ModelVersion, run: Run) -> np.ndarray[Any, Any]:
    kernel, _ = load_saved(run.store.fetch(version.files["keras"], run.scratch), "it").get_weights()[-2:]
    return np.asarray(kernel)


@pytest.fixture
def labelled(tmp_path: Path) -> Callable[..., str]:
    """Writes a table with these labels: `labelled("a", "b")`."""
    return lambda *labels: str(write(tmp_path / f"{''.join(labels)}.jsonl", 90, labels=labels))


def more_classes(data: str) -> Train:
    return Train(model="second", data=data, init_from="first@1", optimizer=STILL, epochs=1, seed=1, target="sold")


def test_new_classes_get_a_new_last_layer_in_which_those_known_begin_as_they_were(
    labelled: Callable[..., str],
    start: Callable[..., ModelVersion],
    open_run: Callable[..., Run],
    events: list[Event],
) -> None:
    first = start(data=labelled("a", "b", "c"), target="sold", architecture=MLP(hidden=(8,)), features=FEW)
    run = open_run(first)
    new = labelled("b", "c", "d", "e")
    second = version_of(train(more_classes(new), run))
    told = said(events)
    assert "has classes that first@1 does not know, 'd', 'e': the last layer is new" in told
    assert "begins with the weights of those that it knows, 'b', 'c'; it no longer knows 'a'" in told
    assert (second.signature.classes, second.signature.outputs[0].shape) == (("b", "c", "d", "e"), (4,))
    np.testing.assert_allclose(head(second, run)[:, :2], head(first, run)[:, 1:], atol=1e-6)
    assert predicted(second, run, Path(new))[0].shape == (90, 4)


@pytest.mark.slow
def test_classes_that_are_missing_stay_known_and_two_become_more(
    labelled: Callable[..., str],
    start: Callable[..., ModelVersion],
    open_run: Callable[..., Run],
    events: list[Event],
) -> None:
    old, few = labelled("a", "b", "c"), labelled("c", "a")
    first = start(data=old, target="sold", architecture=MLP(hidden=(8,)), features=FEW)
    job = more_classes(few)
    events.clear()
    third = version_of(train(job, open_run(first)))
    assert third.signature == first.signature
    assert "has 2 of the 3 classes of first@1, which goes on knowing them all; the data have no row of 'b'" in said(
        events
    )

    two = open_run(start(data=few, target="sold", architecture=MLP(hidden=(8,)), features=FEW))
    more = version_of(train(more_classes(old), two))
    assert (more.signature.task, more.signature.outputs[0].shape) == ("multiclass", (3,))
    again = open_run(more.model_copy(update={"name": "first"}))
    assert version_of(train(more_classes(labelled("b", "c", "d", "e")), again)).signature.classes == (
        "b",
        "c",
        "d",
        "e",
    )


def test_what_has_no_dense_last_layer_refuses_new_classes(
    tmp_path: Path, start: Callable[..., ModelVersion], open_run: Callable[..., Run]
) -> None:
    old, new = (write(tmp_path / f"{label}.jsonl", 60, labels=("a", "b", label)) for label in ("c", "d"))
    run = open_run(start(data=str(old), target="sold", architecture=WideAndDeep(hidden=(4,)), features=("colour",)))
    with pytest.raises(InvalidJob, match="its output comes of a Add layer, not of a Dense one"):
        train(Train(model="second", data=str(new), init_from="first@1"), run)


@pytest.mark.slow
def test_pictures_go_on_as_bytes_with_changes_at_random(
    start: Callable[..., ModelVersion], open_run: Callable[..., Run]
) -> None:
    first = start(data="sample://shapes", architecture=CNN(filters=(4,), dense=(4,)))
    run = open_run(first)
    job = Train(
        model="second",
        data="sample://shapes",
        init_from="first@1",
        optimizer=STILL,
        epochs=1,
        augment=Augment(flip="horizontal"),
    )
    second = version_of(train(job, run))
    assert second.signature == first.signature
    for before, after in zip(*(weights_of_version(version, run) for version in (first, second)), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)


def weights_of_version(version: ModelVersion, run: Run) -> list[np.ndarray[Any, Any]]:
    weights: list[np.ndarray[Any, Any]] = load_saved(
        run.store.fetch(version.files["keras"], run.scratch), "it"
    ).get_weights()
    return weights


def test_data_that_lack_what_the_version_reads_are_refused(
    old: Path, tmp_path: Path, start: Callable[..., ModelVersion], open_run: Callable[..., Run]
) -> None:
    run = open_run(start(data=str(old), target="price", features=("size", "colour"), task="regression"))
    less = tmp_path / "less.csv"
    less.write_text("size,price\n1,2\n2,3\n")
    with pytest.raises(InvalidJob, match="has no column 'colour'"):
        train(Train(model="second", data=str(less), init_from="first@1"), run)


@pytest.mark.parametrize("field", ["data", pytest.param("add_data", marks=pytest.mark.slow)])
def test_labels_that_hold_at_once_go_on_and_get_rows_added(
    field: str, start: Callable[..., ModelVersion], open_run: Callable[..., Run], tmp_path: Path
) -> None:
    def tagged(name: str, seed: int) -> str:
        size = np.random.default_rng(seed).normal(size=40)
        rows = [{"size": each, "red": bool(each > 0), "round": bool(each < 0.5)} for each in size]
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
        return str(tmp_path / name)

    first = start(data=tagged("old.jsonl", 0), target=("red", "round"), architecture=MLP(hidden=(2,)))
    more: dict[str, Any] = {field: tagged("new.jsonl", 1)}
    outcome = train(Train(model="first", init_from="first@1", epochs=1, **more), open_run(first))
    assert version_of(outcome, 2).signature.classes == ("red", "round")


def test_columns_that_are_described_as_other_things_or_that_there_are_not_are_refused(
    old: Path, new: Path, start: Callable[..., ModelVersion], open_run: Callable[..., Run]
) -> None:
    first = start(data=str(old), target="sold", features=FEW, architecture=MLP(hidden=(2,)))
    run = open_run(first)
    kinds: list[tuple[ColumnKind, str, str]] = [
        ("category", "size", "columns says category of 'size', and first@1 takes it for number"),
        ("number", "length", "has no column 'length'; it has"),
    ]
    for field in ("data", "add_data"):
        for kind, name, words in kinds:
            described = Data(str(new), columns={name: kind})
            with pytest.raises(InvalidJob, match=words):
                train(Train(model="first", init_from="first@1", epochs=1, **{field: described}), run)
