"""The `Evaluate` job from end to end."""

import io
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn import metrics as reference

from stoker.errors import InvalidJob
from stoker.events import Event, Log, Progress
from stoker.kinds import Evaluate, EvaluateResult, Optimizer, Train
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.models.store import Store
from stoker_workers.kinds.evaluate import run as evaluate
from stoker_workers.kinds.train import run as train
from stoker_workers.ml import progress
from stoker_workers.ml.evaluation.report import Report
from stoker_workers.ml.run import Run, Stopped

from .conftest import manifest_of

Register = Callable[..., ModelVersion]
OpenRun = Callable[..., Run]
Numbers = NDArray[np.float64]

WEIGHTS = np.random.default_rng(0).normal(size=(4, 3))


def signature(task: str, classes: tuple[str, ...] = (), outputs: int = 1) -> Signature:
    return Signature.model_validate(
        {
            "inputs": (TensorSpec(name="x", shape=(4,), dtype="float32"),),
            "outputs": (TensorSpec(name="output", shape=(outputs,), dtype="float32"),),
            "task": task,
            "classes": classes,
        }
    )


def dense(weights: Numbers, activation: str) -> keras.Model:
    """A model whose output is activation(x @ weights)."""
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.Dense(weights.shape[1], activation=activation, use_bias=False)(x))
    model.set_weights([weights])
    return model


def save(path: Path, x: Numbers, y: NDArray[Any]) -> str:
    np.savez(path, x=x, y=y)
    return str(path)


NAMES = ("x0", "x1", "x2", "x3")
TABLE = signature("multiclass", ("a", "b", "c"), 3).model_copy(
    update={
        "inputs": (TensorSpec(name="x", shape=(4,), dtype="float32", kind="number", columns=NAMES),),
        "target": "y",
    }
)


def save_table(folder: Path, x: Numbers, **columns: NDArray[Any]) -> str:
    """A table with a column for each input of the model, and others."""
    path = folder / "data.parquet"
    pq.write_table(pa.table({**dict(zip(NAMES, x.T, strict=True)), **columns}), path)
    return str(path)


def rows_of(count: int = 300) -> Numbers:
    return np.random.default_rng(1).normal(size=(count, 4))


def labels_of(x: Numbers, weights: Numbers, seed: int = 2) -> NDArray[np.str_]:
    """Labels "a", "b", … that the weights predict well but not always."""
    noise = np.random.default_rng(seed).gumbel(size=(len(x), weights.shape[1]))
    labels: NDArray[np.str_] = np.array(["a", "b", "c"])[(x @ weights * 1.5 + noise).argmax(axis=1)]
    return labels


def result_of(run: Run, data: str, **fields: Any) -> EvaluateResult:
    [version] = run.models
    outcome = evaluate(Evaluate(model=version.ref, data=data, bootstrap=200, **fields), run)
    assert isinstance(outcome.result, EvaluateResult)
    assert outcome.effects == ()
    return outcome.result


def softmax(scores: Numbers) -> Numbers:
    shares: Numbers = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return shares


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_a_classifier_is_measured_alike_whether_it_gives_probabilities_or_raw_scores(
    activation: str, register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    x = rows_of()
    y = labels_of(x, WEIGHTS)
    version = register(dense(WEIGHTS, activation), signature("multiclass", ("a", "b", "c"), 3))
    result = result_of(open_run(version), save(tmp_path / "data.npz", x, y), batch_size=64)
    distribution = softmax(x @ WEIGHTS)
    predicted = np.array(["a", "b", "c"])[distribution.argmax(axis=1)]
    assert result.model == "model@1"
    assert result.rows == 300
    assert result.metrics == pytest.approx(
        {
            "accuracy": reference.accuracy_score(y, predicted),
            "precision": reference.precision_score(y, predicted, average="macro"),
            "recall": reference.recall_score(y, predicted, average="macro"),
            "f1": reference.f1_score(y, predicted, average="macro"),
        }
    )
    assert result.accuracy.metrics["loss"] == pytest.approx(reference.log_loss(y, distribution), rel=1e-5)
    assert result.accuracy.roc_auc == pytest.approx(
        reference.roc_auc_score(y, distribution, multi_class="ovr"), rel=1e-5
    )
    assert np.array_equal(result.accuracy.confusion, reference.confusion_matrix(y, predicted))
    for name, value in result.metrics.items():
        assert result.stability.intervals[name].low < value < result.stability.intervals[name].high


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_one_output_unit_is_the_second_of_two_classes(
    activation: str, register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    x = rows_of()
    weights = WEIGHTS[:, :1]
    y = labels_of(x, np.hstack([0 * weights, weights]))
    version = register(dense(weights, activation), signature("binary", ("a", "b")))
    result = result_of(open_run(version), save(tmp_path / "data.npz", x, y))
    second = 1 / (1 + np.exp(-(x @ weights)[:, 0]))
    assert result.metrics["accuracy"] == reference.accuracy_score(y == "b", second > 0.5)
    assert result.accuracy.roc_auc == pytest.approx(reference.roc_auc_score(y == "b", second), rel=1e-5)
    assert result.accuracy.metrics["loss"] == pytest.approx(reference.log_loss(y == "b", second), rel=1e-5)


def test_a_regression_is_measured_by_its_errors(register: Register, open_run: OpenRun, tmp_path: Path) -> None:
    x = rows_of()
    predicted = x @ WEIGHTS[:, :1]
    y = predicted[:, 0] + np.random.default_rng(3).normal(size=300)
    result = result_of(
        open_run(register(dense(WEIGHTS[:, :1], "linear"), signature("regression"))),
        save(tmp_path / "data.npz", x, y),
    )
    assert result.metrics == pytest.approx(
        {
            "mse": reference.mean_squared_error(y, predicted[:, 0]),
            "rmse": reference.root_mean_squared_error(y, predicted[:, 0]),
            "mae": reference.mean_absolute_error(y, predicted[:, 0]),
            "r2": reference.r2_score(y, predicted[:, 0]),
        },
        rel=1e-4,
    )
    assert result.accuracy.roc_auc is None
    assert result.accuracy.classes == {}
    assert result.stability.noise["0.5"] < result.stability.noise["0.05"] < 1


def test_noise_lowers_accuracy_by_its_level_whatever_the_batch_size(
    register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    x = rows_of(1000)
    y = np.array(["a", "b", "c"])[(x @ WEIGHTS).argmax(axis=1)]
    version = register(dense(WEIGHTS, "softmax"), signature("multiclass", ("a", "b", "c"), 3))
    data = save(tmp_path / "data.npz", x, y)
    result = result_of(open_run(version), data, noise=(0.01, 0.5, 5.0), batch_size=1000)
    assert result.metrics["accuracy"] == 1
    levels = result.stability.noise
    assert list(levels) == ["0.01", "0.5", "5"]
    assert 1 > levels["0.01"] > levels["0.5"] > levels["5"]
    again = result_of(open_run(version), data, noise=(0.01, 0.5, 5.0), batch_size=77)
    assert again.stability == result.stability


def test_efficiency_says_what_a_call_costs(register: Register, open_run: OpenRun, tmp_path: Path) -> None:
    x = rows_of(20)
    version = register(dense(WEIGHTS, "softmax"), signature("multiclass", ("a", "b", "c"), 3))
    efficiency = result_of(open_run(version), save(tmp_path / "data.npz", x, labels_of(x, WEIGHTS))).efficiency
    assert efficiency.parameters == 12
    assert efficiency.file_bytes == version.files["keras"].size
    assert set(efficiency.latency) == {1, 32}
    for latency in efficiency.latency.values():
        assert 0 < latency.p50_ms <= latency.p99_ms
    assert efficiency.rows_per_s > 0
    assert efficiency.peak_memory_bytes > 100_000_000


@pytest.mark.usefixtures("pages_drawn")
def test_a_trained_model_gets_a_report_with_its_learning_curve(open_run: OpenRun, store: Store) -> None:
    spec = Train(
        model="iris", data="sample://iris", epochs=5, batch_size=8, seed=1, optimizer=Optimizer(learning_rate=0.01)
    )
    manifest = manifest_of(train(spec, open_run()))
    run = open_run(ModelVersion(**dict(manifest), version=1, created_at="2026-01-01T00:00:00Z"))
    result = result_of(run, "sample://iris")
    report = Report.model_validate_json(store.read(result.files["report"]))
    assert result.metrics["accuracy"] > 0.8
    assert report.data == "sample://iris"
    assert len(report.learning["loss"]) == len(report.learning["val_loss"]) == 5
    for name in ("model", "rows", "metrics", "accuracy", "efficiency", "stability"):
        assert getattr(report, name) == getattr(result, name)
    assert b"iris@1" in store.read(result.files["html"])
    assert (result.files["report"].name, result.files["html"].name) == ("report.json", "report.html")


def test_columns_are_evaluated_by_name_and_only_numbers_get_noise(open_run: OpenRun, tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    random = np.random.default_rng(4)
    ages, cities = random.integers(1, 90, 120), random.choice(["Bern", "Rome"], 120)
    lines = [
        f"{age},{city},{age > 30},2026-01-{1 + age % 28:02},{age > 40},{age > 40}"
        for age, city in zip(ages, cities, strict=True)
    ]
    table.write_text("\n".join(["age,city,adult,joined,senior,truth", *lines]))
    features = ("age", "city", "adult", "joined")
    spec = Train(model="people", data=str(table), target="senior", features=features, epochs=30, seed=1)
    manifest = manifest_of(train(spec, open_run()))
    version = ModelVersion(**dict(manifest), version=1, created_at="2026-01-01T00:00:00Z")
    by_own_target = result_of(open_run(version), str(table), noise=(0.5,))
    by_other_target = result_of(open_run(version), str(table), target="truth", noise=())
    assert by_own_target.metrics["accuracy"] > 0.9
    assert by_other_target.accuracy == by_own_target.accuracy
    assert set(by_own_target.accuracy.classes) == {"False", "True"}
    stability = by_own_target.stability
    # What gets no noise is named.
    assert set(stability.without_noise) == {"city (categories)", "adult (yes or no)", "joined (times)"}
    assert list(stability.noise) == ["0.5"]


@pytest.mark.usefixtures("pages_drawn")
def test_rows_are_measured_by_the_values_of_columns(
    register: Register, open_run: OpenRun, store: Store, tmp_path: Path
) -> None:
    x = rows_of(600)
    y = np.array(["a", "b", "c"])[(x @ WEIGHTS).argmax(axis=1)]
    plan = np.array(["basic", "free", "full"])[np.arange(600) % 3]
    y[plan == "free"] = "a"
    age, joined = np.arange(600) % 97, np.datetime64("2026-01-01", "D") + np.arange(600)
    data = save_table(tmp_path, x, y=y, plan=plan, age=age, joined=joined)
    version = register(dense(WEIGHTS, "softmax"), TABLE)
    result = result_of(open_run(version), data, slices=("plan", "age", "joined"), batch_size=64)
    predicted = np.array(["a", "b", "c"])[(x @ WEIGHTS).argmax(axis=1)]
    named = {(each.column, each.value): each for each in result.slices}
    groups = {
        ("plan", "free"): plan == "free",
        ("age", "up to 21"): age <= 21,
        ("age", "21 to 46"): (age > 21) & (age <= 46),
        ("joined", "above 2027-03-26"): joined > np.datetime64("2027-03-26"),
    }
    assert [each.rows for each in result.slices if each.column == "joined"] == [150, 150, 150, 150]
    for key, rows in groups.items():
        assert named[key].rows == rows.sum()
        assert named[key].metrics == pytest.approx(
            {
                "accuracy": reference.accuracy_score(y[rows], predicted[rows]),
                **{
                    name: getattr(reference, f"{name}_score")(
                        y[rows], predicted[rows], average="macro", zero_division=0
                    )
                    for name in ("precision", "recall", "f1")
                },
            }
        )
    assert [each.value for each in result.slices if each.worse] == ["free"]
    share = (predicted == "a")[plan == "free"].mean()
    assert result.warnings == (f"plan free is clearly worse: accuracy {share:.4g} on 200 rows, 1 on all others",)
    assert result.shown().notes[-1].startswith(f"worst slices by accuracy: plan free {share:.4f} (200 rows), ")
    report = Report.model_validate_json(store.read(result.files["report"]))
    assert (report.slices, len(report.curves)) == (result.slices, 3)
    page = store.read(result.files["html"]).decode()
    assert all(shown in page for shown in ("By plan", "Accuracy by joined", "21 to 46", "ROC curve"))


@pytest.mark.parametrize(
    ("slices", "complaint"),
    [
        (("nobody",), "slices names 'nobody', which .* has not; it has 'x0', 'x1', 'x2', 'x3', 'y', 'key'"),
        (("key",), "slices names column 'key', which has more than 1,000 different values"),
    ],
)
def test_slices_that_would_say_nothing_are_refused(
    slices: tuple[str, ...], complaint: str, register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    x = rows_of(1100)
    data = save_table(tmp_path, x, y=labels_of(x, WEIGHTS), key=np.array([f"k{row}" for row in range(1100)]))
    version = register(dense(WEIGHTS, "softmax"), TABLE)
    with pytest.raises(InvalidJob, match=complaint):
        result_of(open_run(version), data, slices=slices)


def test_slices_of_a_row_each_are_told_of(
    register: Register, open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    x = rows_of(200)
    names = {"file": np.array([f"{row}.png" for row in range(200)]), "plan": np.array(["a", "b"])[np.arange(200) % 2]}
    data = save_table(tmp_path, x, y=labels_of(x, WEIGHTS), **names)
    result = result_of(open_run(register(dense(WEIGHTS, "softmax"), TABLE)), data, slices=("file", "plan"))
    said = [event.line for event in events if isinstance(event, Log) and event.level == "warning"]
    [told] = [line for line in said if "slices by" in line]
    assert told.startswith("slices by 'file' say little: it has 200 different values in 200 rows")
    assert told.endswith("name a column of fewer values, such as a category or a number")
    assert told in result.warnings


def test_results_from_before_there_were_slices_and_curves_are_read(
    register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    x = rows_of(40)
    version = register(dense(WEIGHTS, "softmax"), signature("multiclass", ("a", "b", "c"), 3))
    result = result_of(open_run(version), save(tmp_path / "data.npz", x, labels_of(x, WEIGHTS)))
    old = result.model_dump(mode="json", exclude={"slices": True})
    del old["accuracy"]["average_precision"], old["stability"]["without_noise"]
    for score in old["accuracy"]["classes"].values():
        del score["roc_auc"], score["average_precision"]
    read = EvaluateResult.model_validate(old)
    assert (read.slices, read.accuracy.average_precision, read.metrics) == ((), None, result.metrics)
    assert read.shown().notes == result.shown().notes


@pytest.mark.usefixtures("pages_drawn")
def test_the_pictures_that_are_surely_mistaken_are_shown(
    register: Register, open_run: OpenRun, store: Store, tmp_path: Path
) -> None:
    # Bright pictures are taken for "b", the surer the brighter; every third one is none.
    bright = np.linspace(0, 1, 60)
    x = np.ones((60, 4, 4, 1)) * bright[:, None, None, None]
    y = np.where((bright > 0.5) & (np.arange(60) % 3 > 0), "b", "a")
    picture = keras.Input((4, 4, 1), name="x")
    score = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(picture))
    model = keras.Model(picture, score)
    model.set_weights([np.full((16, 1), 0.5), np.array([-4.0])])
    takes = {"inputs": (TensorSpec(name="x", shape=(4, 4, 1), dtype="float32", low=0, high=1),)}
    version = register(model, signature("binary", ("a", "b")).model_copy(update=takes))
    result = result_of(open_run(version), save(tmp_path / "data.npz", x, y), batch_size=16)
    mistakes = Report.model_validate_json(store.read(result.files["report"])).mistakes
    assert [each.row for each in mistakes] == [57, 54, 51, 48, 45, 42, 39, 36, 33, 30]
    assert [(each.truth, each.predicted) for each in mistakes] == [("a", "b")] * 10
    assert mistakes[0].probability == pytest.approx(1 / (1 + np.exp(4 - 8 * bright[57])), rel=1e-4)
    with Image.open(io.BytesIO(b64decode(mistakes[0].png))) as shown:
        assert (shown.size, shown.getpixel((0, 0))) == ((4, 4), round(255 * bright[57]))
    assert store.read(result.files["html"]).decode().count("taken for b") == 10


def test_rows_that_the_model_was_trained_on_are_called_so(
    register: Register, open_run: OpenRun, store: Store, tmp_path: Path
) -> None:
    x = rows_of(40)
    seen, unseen = (save(tmp_path / f"{name}.npz", x, labels_of(x, WEIGHTS)) for name in ("seen", "unseen"))
    model = register(dense(WEIGHTS, "softmax"), signature("multiclass", ("a", "b", "c"), 3))
    version = model.model_copy(update={"data": seen})
    [warning] = result_of(open_run(version), seen).warnings
    assert warning.startswith(f"{version.ref} was trained on {seen} itself: these figures say how well it remembers")
    assert not result_of(open_run(version), unseen).warnings


def test_progress_is_told_in_rows(
    register: Register, open_run: OpenRun, tmp_path: Path, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_INTERVAL_S", 0.0)
    x = rows_of(100)
    version = register(dense(WEIGHTS, "softmax"), signature("multiclass", ("a", "b", "c"), 3))
    result_of(open_run(version), save(tmp_path / "data.npz", x, labels_of(x, WEIGHTS)), batch_size=40, noise=(0.1,))
    told = [(event.stage, event.done, event.total) for event in events if isinstance(event, Progress)]
    assert told == [
        *(("predicting", done, 100) for done in (40, 80, 100)),
        *(("predicting under noise", done, 100) for done in (40, 80, 100)),
    ]


def test_a_stop_takes_effect_before_the_next_batch(register: Register, open_run: OpenRun, tmp_path: Path) -> None:
    asked: list[None] = []

    def stop_requested() -> str | None:
        asked.append(None)
        return "cancel" if len(asked) > 4 else None

    x = rows_of(90)
    version = register(dense(WEIGHTS, "softmax"), signature("multiclass", ("a", "b", "c"), 3))
    run = open_run(version, stop_requested=stop_requested)
    # In the second pass, behind three batches of the first.
    with pytest.raises(Stopped):
        result_of(run, save(tmp_path / "data.npz", x, labels_of(x, WEIGHTS)), batch_size=30)
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("y", "fields", "complaint"),
    [
        (
            np.array(["a", "b", "d"]),
            {},
            "model@1 cannot be measured: column 'y' has labels that the model was not trained on: 'd'",
        ),
        (np.array(["a", "b", "c"]), {"target": "z"}, "no column 'z' to measure model@1 against; it has x, y"),
        (np.array([], dtype=str), {}, "no rows to measure model@1 on"),
    ],
)
def test_data_that_does_not_fit_is_refused(
    y: NDArray[np.str_], fields: dict[str, str], complaint: str, register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    version = register(dense(WEIGHTS, "softmax"), signature("multiclass", ("a", "b", "c"), 3))
    with pytest.raises(InvalidJob, match=complaint):
        result_of(open_run(version), save(tmp_path / "data.npz", rows_of(len(y)), y), **fields)


def test_a_model_that_gives_nan_is_refused(register: Register, open_run: OpenRun, tmp_path: Path) -> None:
    version = register(dense(WEIGHTS * np.nan, "linear"), signature("multiclass", ("a", "b", "c"), 3))
    x = rows_of(10)
    with pytest.raises(InvalidJob, match="model@1 gives NaN or infinite outputs"):
        result_of(open_run(version), save(tmp_path / "data.npz", x, labels_of(x, WEIGHTS)))


def test_a_truth_of_another_width_is_refused(register: Register, open_run: OpenRun, tmp_path: Path) -> None:
    version = register(dense(WEIGHTS[:, :1], "linear"), signature("regression"))
    x = rows_of(10)
    with pytest.raises(InvalidJob, match=r"the truth has rows of shape \(2,\), but model@1 gives \(1,\)"):
        result_of(open_run(version), save(tmp_path / "data.npz", x, x[:, :2]))


def test_noise_under_which_a_model_gives_no_finite_numbers_is_left_out_and_said(
    register: Register, open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    x = rows_of(100)
    scale = float(np.finfo(np.float32).max) / (np.abs(x).sum(axis=1).max() * 2)
    weights = np.full((4, 1), scale)
    y = (x @ weights)[:, 0]
    version = register(dense(weights, "linear"), signature("regression"))
    result = result_of(open_run(version), save(tmp_path / "data.npz", x, y), noise=(0.01, 100.0), batch_size=40)
    assert list(result.stability.noise) == ["0.01"]
    [said] = [event.line for event in events if isinstance(event, Log)]
    assert said == "noise of 100 is left out: model@1 gives NaN or infinite outputs under it"
