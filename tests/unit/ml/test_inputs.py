"""Networks of yours with inputs of their own: trained, resumed, served as by plain Keras; or refused in a sentence."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf
from PIL import Image

from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.kinds import (
    Builder,
    Checkpoints,
    Data,
    Evaluate,
    EvaluateResult,
    Infer,
    InferResult,
    KerasConfig,
    Optimizer,
    Train,
    TrainResult,
)
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.rows import encode
from stoker.models.tensors import Array
from stoker_workers.kinds.evaluate import run as evaluate
from stoker_workers.kinds.infer import run as infer
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.reading import read_training_data
from stoker_workers.ml.run import Outcome, Run
from stoker_workers.ml.training.wiring import wire

from .conftest import assert_resumes, manifest_of

OpenRun = Callable[..., Run]
Build = Callable[[], keras.Model]
HERE = f"{__name__}:built"
ROWS = 240
USERS = 20
layers = keras.layers


def many(users: int = USERS, grid: int = 12, **renamed: str) -> keras.Model:
    """Inputs of every rank and type."""

    def named(shape: tuple[int, ...], name: str, dtype: str = "float32") -> keras.KerasTensor:
        return keras.Input(shape, name=renamed.get(name, name), dtype=dtype)

    user, age, grid_, town = (
        named((1,), "user", "int32"),
        named((2,), "age"),
        named((grid,), "grid"),
        named((3,), "town"),
    )
    plan, note, word = named((1,), "plan", "string"), named((1,), "note", "string"), named((), "word", "string")
    photo = named((4, 4, 3), "photo")
    ids = layers.Flatten()(layers.Embedding(users, 4)(user))
    words = layers.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=4)(note)
    lookup = layers.StringLookup(vocabulary=["Basic", "Plus"], output_mode="one_hot")
    letter = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(word)
    parts = [
        ids,
        age,
        grid_,
        layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(photo)),
        town,
        lookup(plan),
        layers.GlobalAveragePooling1D()(layers.Embedding(4, 2)(words)),
        letter,
    ]
    output = layers.Dense(1, "sigmoid")(layers.Dense(8, "relu")(layers.Concatenate()(parts)))
    return keras.Model([user, age, grid_, photo, town, plan, note, word], output)


def shared() -> keras.Model:
    """The numbers of several columns as one input, and an embedding that two others share."""
    numbers = keras.Input((3,), name="features")
    pair = [keras.Input((1,), name="user"), keras.Input((1,), name="friend")]
    embedding = layers.Embedding(USERS, 4)
    parts = [numbers, *(layers.Flatten()(embedding(ids)) for ids in pair)]
    return keras.Model({"features": numbers, "user": pair[0], "friend": pair[1]}, layers.Dense(1, "sigmoid")(
        layers.Concatenate()(parts)
    ))  # fmt: skip


def built(input_shape: tuple[int, ...], output_units: int) -> keras.Model:  # its inputs are its own
    grid, scale = keras.Input((12,), name="grid"), keras.Input((1,), name="score")
    hidden = layers.Concatenate()([layers.Normalization(mean=5.0, variance=4.0)(grid), layers.Rescaling(0.01)(scale)])
    return keras.Model([grid, scale], layers.Dense(output_units, "sigmoid")(hidden))


def alone(vocabulary: str, name: str, shape: tuple[int, ...] = (1,)) -> keras.Model:
    text = keras.Input(shape, name=name, dtype="string")
    if vocabulary == "words":
        numbers = layers.TextVectorization(vocabulary=["good", "bad"], output_mode="multi_hot")(text)
    else:
        numbers = layers.StringLookup(vocabulary=["Basic", "Plus"], output_mode="one_hot")(text)
    return keras.Model(text, layers.Dense(1, "sigmoid")(layers.Flatten()(numbers)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose target follows from a user, an age, a note and a plan."""
    random = np.random.default_rng(3)
    user = np.concatenate([np.arange(USERS), random.integers(0, USERS, ROWS - USERS)])
    age, grid = random.normal(50, 10, ROWS), random.normal(5, 2, (ROWS, 12))
    good, plus = random.random((2, ROWS)) > 0.5
    columns = {
        "user": user,
        "friend": user[::-1],
        "age": np.where(random.random(ROWS) < 0.1, np.nan, age),
        "score": 100 + 7 * random.random(ROWS),
        "height": random.normal(170, 10, ROWS),
        "grid": pa.array(grid.tolist(), pa.list_(pa.float64(), 12)),
        "photo": [f"photos/{at}.png" for at in range(ROWS)],
        "town": random.choice(["Ulm", "Bonn"], ROWS),
        "plan": np.where(plus, "Plus", "Basic"),
        "note": [f"It was {'good' if each else 'bad'}, on day {at} of many" for at, each in enumerate(good)],
        "word": random.choice(["a", "b", "c"], ROWS),
        "sold": np.where((user < USERS // 2) & good | plus & (age > 50), "sold", "left"),
    }
    path = tmp_path_factory.mktemp("data") / "table.parquet"
    (path.parent / "photos").mkdir()
    for at in range(ROWS):
        pixels = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path.parent / f"photos/{at}.png")
    pa.parquet.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def open_own(open_run: OpenRun) -> OpenRun:
    return lambda *models, **fields: replace(open_run(*models), builders=(HERE,), **fields)


def spec(data: Path, network: keras.Model | Builder, **fields: Any) -> Train:
    architecture = network if isinstance(network, Builder) else KerasConfig(config=network.to_json())
    usual = {"target": "sold", "epochs": 15, "seed": 1, "optimizer": Optimizer(learning_rate=0.02)}
    source = Data(str(data), columns={"user": "category", "friend": "number"})
    return Train(model="m", data=source, architecture=architecture, **usual | fields)


def fitted(job: Train, run: Run) -> tuple[TrainResult, ModelVersion]:
    return registered(train(job, run))


def registered(outcome: Outcome) -> tuple[TrainResult, ModelVersion]:
    assert isinstance(outcome.result, TrainResult)
    manifest = manifest_of(outcome)
    return outcome.result, ModelVersion(**dict(manifest), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))


def rows_of(data: Path) -> dict[str, Any]:
    columns: dict[str, Any] = pa.parquet.read_table(data).to_pydict()
    return columns | {"photo": [pixels_of(data.parent / name) for name in columns["photo"]]}


def pixels_of(path: Path) -> Array:
    with Image.open(path) as image:
        return np.asarray(image)


def check_served(version: ModelVersion, open_run: OpenRun, data: Path) -> Array:
    """Raw rows are answered as by the file in plain Keras; gives the answers."""
    run, inputs = open_run(), Inputs(version.signature, version.ref)
    tensors = inputs.encoded(rows_of(data))
    assert isinstance(tensors, dict)
    inputs.check(tensors)
    answers = Predictor.load(version, run.store, run.scratch, rows=ROWS).predict(tensors)
    model = keras.saving.load_model(run.store.fetch(version.files["keras"], run.scratch), safe_mode=True)
    given = {name: tf.constant(values) for name, values in tensors.items()}
    plain = model(given if len(given) > 1 else next(iter(given.values())), training=False)
    assert isinstance(answers, np.ndarray)
    np.testing.assert_allclose(answers, plain, rtol=1e-5, atol=1e-5)
    return answers


def check_jobs(version: ModelVersion, open_run: OpenRun, data: Path) -> None:
    """Rows are answered in bulk and in an evaluation as alone."""
    run, answers = open_run(), check_served(version, open_run, data)
    bulk = infer(Infer(model="m", data=str(data)), open_run(version)).result
    assert isinstance(bulk, InferResult)
    np.testing.assert_allclose(np.load(run.store.fetch(bulk.chunks[0], run.scratch)), answers, rtol=1e-5, atol=1e-5)
    measured = evaluate(Evaluate(model="m", data=str(data), bootstrap=100, noise=(0.1,)), open_run(version)).result
    assert isinstance(measured, EvaluateResult)
    truth = np.array(rows_of(data)["sold"]) == "sold"
    assert measured.metrics["accuracy"] == pytest.approx(((answers[:, 0] > 0.5) == truth).mean())


@pytest.mark.parametrize("resumes", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["once", "resumed"])
def test_each_input_reads_the_column_of_its_name(
    data: Path, open_run: OpenRun, events: list[Event], *, resumes: bool
) -> None:
    job = spec(data, many(), checkpoint=Checkpoints(steps=40, seconds=None, keep=100))
    outcome = train(job, open_run())
    if resumes:
        assert_resumes(job, outcome, events, open_run())
    result, version = registered(outcome)
    assert result.metrics["val_accuracy"] > 0.6
    read = {spec.columns: (spec.dtype, spec.kind) for spec in version.signature.inputs}
    assert read == {
        ("user",): ("int32", "number"),
        ("age",): ("float32", "number"),
        ("grid",): ("float32", "vector"),
        ("photo",): ("uint8", "image"),
        ("town",): ("string", "category"),
        ("plan",): ("string", "text"),
        ("note",): ("string", "text"),
        ("word",): ("string", "text"),
    }
    check_jobs(version, open_run, data)
    lines = [event.line for event in events if isinstance(event, Log)]
    assert "column 'height' is left out: no input of the network has its name" in lines
    assert any("takes as they are, for their type" in line and line.endswith("'word'") for line in lines)
    assert {column.name for column in version.columns if column.kind == "ignore"} == {"friend", "score", "height"}
    inputs = Inputs(version.signature, version.ref)
    with pytest.raises(InvalidJob, match=r"'user' holds 20 in row 0 .* what the model takes: from 0 to 19"):
        inputs.encoded(rows_of(data) | {"user": [USERS] * ROWS})


@pytest.mark.slow
def test_columns_of_a_kind_are_one_input_and_embeddings_may_be_shared(data: Path, open_run: OpenRun) -> None:
    job = spec(data, shared(), features=("age", "height", "user", "friend"))
    job = job.model_copy(update={"data": Data(str(data), columns={"user": "category", "friend": "category"})})
    _, version = fitted(job, open_run())
    assert [spec.columns for spec in version.signature.inputs] == [
        ("age", "height"),
        ("friend",),
        ("user",),
    ]  # as Keras sorts them
    check_jobs(version, open_run, data)


@pytest.mark.slow
def test_a_builder_may_have_inputs_of_its_own(data: Path, open_own: OpenRun) -> None:
    _, version = fitted(spec(data, Builder(HERE)), open_own())
    check_jobs(version, open_own, data)


@pytest.mark.parametrize(
    ("network", "features"),
    [
        (partial(alone, "words", "note"), None),
        pytest.param(partial(alone, "words", "any", ()), ("note",), marks=pytest.mark.slow),
        pytest.param(partial(alone, "lookup", "any"), ("plan",), marks=pytest.mark.slow),
        pytest.param(partial(alone, "lookup", "categories", (2,)), ("plan", "town"), marks=pytest.mark.slow),
    ],
)
def test_text_reaches_a_layer_that_takes_it_as_it_is(
    network: Build, features: tuple[str, ...] | None, data: Path, open_run: OpenRun
) -> None:
    result, version = fitted(spec(data, network(), features=features), open_run())
    answers = check_served(version, open_run, data)
    assert len(np.unique(answers.round(6))) > 1
    assert result.metrics["accuracy"] > 0.6


def test_rows_prepared_in_pieces_are_those_of_one_call(
    data: Path, open_run: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read_training_data(spec(data, many()), open_run(), 1).profile
    wired = wire(many(), found, normalize=True)
    rows = encode(wired.profile.inputs, rows_of(data))
    whole = wired.preprocessing(rows)
    monkeypatch.setattr("stoker_workers.ml.preprocessing.layers.CALL_ROWS", 64)
    in_pieces = wired.preprocessing(rows)
    assert [len(tensor) for tensor in in_pieces] == [ROWS] * 8
    for ours, theirs in zip(in_pieces, whole, strict=True):
        assert ours.dtype == theirs.dtype
        if ours.dtype == object:
            np.testing.assert_array_equal(ours, theirs)
        else:
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("network", "features", "message"),
    [
        (
            partial(many, plan="plans"),
            None,
            r"input 'plans' names nothing in the data: there are the columns 'user', 'friend'",
        ),
        (partial(many, plan="plans"), None, r"and the tensors of several columns: 'features', 'categories'"),
        (partial(many, grid=11), None, r"input 'grid' takes rows of shape \(11,\).*has the shape \(12,\)"),
        (
            partial(many, age="height"),
            None,
            r"'height' takes rows of shape \(2,\), but .*'height' \(number\) has the shape",
        ),
        (
            partial(many, town="score", age="town"),
            None,
            r"'town' \(category: one place each, and one for unseen ones\)",
        ),
        (partial(many, users=5), None, "column 'user' holds ids from 0 to 19, but .* those from 0 to 4.*input_dim=20"),
        (
            partial(many, user="town", town="height"),
            None,
            "'town' takes int32 as it is, and column 'town' holds text.*dtype='string'",
        ),
        (partial(many, plan="height"), None, "'height' takes text, and 'height' is no column of text"),
        (many, ("user", "age", "grid", "photo", "town", "plan", "note"), "'word' names nothing"),
        (partial(alone, "words", "any"), None, "'any' names nothing in the data"),
    ],
)
def test_inputs_that_do_not_fit_the_data_are_refused(
    network: Build, features: tuple[str, ...] | None, message: str, data: Path, open_run: OpenRun
) -> None:
    with pytest.raises(InvalidJob, match=message):
        fitted(spec(data, network(), features=features), open_run())


def test_a_reconstruction_by_several_inputs_is_refused(data: Path, open_run: OpenRun) -> None:
    age, height = keras.Input((1,), name="age"), keras.Input((1,), name="height")
    network = keras.Model([age, height], layers.Dense(2)(layers.Concatenate()([age, height])))
    job = spec(data, network, task="reconstruction", target=None, features=("age", "height"))
    with pytest.raises(InvalidJob, match=r"inputs 'age', 'height', and .*give it a single keras\.Input"):
        fitted(job, open_run())
