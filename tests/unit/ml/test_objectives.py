"""Losses and metrics by name: what they are, row weights, and that an interrupted training measures the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf
from pydantic import ValidationError
from sklearn import metrics as reference

from stoker.errors import InvalidJob
from stoker.events import Event
from stoker.kinds import MLP, EarlyStopping, Optimizer, Train, TrainResult
from stoker.models.store import Store
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.columns.stats import Moments
from stoker_workers.ml.preprocessing.target import Target
from stoker_workers.ml.run import Run
from stoker_workers.ml.training.authors import NOTHING
from stoker_workers.ml.training.metrics import choose_metrics

from .conftest import OFTEN, assert_resumes

OpenRun = Callable[..., Run]
OWN = (f"{__name__}:pinball", f"{__name__}:within_one", f"{__name__}:scalar")

CLASS_METRICS = ("accuracy", "auc", "precision", "recall", "f1")


def pinball(truth: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """The loss of the upper decile."""
    error = truth - predicted
    return tf.reduce_mean(tf.maximum(0.9 * error, -0.1 * error), axis=-1)


def within_one(truth: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(tf.abs(truth - predicted) < 1, axis=-1)


def scalar(truth: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(truth - predicted)


def table(path: Path, rows: int = 400, **more: Any) -> Path:
    """Two numbers, from which a number (`price`), two classes (`sold`) and three (`size`) follow."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, rows))
    columns = {
        "a": a,
        "b": b,
        "price": 1000 + 100 * a + 50 * b + random.normal(0, 10, rows),
        "sold": np.where(a + b + random.normal(0, 0.7, rows) > 0.5, "yes", "no"),
        "size": np.array(["S", "M", "L"])[np.digitize(a + random.normal(0, 0.3, rows), [-0.6, 0.6])],
    } | {name: make(a, b) for name, make in more.items()}
    pa.parquet.write_table(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("data") / "table.parquet")


def fitted(spec: Train, run: Run) -> TrainResult:
    result = train(spec, replace(run, objectives=OWN)).result
    assert isinstance(result, TrainResult)
    return result


def spec(data: Path, target: str, **fields: Any) -> Train:
    options = {"features": ("a", "b"), "epochs": 3, "seed": 1, "architecture": MLP(hidden=(8,))} | fields
    return Train(model="m", data=str(data), target=target, **options)


def measured(
    names: tuple[str, ...], target: Target, truth: Any, output: Any, weights: Any, **how: Any
) -> dict[str, float]:
    """Metrics of rows that arrive in two batches of unequal size."""
    chosen = choose_metrics(
        names, target, output.shape[1], offset=None, allowed=NOTHING, **{"from_logits": False} | how
    )
    values = {}
    for each in chosen:
        parts = [
            each.sums(tf.constant(truth[cut]), tf.constant(output[cut]), tf.constant(weights[cut])).numpy()
            for cut in (slice(0, 7), slice(7, None))
        ]
        assert [len(part) for part in parts] == [each.size] * 2
        values[each.name] = each.value(parts[0] + parts[1], weights.sum())
    return values


def test_metrics_of_numbers_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(50, 9, (60, 2)).astype(np.float32)
    output, weights = truth + random.normal(0, 3, (60, 2)).astype(np.float32), random.uniform(0, 2, 60)
    moments = Moments((2,))
    moments.update(truth)
    target = Target("output", ("y",), "regression", shape=(2,), moments=moments)
    names = ("mae", "rmse", "mape", "r2")
    found = measured(names, target, truth, output, weights)
    how = {"y_true": truth, "y_pred": output, "sample_weight": weights}
    assert found == pytest.approx(
        {
            "mae": reference.mean_absolute_error(**how),
            "rmse": np.sqrt(reference.mean_squared_error(**how)),
            "mape": 100 * reference.mean_absolute_percentage_error(**how),
            "r2": reference.r2_score(**how),
        },
        rel=1e-5,
    )


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("units", [1, 4])
def test_metrics_of_classes_are_those_of_scikit_learn(units: int, from_logits: bool) -> None:
    random = np.random.default_rng(2)
    classes = max(units, 2)
    scores = random.normal(size=(300, units)).astype(np.float32)
    distribution = tf.sigmoid(scores).numpy() if units == 1 else tf.nn.softmax(scores).numpy()
    if units == 1:
        index = (scores[:, 0] + random.normal(size=300) > 0.3).astype(np.int32)
        predicted, truth = (scores[:, 0] > 0).astype(int), index[:, None].astype(np.float32)
    else:
        index = (scores + random.gumbel(size=scores.shape)).argmax(axis=1).astype(np.int32)
        predicted, truth = scores.argmax(axis=1), index
    weights = random.uniform(0, 2, 300)
    labels = tuple(map(str, range(classes)))
    target = Target("output", ("y",), "binary" if classes == 2 else "multiclass", classes=labels)
    names = CLASS_METRICS if units == 1 else (*CLASS_METRICS, "top_2")
    found = measured(names, target, truth, scores if from_logits else distribution, weights, from_logits=from_logits)
    how = {"sample_weight": weights, "average": "macro", "zero_division": 0}
    if units == 1:
        area = reference.roc_auc_score(index, scores[:, 0], sample_weight=weights)
    else:
        # scikit-learn weighs no rows of several classes one by one.
        areas = [reference.roc_auc_score(index == k, distribution[:, k], sample_weight=weights) for k in range(units)]
        area = float(np.mean(areas))
    assert found["auc"] == pytest.approx(area, abs=2e-4)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(index, predicted, sample_weight=weights))
    assert found["precision"] == pytest.approx(reference.precision_score(index, predicted, **how))
    assert found["recall"] == pytest.approx(reference.recall_score(index, predicted, **how))
    assert found["f1"] == pytest.approx(reference.f1_score(index, predicted, **how))
    if units > 1:
        top = reference.top_k_accuracy_score(index, scores, k=2, sample_weight=weights)
        assert found["top_2"] == pytest.approx(top)


@pytest.mark.parametrize(("target", "loss"), [
    ("price", OWN[0]),
    ("size", "focal"),
    *(
        pytest.param(target, loss, marks=pytest.mark.slow)
        for target, losses in {
            "price": ("mse", "mae", "msle", "huber", "log_cosh"),
            "sold": ("focal", "binary_crossentropy"),
            "size": ("categorical_crossentropy",),
        }.items()
        for loss in losses
    ),
])  # fmt: skip
def test_every_loss_learns_and_its_history_says_so(target: str, loss: str, data: Path, open_run: OpenRun) -> None:
    metrics = ("r2", OWN[1]) if target == "price" else ("auc", "f1")
    result = fitted(
        spec(data, target, loss=loss, metrics=metrics, epochs=12, optimizer=Optimizer(learning_rate=0.03)),
        open_run(),
    )
    names = [each.rpartition(":")[2] for each in ("loss", *metrics)]
    assert list(result.history) == [*names, *(f"val_{name}" for name in names)]
    least = 0.5 if loss == OWN[0] else 0.8  # of a decile, which is not the mean
    assert result.metrics["val_r2" if target == "price" else "val_auc"] > least


def test_a_model_of_a_loss_of_yours_loads_in_plain_keras(
    data: Path, open_run: OpenRun, store: Store, tmp_path: Path
) -> None:
    result = fitted(spec(data, "price", loss=OWN[0]), open_run())
    loaded = keras.saving.load_model(store.fetch(result.files["keras"], tmp_path), safe_mode=True)
    assert abs(float(loaded(np.zeros((1, 2), np.float32))[0, 0]) - 1000) < 500


def test_row_weights_are_in_loss_and_metrics_and_no_feature(tmp_path: Path, open_run: OpenRun) -> None:
    """Rows of weight 0 are noise; those of weight 2 follow a rule."""

    def is_noise(a: Any, _b: Any) -> Any:
        return np.arange(len(a)) % 2 == 0

    path = table(
        tmp_path / "weighted.parquet",
        weight=lambda a, b: np.where(is_noise(a, b), 0.0, 2.0),
        y=lambda a, b: np.where(is_noise(a, b), -5 * (a > 0), 3 * a + b),
    )
    job = Train(
        model="m",
        data=str(path),
        target="y",
        features=None,
        sample_weight="weight",
        metrics=("r2", "mae"),
        epochs=25,
        seed=1,
        optimizer=Optimizer(learning_rate=0.02),
    ).model_copy(update={"data": str(path)})
    run = open_run()
    outcome = train(job, run)
    assert isinstance(outcome.result, TrainResult)
    assert outcome.result.metrics["val_r2"] > 0.95
    [effect] = outcome.effects
    columns = [name for tensor in effect.manifest.signature.inputs for name in tensor.columns]  # type: ignore[union-attr]
    assert "a" in columns
    assert "weight" not in columns


def test_a_resumed_training_measures_bitwise_the_same(data: Path, open_run: OpenRun, events: list[Event]) -> None:
    job = spec(data, "size", metrics=("auc", "top_2", "f1"), batch_size=16, checkpoint=OFTEN)
    assert_resumes(job, train(job, open_run()), events, open_run())


def test_early_stopping_watches_any_metric_in_its_direction(data: Path, open_run: OpenRun) -> None:
    for monitor, best in (("val_auc", max), ("val_mae", min)):
        target = "sold" if monitor == "val_auc" else "price"
        stop = EarlyStopping(monitor=monitor, patience=2)
        result = fitted(
            spec(
                data,
                target,
                metrics=("auc",) if target == "sold" else None,
                epochs=30,
                optimizer=Optimizer(learning_rate=0.2),
                early_stopping=stop,
            ),
            open_run(),
        )
        assert result.epochs < 30
        assert result.metrics[monitor] == best(result.history[monitor])


@pytest.mark.parametrize(
    ("target", "fields", "message"),
    [
        ("price", {"metrics": ("auc",)}, "metrics names 'auc', but target 'price' holds numbers"),
        ("sold", {"metrics": ("r2",)}, "metrics names 'r2', but target 'sold' holds classes"),
        ("size", {"metrics": ("top_3",)}, "target 'size' has 3 classes: it needs more than 3"),
        ("a", {"loss": "msle", "features": ("b",)}, "but target 'a' falls to -"),
        ("price", {"loss": "other:loss"}, "add it to `objectives` in the worker's stoker.toml or STOKER_OBJECTIVES"),
        ("price", {"loss": OWN[2]}, "expected one number for each row"),
        ("price", {"sample_weight": "c"}, "has no column 'c'"),
        ("price", {"sample_weight": "a"}, "column 'a' is a feature, and sample_weight at once"),
        (
            "price",
            {"sample_weight": "a", "features": ("b",)},
            "sample_weight 'a' holds -.* in row .*; expected",
        ),
        ("price", {"sample_weight": "sold"}, "column 'sold' holds text; expected numbers"),
    ],
)
def test_what_does_not_fit_is_refused(
    data: Path, open_run: OpenRun, target: str, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidJob, match=message):
        fitted(spec(data, target, **fields), open_run())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"loss": "mze"}, "no loss is called 'mze'"),
        ({"metrics": ("top_0",)}, "no metric is called 'top_0'"),
        ({"metrics": ("a.b:f1", "f1")}, "two entries of the history would be called 'f1'"),
        ({"task": "regression", "metrics": ("f1",)}, "metrics names 'f1', which is of classes"),
        ({"early_stopping": EarlyStopping(monitor="val_auc")}, "name it in metrics"),
        ({"metrics": "a.b:c", "early_stopping": EarlyStopping(monitor="val_c")}, "set mode to 'min' or 'max'"),
    ],
)
def test_a_spec_that_cannot_be_right_is_refused_at_the_door(fields: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidJob, ValidationError), match=message):
        Train(model="m", data="d.csv", **fields)
