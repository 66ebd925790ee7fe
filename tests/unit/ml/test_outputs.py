"""Labels that hold at once, several numbers, several outputs: trained, evaluated, served as by plain Keras."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score, f1_score, mean_absolute_error, roc_auc_score

from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.kinds import (
    MLP,
    Builder,
    EarlyStopping,
    Evaluate,
    EvaluateResult,
    Infer,
    InferResult,
    KerasConfig,
    Optimizer,
    Output,
    Train,
    TrainResult,
)
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.predictions import predictions
from stoker.models.store import Store
from stoker.models.tensors import Outputs, decode_tensors, encode_tensors
from stoker_workers.kinds.evaluate import run as evaluate
from stoker_workers.kinds.infer import run as infer
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.evaluation.report import Report
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.run import Outcome, Run

from .conftest import OFTEN, assert_resumes, manifest_of

OpenRun = Callable[..., Run]
HERE = f"{__name__}:two_heads"
ROWS = 240


def two_heads(input_shape: tuple[int, ...], output_units: dict[str, int]) -> keras.Model:
    row = keras.Input(input_shape)
    hidden = keras.layers.Dense(8, "relu")(row)
    return keras.Model(
        row,
        {
            "price": keras.layers.Dense(output_units.get("price", 1), name="whatever")(hidden),
            "sold": keras.layers.Dense(output_units.get("sold", 1), activation="sigmoid")(hidden),
        },
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with gaps, and targets of every kind that follow from two columns."""
    random = np.random.default_rng(3)
    a, b = random.normal(size=(2, ROWS))
    hot, big = a > 0.2, b > 0
    columns: dict[str, Any] = {
        "a": np.where(random.random(ROWS) < 0.1, np.nan, a),
        "b": b,
        "town": np.where(big, "Ulm", "Bonn"),
        "tags": [[name for name, holds in (("hot", h), ("big", g)) if holds] for h, g in zip(hot, big, strict=True)],
        "flags": [[float(h), float(g), 1.0] for h, g in zip(hot, big, strict=True)],
        "hot": hot,
        "big": np.where(big, "yes", "no"),
        "price": 500 + 100 * a,
        "area": 3 * b - a,
        "sold": np.where(a + b > 0, "sold", "left"),
    }
    columns["flags"][0] = [0.0, 0.0, 0.0]
    columns["flags"] = pa.array(columns["flags"], pa.list_(pa.float64(), 3))
    path = tmp_path_factory.mktemp("data") / "table.parquet"
    pa.parquet.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def open_own(open_run: OpenRun) -> OpenRun:
    return lambda *models, **fields: replace(open_run(*models), builders=(HERE,), **fields)


def spec(data: Path, **fields: Any) -> Train:
    usual = {"features": ("a", "b", "town"), "epochs": 15, "seed": 1, "optimizer": Optimizer(learning_rate=0.02)}
    return Train(model="m", data=str(data), **usual | fields)


def fitted(job: Train, run: Run) -> tuple[TrainResult, ModelVersion]:
    return registered(train(job, run))


def registered(outcome: Outcome) -> tuple[TrainResult, ModelVersion]:
    assert isinstance(outcome.result, TrainResult)
    manifest = manifest_of(outcome)
    return outcome.result, ModelVersion(**dict(manifest), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))


def served(version: ModelVersion, run: Run, rows: Mapping[str, Any]) -> Outputs:
    """As a lane answers raw rows: encoded, in two requests that are computed together."""
    inputs = Inputs(version.signature, version.ref)
    tensors = inputs.encoded(rows)
    assert isinstance(tensors, dict)
    cuts = [{name: array[cut] for name, array in tensors.items()} for cut in (slice(0, 1), slice(1, None))]
    answers = Predictor.load(version, run.store, run.scratch).predict_encoded([encode_tensors(cut) for cut in cuts])
    decoded: list[Any] = [decode_tensors(answer) for answer in answers if isinstance(answer, bytes)]
    if isinstance(decoded[0], np.ndarray):
        return np.concatenate(decoded)
    return {name: np.concatenate([part[name] for part in decoded]) for name in decoded[0]}


def in_plain_keras(version: ModelVersion, run: Run, rows: Mapping[str, Any]) -> Any:
    """The outputs of the file, loaded in safe mode outside Stoker."""
    model = keras.saving.load_model(run.store.fetch(version.files["keras"], run.scratch), safe_mode=True)
    tensors = Inputs(version.signature, version.ref).encoded(rows)
    assert isinstance(tensors, dict)
    return model({name: tf.constant(values) for name, values in tensors.items()}, training=False)


def table_of(data: Path) -> dict[str, Any]:
    columns = pa.parquet.read_table(data).to_pydict()
    return {name: columns[name] for name in ("a", "b", "town")} | {"truth": columns}


def check_served(version: ModelVersion, open_run: OpenRun, data: Path) -> Outputs:
    """Raw rows are answered as by plain Keras, alone and in bulk; gives the answers."""
    run, rows = open_run(), table_of(data)
    answers, expected = served(version, run, rows), in_plain_keras(version, run, rows)
    for name in version.signature.parts or (None,):
        ours, theirs = (each if name is None else each[name] for each in (answers, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    result = infer(Infer(model="m", data=str(data), format="parquet"), open_run(version)).result
    assert isinstance(result, InferResult)
    written = pa.parquet.read_table(run.store.fetch(result.chunks[0], run.scratch))
    assert tuple(written.column_names) == version.signature.prediction_names
    assert written.num_rows == ROWS
    return answers


def evaluated(version: ModelVersion, open_run: OpenRun, data: Path, slices: tuple[str, ...] = ()) -> EvaluateResult:
    result = evaluate(
        Evaluate(model="m", data=str(data), slices=slices, bootstrap=100, noise=(0.1,)), open_run(version)
    ).result
    assert isinstance(result, EvaluateResult)
    return result


@pytest.mark.parametrize(
    ("target", "classes", "columns"),
    [
        ("tags", ("big", "hot"), ()),
        pytest.param("flags", ("0", "1", "2"), (), marks=pytest.mark.slow),
        pytest.param(("hot", "big"), ("hot", "big"), ("hot", "big"), marks=pytest.mark.slow),
    ],
)
def test_labels_that_hold_at_once_are_learned_evaluated_and_served(
    data: Path,
    open_run: OpenRun,
    events: list[Event],
    target: Any,
    classes: tuple[str, ...],
    columns: tuple[str, ...],
) -> None:
    result, version = fitted(spec(data, target=target), open_run())
    signature = version.signature
    assert (signature.task, signature.classes, signature.columns) == ("multilabel", classes, columns)
    said = [event.line for event in events if isinstance(event, Log)]
    assert any("labels that hold at once" in line or "lists of 2 different texts" in line for line in said)
    assert result.metrics["val_accuracy"] > 0.7
    assert list(result.history)[:3] == ["loss", "accuracy", "f1"]
    answers = check_served(version, open_run, data)
    truth = pa.parquet.read_table(data).to_pydict()
    first = predictions(version, answers)[0]
    assert first.labels == tuple(label for label, share in first.probabilities.items() if share >= 0.5)
    if target == "tags":
        measured = evaluated(version, open_run, data)
        assert measured.accuracy.metrics.keys() == {"loss", "accuracy", "micro_f1", "precision", "recall", "f1"}
        true = np.array([[label in labels for label in classes] for labels in truth["tags"]])
        assert measured.metrics["micro_f1"] == pytest.approx(f1_score(true, answers >= 0.5, average="micro"))
        assert measured.metrics["f1"] == pytest.approx(f1_score(true, answers >= 0.5, average="macro"))
        assert measured.metrics["accuracy"] == pytest.approx((true == (answers >= 0.5)).all(axis=1).mean())
        hot = measured.accuracy.classes["hot"]
        assert hot.support == true[:, 1].sum()
        assert hot.roc_auc == pytest.approx(roc_auc_score(true[:, 1], answers[:, 1]))
        assert hot.average_precision == pytest.approx(average_precision_score(true[:, 1], answers[:, 1]))
        assert measured.accuracy.roc_auc == pytest.approx(roc_auc_score(true, answers))
        assert measured.accuracy.average_precision == pytest.approx(average_precision_score(true, answers))


def test_several_columns_of_numbers_are_one_output_with_units_named_after_them(data: Path, open_run: OpenRun) -> None:
    result, version = fitted(spec(data, target=("price", "area"), metrics=("r2", "mae")), open_run())
    signature = version.signature
    assert (signature.task, signature.columns, signature.outputs[0].shape) == ("regression", ("price", "area"), (2,))
    assert signature.prediction_names == ("value_price", "value_area")
    assert result.metrics["val_r2"] > 0.5
    answers = check_served(version, open_run, data)
    assert predictions(version, answers)[0].values["price"] == pytest.approx(answers[0][0])
    measured = evaluated(version, open_run, data)
    truth = pa.parquet.read_table(data).to_pydict()
    both = np.stack([truth["price"], truth["area"]], axis=1)
    assert measured.metrics["mae"] == pytest.approx(mean_absolute_error(both, answers), rel=1e-4)
    for place, name in enumerate(("price", "area")):
        own = measured.accuracy.outputs[name].metrics["mae"]
        assert own == pytest.approx(mean_absolute_error(both[:, place], answers[:, place]), rel=1e-4)


OUTPUTS = {"price": Output(loss="huber", weight=0.5, metrics=("mae", "r2")), "sold": Output(), "tags": Output()}


@pytest.mark.usefixtures("pages_drawn")
def test_named_outputs_have_a_loss_and_metrics_each_and_are_answered_by_name(
    data: Path, open_run: OpenRun, events: list[Event], store: Store
) -> None:
    stop = EarlyStopping(monitor="val_price_r2", patience=20)
    job = spec(data, outputs=OUTPUTS, epochs=25, early_stopping=stop, checkpoint=OFTEN)
    outcome = train(job, open_run())
    assert_resumes(job, outcome, events, open_run())
    result, version = registered(outcome)
    signature = version.signature
    assert (signature.task, list(signature.parts)) == ("several", ["price", "sold", "tags"])
    assert [part.task for part in signature.parts.values()] == ["regression", "binary", "multilabel"]
    names = ["loss", "price_loss", "sold_loss", "tags_loss", "price_mae", "price_r2"]
    assert list(result.history) == [
        *[*names, "sold_accuracy", "tags_accuracy", "tags_f1"],
        *(f"val_{name}" for name in [*names, "sold_accuracy", "tags_accuracy", "tags_f1"]),
    ]
    assert result.metrics["val_price_r2"] > 0.5
    assert result.metrics["val_sold_accuracy"] > 0.7
    answers = check_served(version, open_run, data)
    first = predictions(version, answers)[0].outputs
    assert first["price"].value == pytest.approx(answers["price"][0, 0])
    assert first["sold"].label in ("left", "sold")
    assert set(first["tags"].probabilities) == {"hot", "big"}
    measured = evaluated(version, open_run, data, slices=("town",))
    truth = pa.parquet.read_table(data).to_pydict()
    assert measured.metrics["price_mae"] == pytest.approx(
        mean_absolute_error(truth["price"], answers["price"][:, 0]), rel=1e-4
    )
    assert set(measured.accuracy.outputs) == {"price", "sold", "tags"}
    for each in measured.slices:
        rows = np.array(truth["town"]) == each.value
        assert each.rows == rows.sum()
        price = mean_absolute_error(np.array(truth["price"])[rows], answers["price"][rows, 0])
        assert each.metrics["price_mae"] == pytest.approx(price, rel=1e-4)
        assert set(each.intervals) == {"price_mae", "sold_accuracy", "tags_accuracy"}
    report = Report.model_validate_json(store.read(measured.files["report"]))
    assert [len(report.outputs[name].curves) for name in ("price", "sold", "tags")] == [0, 2, 2]
    page = store.read(measured.files["html"]).decode()
    assert page.count('aria-label="ROC curves"') == 2
    assert page.count('aria-label="histogram of residuals"') == 1
    assert "Per label" in page
    assert measured.stability.intervals["sold_accuracy"].low < measured.metrics["sold_accuracy"]
    with pytest.raises(InvalidJob, match=r"a \.npy holds one array: set format"):
        infer(Infer(model="m", data=str(data)), open_run(version))


def named_heads() -> KerasConfig:
    row = keras.Input((6,))
    hidden = keras.layers.Dense(8, "relu")(row)
    heads = [keras.layers.Dense(1, name="price")(hidden), keras.layers.Dense(1, "sigmoid", name="sold")(hidden)]
    return KerasConfig(config=json.loads(keras.Model(row, heads).to_json()))


@pytest.mark.parametrize("architecture", [
    pytest.param(MLP(hidden=8), marks=pytest.mark.slow, id="MLP"),
    pytest.param(named_heads(), marks=pytest.mark.slow, id="KerasConfig"),
    pytest.param(Builder(HERE), id="Builder"),
])  # fmt: skip
def test_columns_of_different_kinds_are_an_output_each_and_networks_of_yours_name_theirs(
    architecture: Any, data: Path, open_own: OpenRun
) -> None:
    result, version = fitted(spec(data, target=("price", "sold"), architecture=architecture), open_own())
    assert list(version.signature.parts) == ["price", "sold"]
    assert result.metrics["val_sold_accuracy"] > 0.7
    check_served(version, open_own, data)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target": ("price", "sold"), "loss": "mse"}, "loss is of a single output, but the columns of target are 2"),
        ({"target": ("price", "hot"), "task": "multilabel"}, "but target 'price' holds numbers such as"),
        ({"target": "price", "task": "multilabel"}, "give lists of texts, rows of 0 and 1, or several columns"),
        ({"target": "tags", "class_weights": "balanced"}, "class_weights are for a single class in each row"),
        ({"target": "tags", "architecture": MLP(output="softmax")}, "softmax over 2 unit"),
        ({"target": "tags", "loss": "categorical_crossentropy"}, "use binary_crossentropy or focal"),
        ({"target": ("price", "nothing")}, "has no column 'nothing'"),
        ({"target": ("price", "a")}, "column 'a' is the target and a feature at once"),
        (
            {"outputs": {"price": Output(), "area": Output()}, "architecture": Builder(HERE)},
            "the network has the outputs 'price', 'sold', and the targets are 'price', 'area'",
        ),
        (
            {"outputs": OUTPUTS, "early_stopping": EarlyStopping(monitor="val_sold_mae")},
            "watches val_sold_mae, but this training has loss, price_loss",
        ),
        ({"outputs": {"price": Output(task="classification"), "sold": Output()}}, "cannot be classes"),
    ],
)
def test_what_does_not_fit_is_refused(data: Path, open_own: OpenRun, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        fitted(spec(data, **fields), open_own())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"outputs": {"a": Output()}}, "outputs names a single one"),
        ({"outputs": OUTPUTS, "target": "price"}, "leave target out"),
        ({"outputs": OUTPUTS, "loss": "mse"}, "loss is of a single output; of several, say it in outputs"),
    ],
)
def test_outputs_that_contradict_the_job_are_refused_at_the_door(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        Train(model="m", data="d.csv", **fields)
