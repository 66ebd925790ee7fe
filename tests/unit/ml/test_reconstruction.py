"""Models that give their input back: trained, evaluated, served as by plain Keras, strange rows told from others."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.kinds import (
    CNN,
    MLP,
    Augment,
    Checkpoints,
    Data,
    Evaluate,
    EvaluateResult,
    Infer,
    InferResult,
    KerasConfig,
    Optimizer,
    Output,
    Train,
    TrainResult,
    UNet,
    WideAndDeep,
)
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.prediction import Prediction
from stoker.models.predictions import predictions
from stoker_workers.kinds.evaluate import run as evaluate
from stoker_workers.kinds.infer import run as infer
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.data.drawn import shapes
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.run import Outcome, Run

from .conftest import assert_goes_on, assert_resumes, manifest_of

OpenRun = Callable[..., Run]
ROWS = 400
NAMES = ("load", "heat", "speed", "noise", "wear")
FIT = Optimizer(learning_rate=0.01)


@pytest.fixture(scope="module")
def readings() -> dict[str, NDArray[Any]]:
    """Columns that two hidden causes explain, on scales of their own; some cells of the last are missing."""
    random = np.random.default_rng(3)
    causes = random.normal(size=(ROWS, 2))
    mixed = causes @ random.normal(size=(2, 5)) + 0.05 * random.normal(size=(ROWS, 5))
    table = dict(zip(NAMES, (mixed * [1, 10, 1_000, 0.01, 5] + [0, 50, 9_000, 1, -20]).T, strict=True))
    table["wear"] = np.where(np.arange(ROWS) % 10 == 7, np.nan, table["wear"])
    return table


@pytest.fixture(scope="module")
def data(readings: dict[str, NDArray[Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "readings.parquet"
    towns = np.resize(["Bern", "Oslo"], ROWS)
    pa.parquet.write_table(pa.table(readings | {"label": towns}), path)
    return path


def fitted(job: Train, run: Run) -> tuple[TrainResult, ModelVersion]:
    return registered(train(job, run))


def registered(outcome: Outcome) -> tuple[TrainResult, ModelVersion]:
    assert isinstance(outcome.result, TrainResult)
    version = ModelVersion(**dict(manifest_of(outcome)), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    return outcome.result, version


def spec(data: Path | str | Data, **fields: Any) -> Train:
    given = data if isinstance(data, Data) else str(data)
    return Train(**{"model": "m", "data": given, "task": "reconstruction", "epochs": 4, "seed": 1} | fields)


def served(version: ModelVersion, run: Run, rows: Any) -> NDArray[Any]:
    """What raw rows are answered, checked against the file in plain Keras in safe mode."""
    tensors = Inputs(version.signature, version.ref).encoded(rows)
    answers = Predictor.load(version, run.store, run.scratch, rows=ROWS).predict(tensors)
    model = keras.saving.load_model(run.store.fetch(version.files["keras"], run.scratch), safe_mode=True)
    [given] = tensors.values() if isinstance(tensors, Mapping) else [tensors]
    expected = model(tf.constant(given), training=False).numpy()
    np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-5)
    assert isinstance(answers, np.ndarray)
    return answers


def squared(given: NDArray[Any], back: NDArray[Any], spreads: tuple[float, ...]) -> NDArray[Any]:
    """The error of each row, as the documentation defines it."""
    off = (given - back).reshape(len(given), -1) / np.array(spreads)
    return np.array([np.mean(row[~np.isnan(row)] ** 2) for row in off])


@pytest.mark.usefixtures("files_checked", "pages_drawn")
def test_a_table_is_given_back_in_its_own_units_and_a_strange_row_has_the_largest_error(
    data: Path, readings: dict[str, NDArray[Any]], open_run: OpenRun, events: list[Event]
) -> None:
    hidden = MLP(hidden=(16, 2, 16), activation="tanh")
    job = spec(
        data, epochs=40, batch_size=60, architecture=hidden, optimizer=Optimizer(learning_rate=0.02),
        metrics=("mae", "rmse"), checkpoint=Checkpoints(steps=100, seconds=None, keep=100),
    )  # fmt: skip
    outcome = train(job, open_run())
    assert_resumes(job, outcome, events, open_run())
    result, version = registered(outcome)
    signature, run = version.signature, open_run()
    assert (signature.task, signature.columns, signature.target_columns) == ("reconstruction", NAMES, ())
    assert version.tensorflow_why == ""
    assert result.rows == ROWS * 9 // 10
    said = " ".join(event.line for event in events if isinstance(event, Log))
    assert "column 'label' is left out: it is called as a target is; name it in features" in said
    assert "rows without" not in said
    assert result.metrics["val_loss"] < 0.2
    assert result.metrics["val_rmse"] == pytest.approx(np.sqrt(result.metrics["val_loss"]), rel=1e-4)

    # Each number of the row before the last is common, but not all of them together.
    strange = {name: np.nanquantile(values, 0.95 if name < "n" else 0.05) for name, values in readings.items()}
    more = {name: np.append(values, [strange[name], np.nan]) for name, values in readings.items()}
    with_more = served(version, run, more)
    *_, odd, nothing = predictions(version, with_more, more)
    answers = with_more[:ROWS]
    table = np.stack([readings[name] for name in NAMES], axis=1)
    told = predictions(version, answers, readings)
    errors = squared(table, answers, signature.spreads)
    assert [each.error for each in told] == pytest.approx(errors.tolist(), rel=1e-3)
    assert told[0].values == dict(zip(NAMES, answers[0].tolist(), strict=True))
    np.testing.assert_allclose(signature.spreads, np.nanstd(table, axis=0), rtol=0.2)
    assert odd.error is not None
    assert odd.error > np.quantile(errors, 0.99)
    assert nothing.error is None

    bulk = infer(Infer(model="m", data=str(data), format="parquet", columns=("label",)), open_run(version)).result
    assert isinstance(bulk, InferResult)
    written = pa.parquet.read_table(run.store.fetch(bulk.chunks[0], run.scratch))
    assert tuple(written.column_names) == ("label", *(f"value_{name}" for name in NAMES), "error")
    np.testing.assert_allclose(written["error"].to_numpy(), errors, rtol=1e-3)
    np.testing.assert_allclose(written["value_speed"].to_numpy(), answers[:, 2], rtol=1e-5)

    measured = evaluate(Evaluate(model="m", data=str(data), slices=("label",), bootstrap=100), open_run(version)).result
    assert isinstance(measured, EvaluateResult)
    assert measured.metrics.keys() == {"error", "mse", "rmse", "mae", "r2"}
    for place, name in enumerate(NAMES):
        there = ~np.isnan(table[:, place])
        off = (table - answers)[there, place]
        own = measured.accuracy.outputs[name].metrics
        assert own["mae"] == pytest.approx(np.abs(off).mean(), rel=1e-4)
        assert own["mse"] == pytest.approx((off**2).mean(), rel=1e-4)
        assert own["r2"] == pytest.approx(1 - (off**2).mean() / table[there, place].var(), rel=1e-4)
    assert {each.value for each in measured.slices} == {"Bern", "Oslo"}
    assert measured.stability.noise
    page = run.store.read(measured.files["html"]).decode()
    assert all(name in page for name in NAMES)
    with pytest.raises(InvalidJob, match="measured by the columns it takes: leave it out"):
        evaluate(Evaluate(model="m", data=str(data), target="label"), open_run(version))

    # Rows of another scale, of which one column holds two numbers only: what they are taken for stays the version's.
    other = {name: values[:60] * 3 for name, values in readings.items()} | {"load": np.arange(60) % 2}
    pa.parquet.write_table(pa.table(other), run.scratch / "other.parquet")
    assert_goes_on(version, str(run.scratch / "other.parquet"), open_run(version))
    with pytest.raises(InvalidJob, match="loss='msle' is not for m@1, which reconstructs what it takes"):
        assert_goes_on(version, str(data), open_run(version), loss="msle")


def test_the_default_network_is_too_narrow_in_the_middle_for_a_copy(
    data: Path, open_run: OpenRun, events: list[Event]
) -> None:
    result, version = fitted(spec(data, epochs=1), open_run())
    said = [event.line for event in events if isinstance(event, Log)]
    assert "network: MLP(hidden=(64, 1, 64)), too narrow in the middle for a copy; architecture sets another" in said
    # Five numbers, and whether the last is missing.
    assert result.parameters == (6 * 64 + 64) + (64 + 1) + (64 + 64) + (64 * 5 + 5)
    assert version.signature.outputs[0].shape == (5,)


def convolutions(shape: tuple[int, ...], last: str) -> KerasConfig:
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input(shape),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(shape[-1], 3, strides=2, padding="same", activation=last),
        ]
    )
    return KerasConfig(config=json.loads(network.to_json()))


@pytest.mark.parametrize("architecture", [
    pytest.param(None, marks=pytest.mark.slow),
    pytest.param(CNN(filters=(4,), dense=(8,)), marks=pytest.mark.slow),
    "sigmoid",
    pytest.param("linear", marks=pytest.mark.slow),
])  # fmt: skip
def test_pictures_are_given_back_as_pictures(architecture: Any, open_run: OpenRun, tmp_path: Path, store: Any) -> None:
    table = shapes()
    for at, pixels in enumerate(table["image"][:60]):
        folder = tmp_path / "pictures" / str(table["label"][at])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((16, 16)).save(folder / f"{at}.png")
    if isinstance(architecture, str):
        architecture = convolutions((16, 16, 3), architecture)
    run = open_run()
    _, version = fitted(
        spec(tmp_path / "pictures", architecture=architecture, image_size=16, optimizer=FIT, batch_size=8, epochs=15),
        run,
    )
    signature = version.signature
    assert (signature.outputs[0].shape, signature.columns, len(signature.spreads)) == ((16, 16, 3), (), 1)
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in (tmp_path / "pictures").rglob("*.png")])
    noise = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    with_noise = {"image": np.concatenate([pixels, noise])}
    all_answers = served(version, run, with_noise)
    *_, odd = predictions(version, all_answers, with_noise)
    answers = all_answers[:-1]
    assert answers.shape == pixels.shape
    errors = squared(pixels.astype(float), answers, signature.spreads)
    assert errors.mean() < 0.9  # the mean of all pixels would have 1
    [first, *_] = predictions(version, answers, {"image": pixels})
    assert first.error == pytest.approx(errors[0], rel=1e-4)
    assert odd.error is not None
    assert odd.error > errors.mean()
    if architecture is not None:
        return  # what follows asks for no network
    job = Infer(model="m", data=str(tmp_path / "pictures"), format="csv")
    bulk = infer(job, open_run(version)).result
    assert isinstance(bulk, InferResult)
    assert store.read(bulk.chunks[0]).decode().splitlines()[0] == '"error"'
    measured = evaluate(
        Evaluate(model="m", data=str(tmp_path / "pictures"), bootstrap=100, noise=(0.1,)), open_run(version)
    ).result
    assert isinstance(measured, EvaluateResult)
    assert measured.metrics["error"] == pytest.approx(errors.mean(), rel=1e-3)
    assert_goes_on(version, str(tmp_path / "pictures"), open_run(version))


@pytest.mark.parametrize("shape", [pytest.param((6,), marks=pytest.mark.slow), (4, 3)])
def test_arrays_are_given_back_in_their_shape(shape: tuple[int, ...], open_run: OpenRun, tmp_path: Path) -> None:
    x = (np.random.default_rng(0).normal(size=(100, *shape)) * 3 + 7).astype(np.float32)
    np.savez(tmp_path / "arrays.npz", x=x, y=np.arange(100) % 2)
    _, version = fitted(spec(tmp_path / "arrays.npz", epochs=1), open_run())
    answers = served(version, open_run(), x)
    assert answers.shape == x.shape
    [first, *_] = predictions(version, answers, x)
    assert first.error == pytest.approx(squared(x, answers, version.signature.spreads)[0], rel=1e-3)
    evaluate(Evaluate(model="m", data=str(tmp_path / "arrays.npz"), bootstrap=100, noise=(0.1,)), open_run(version))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"features": ("load", "label")},
            "takes columns of numbers, or one column of arrays or pictures; 'label' is cat",
        ),
        ({"features": ("absent",)}, "has no column 'absent'"),
        ({"architecture": MLP(output="sigmoid"), "normalize": False}, "normalize=False leaves numbers from"),
        ({"architecture": MLP(output="softmax")}, "the last layer is a softmax"),
        ({"architecture": convolutions((16, 16, 3), "linear")}, r"the network takes rows of shape \(16, 16, 3\)"),
    ],
)
def test_what_cannot_be_reconstructed_is_refused(
    data: Path, open_run: OpenRun, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidJob, match=message):
        fitted(spec(data, **fields), open_run())


def test_numbers_that_float32_cannot_tell_apart_are_refused(open_run: OpenRun, tmp_path: Path) -> None:
    lines = ["a,b", *(f"{1_700_000_000 + at % 7},{at % 5 / 3}" for at in range(100))]
    path = tmp_path / "far.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(InvalidJob, match="so far from 0 that float32"):
        fitted(spec(Data(str(path), columns={"a": "number"})), open_run())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target": "a"}, "target is of a target, and task='reconstruction' has none"),
        ({"outputs": {"a": Output(), "b": Output()}}, "task is of a single output"),
        ({"class_weights": "balanced"}, "class_weights is of a target"),
        ({"stratify": True}, "has no target"),
        ({"augment": Augment(flip="horizontal")}, "augment changes pictures"),
        ({"loss": "msle"}, "use mse, mae, huber, log_cosh"),
        ({"metrics": "r2"}, "use mae or rmse"),
        ({"metrics": "accuracy"}, "'accuracy'"),
        ({"architecture": UNet()}, "a UNet hands its input on"),
        ({"architecture": WideAndDeep()}, "a WideAndDeep hands its input on"),
    ],
)
def test_what_contradicts_a_reconstruction_is_refused_at_the_door(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        spec("d.csv", **fields)


def test_predictions_and_signatures_from_before_reconstructions_are_read(data: Path) -> None:
    assert Prediction.model_validate_json('{"value": 1.5}').error is None
    assert "error" not in repr(Prediction(value=1.5))
    assert repr(Prediction(value=1.5, error=0.25)).endswith("error=0.25)")
