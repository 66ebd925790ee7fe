"""The `Compare` job from end to end, on tiny models."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference

from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.kinds import Compare, CompareResult
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.signature import Signature
from stoker.models.store import Store
from stoker_workers.kinds import compare
from stoker_workers.ml.run import Run, Stopped

Register = Callable[..., ModelVersion]
OpenRun = Callable[..., Run]
Numbers = NDArray[np.float64]

WEIGHTS = np.random.default_rng(0).normal(size=(4, 3))
# Right less often.
ROUGH = WEIGHTS + np.random.default_rng(1).normal(scale=0.7, size=WEIGHTS.shape)
CLASSES = ("a", "b", "c")


def signature(task: str = "multiclass", units: int = 3, **fields: Any) -> Signature:
    x = {"name": "x", "shape": (4,), "dtype": "float32"}
    classes = CLASSES if task == "multiclass" else ()
    output = {"name": "output", "shape": (units,), "dtype": "float32"}
    return Signature.model_validate({"inputs": [x], "outputs": [output], "task": task, "classes": classes} | fields)


def dense(weights: Numbers, activation: str = "softmax", wide: int = 0) -> keras.Model:
    """A model whose output is activation(x @ weights); `wide` units more weigh on its file, and compute nothing."""
    x = keras.Input((len(weights),), name="x")
    output = keras.layers.Dense(weights.shape[1], activation=activation, use_bias=False, name="answer")(x)
    if wide:
        idle = keras.layers.Dense(1, kernel_initializer="zeros")(keras.layers.Dense(wide)(x))
        output = keras.layers.Add()([output, idle])
    model = keras.Model(x, output)
    model.get_layer("answer").set_weights([weights])
    return model


def rows_of(count: int = 300) -> Numbers:
    return np.random.default_rng(2).normal(size=(count, 4))


def labels_of(x: Numbers) -> NDArray[np.str_]:
    noise = np.random.default_rng(3).gumbel(size=(len(x), 3))
    labels: NDArray[np.str_] = np.array(CLASSES)[(x @ WEIGHTS * 3 + noise).argmax(axis=1)]
    return labels


@pytest.fixture
def data(tmp_path: Path) -> str:
    """300 rows with labels that `WEIGHTS` predict well."""
    x = rows_of()
    np.savez(tmp_path / "data.npz", x=x, y=labels_of(x))
    return str(tmp_path / "data.npz")


def result_of(run: Run, data: str, **fields: Any) -> CompareResult:
    spec = Compare(models=tuple(f"named-{version.name}" for version in run.models), data=data, bootstrap=200, **fields)
    outcome = compare.run(spec, run)
    assert isinstance(outcome.result, CompareResult)
    assert outcome.effects == ()
    return outcome.result


@pytest.mark.usefixtures("pages_drawn")
def test_models_are_measured_on_the_same_rows_and_the_best_that_fits_is_chosen(
    register: Register, open_run: OpenRun, store: Store, data: str
) -> None:
    rough = register(dense(ROUGH), signature(), "rough")
    good = register(dense(WEIGHTS), signature(), "good")
    heavy = register(dense(WEIGHTS, wide=2000), signature(), "heavy")
    limit = heavy.files["keras"].size
    result = result_of(open_run(rough, good, heavy), data, choose=f"max accuracy where bytes < {limit}", batch_size=64)

    assert [model.model for model in result.models] == ["rough@1", "good@1", "heavy@1"]
    assert (result.data, result.rows, result.axes) == (data, 300, ("accuracy", "p50_ms", "bytes"))
    x = rows_of()
    for model, weights in zip(result.models, (ROUGH, WEIGHTS, WEIGHTS), strict=True):
        predicted = np.array(CLASSES)[(x @ weights).argmax(axis=1)]
        assert model.metrics["accuracy"] == reference.accuracy_score(labels_of(x), predicted)
        assert model.intervals["f1"].low < model.metrics["f1"] < model.intervals["f1"].high
        assert 0 < model.latency[1].p50_ms <= model.latency[1].p99_ms
        assert model.values["p99_ms_32"] == model.latency[32].p99_ms
        assert set(model.values) >= {"loss", "roc_auc", "parameters", "bytes", "memory_bytes", "rows_per_s"}
    assert [model.parameters for model in result.models] == [12, 12, heavy.parameters]
    assert result.models[2].values["bytes"] == limit
    assert result.models[1].on_front

    assert result.chosen == result.words() == "good@1"
    accuracies = [f"{model.metrics['accuracy']:.4g}" for model in result.models]
    assert f"good@1 is chosen: its accuracy is {accuracies[1]} (95 %: " in result.why
    assert f"Next is rough@1 with {accuracies[0]} (95 %: " in result.why
    assert "on the same resamples it is ahead by" in result.why
    assert (
        f"2 of 3 models meet the conditions; heavy@1 does not: bytes is {limit:,}, not < {limit}, off by 0"
        in result.why
    )

    document = json.loads(store.read(result.files["report"]))
    assert CompareResult.model_validate(document | {"files": result.files}) == result
    assert [row[0] for row in result.shown().table] == ["model", "rough@1", "good@1", "heavy@1"]
    page = store.read(result.files["html"]).decode()
    assert "Chosen: good@1" in page
    assert page.count("<svg") == 2


def test_an_order_that_may_be_chance_is_said_to_be_one(register: Register, open_run: OpenRun, data: str) -> None:
    slightly = WEIGHTS + np.random.default_rng(4).normal(scale=0.02, size=WEIGHTS.shape)
    one, other = (register(dense(w), signature(), name) for name, w in (("one", WEIGHTS), ("other", slightly)))
    result = result_of(open_run(one, other), data, choose="min accuracy")
    first, second = (model.metrics["accuracy"] for model in result.models)
    assert first != second
    assert "each is within the other's interval" in result.why
    assert "which may be chance" in result.why
    bad = register(dense(-WEIGHTS), signature(), "bad")
    result = result_of(open_run(bad, one), data, choose="max accuracy")
    assert "their intervals do not overlap" in result.why
    assert "which is more than chance" in result.why


def test_of_equals_the_first_named_is_chosen(register: Register, open_run: OpenRun, data: str) -> None:
    first = register(dense(WEIGHTS), signature(), "z")
    second = first.model_copy(update={"name": "a"})
    heavy = register(dense(WEIGHTS, wide=100), signature(), "heavy")
    result = result_of(open_run(heavy, first, second), data, choose="max f1")
    assert result.chosen == "z@1"
    assert "a@1 is equal to it, and of equals the first named is chosen" in result.why
    assert [model.verdict for model in result.models] == [
        "equal, with a larger file",
        "chosen",
        "equal, and named later",
    ]
    result = result_of(open_run(heavy, first), data, choose="max f1")
    assert "heavy@1 is equal to it, and of equals the smaller file is chosen" in result.why


def test_one_of_a_much_smaller_file_that_may_be_as_good_is_told(
    register: Register, open_run: OpenRun, data: str
) -> None:
    slightly = WEIGHTS + np.random.default_rng(4).normal(scale=0.02, size=WEIGHTS.shape)
    heavy = register(dense(WEIGHTS, wide=100), signature(), "heavy")
    small = register(dense(slightly), signature(), "small")
    accuracy = [model.metrics["accuracy"] for model in result_of(open_run(heavy, small), data).models]
    goal = "max" if accuracy[0] > accuracy[1] else "min"
    result = result_of(open_run(heavy, small), data, choose=f"{goal} accuracy")
    assert result.chosen == "heavy@1"
    assert "small@1 may be as good, with a file of" in result.why
    assert result.models[1].verdict.endswith("which may be chance")


def test_without_a_rule_none_is_chosen(register: Register, open_run: OpenRun, data: str) -> None:
    versions = [register(dense(WEIGHTS), signature(), name) for name in ("a", "b")]
    result = result_of(open_run(*versions), data)
    assert (result.chosen, result.why) == (None, "No rule was given, so none is chosen.")
    assert result.words() == "2 models"
    assert any(model.on_front for model in result.models)


def test_if_no_model_meets_the_conditions_the_job_fails_and_says_by_how_much(
    register: Register, open_run: OpenRun, data: str
) -> None:
    versions = [register(dense(WEIGHTS), signature(), name) for name in ("a", "b")]
    told = (
        r"none of the 2 models meets .*: a@1 does not: parameters is 12, not < 10, off by 2; b@1 does not: parameters"
    )
    with pytest.raises(InvalidJob, match=told):
        result_of(open_run(*versions), data, choose="max accuracy where parameters < 10 and bytes > 0")


@pytest.mark.usefixtures("pages_drawn")
def test_one_that_is_not_strict_leaves_out_what_cannot_be_measured(
    register: Register, open_run: OpenRun, store: Store, data: str, damaged: Callable[..., tuple[Artifact, ...]]
) -> None:
    good = register(dense(WEIGHTS), signature(), "good")
    other = [{"name": "z", "shape": (4,), "dtype": "float32"}]
    narrow = [{"name": "x", "shape": (3,), "dtype": "float32"}]
    flipped, gone, *_ = damaged(store, good.files["keras"])
    cases: list[tuple[ModelVersion, str]] = [
        (register(dense(WEIGHTS), signature(inputs=other), "other"), "the data has no column 'z'"),
        (register(dense(WEIGHTS[:3]), signature(inputs=narrow), "narrow"), "rows of shape (4,); the model takes (3,)"),
        (register(dense(WEIGHTS * np.nan), signature(), "nan"), "gives NaN or infinite outputs"),
        (register(dense(WEIGHTS), signature(classes=("a", "b", "d")), "classes"), "has labels"),
        (good.model_copy(update={"name": "flipped", "files": {"keras": flipped}}), ""),
        (good.model_copy(update={"name": "gone", "files": {"keras": gone}}), ""),
    ]
    out = [version for version, _ in cases]
    run = open_run(*out, good)
    result = result_of(run, data, choose="max accuracy where parameters < 100", strict=False)
    assert (result.chosen, result.rows, [model.model for model in result.models]) == ("good@1", 300, ["good@1"])
    assert [*result.left_out] == [version.ref for version in out]
    for version, reason in cases:
        assert reason in result.left_out[version.ref]
    page = store.read(result.files["html"]).decode()
    assert "<b>nan@1</b>: not measured: gives NaN" in page
    assert "of the answers are right, on 300 rows" in page

    result = result_of(run, data, choose="max accuracy where parameters < 10 and bytes > 0", strict=False)
    assert result.chosen is None
    assert "The nearest is good@1: parameters is 12, not < 10, off by 2." in result.why
    assert "Chosen: none" in store.read(result.files["html"]).decode()
    result = result_of(open_run(*out), data, choose="max accuracy", strict=False)
    assert (result.chosen, result.models, len(result.left_out)) == (None, (), 6)
    assert "could be measured" in result.why
    assert result.shown().table == ()
    with pytest.raises(InvalidJob, match=r"nowhere\.npz"):
        result_of(run, "/nowhere.npz", strict=False)


def test_each_model_reads_a_column_as_it_learned_it(
    register: Register, open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    """One takes a column of digits for numbers, another for categories: none is refused for the other's sake."""
    rows = [f"{'0' if code < 5 else ''}{code},{code * 2}" for code in range(10)] * 3
    (tmp_path / "codes.csv").write_text("\n".join(["code,y", *rows]))
    number = {"name": "code", "shape": (1,), "dtype": "float32", "kind": "number", "columns": ("code",)}
    category = number | {"dtype": "string", "kind": "category"}
    told = keras.Input((1,), name="code", dtype="string")
    table = keras.layers.StringLookup(vocabulary=[f"{code:02}" if code < 5 else str(code) for code in range(10)])
    embedded = keras.layers.Embedding(11, 1, name="value")
    looked_up = keras.Model(told, keras.layers.Flatten()(embedded(table(told))))
    embedded.set_weights([np.array([[0], *([2 * code + 0.5] for code in range(10))])])
    versions = [
        register(keras_linear(2.0), signature("regression", 1, inputs=[number], target="y"), "number"),
        register(looked_up, signature("regression", 1, inputs=[category], target="y"), "category"),
    ]
    for order in (versions, versions[::-1]):
        result = result_of(open_run(*order), str(tmp_path / "codes.csv"), choose="min mae", batch_size=7)
        assert (result.chosen, result.rows) == ("number@1", 30)
        assert {model.model: model.metrics["mae"] for model in result.models} == pytest.approx(
            {"number@1": 0, "category@1": 0.5}
        )


def keras_linear(slope: float) -> keras.Model:
    """A model of one number, times another."""
    x = keras.Input((1,), name="code")
    layer = keras.layers.Dense(1, use_bias=False)
    model = keras.Model(x, layer(x))
    layer.set_weights([np.array([[slope]])])
    return model


@pytest.mark.slow
def test_forecasts_of_other_windows_are_compared_on_those_that_all_have(
    register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    hours = [f"2026-01-{1 + hour // 24:02}T{hour % 24:02}:00" for hour in range(60)]
    lines = [f"{hour},{meter},{at + 100 * place}" for place, meter in enumerate("ab") for at, hour in enumerate(hours)]
    (tmp_path / "meters.csv").write_text("\n".join(["when,meter,kwh", *lines]))
    versions = []
    for name, window, drift in (("short", 2, 1.0), ("long", 6, 0.0)):
        x = keras.Input((window, 1), name="window")
        last = keras.layers.Cropping1D((window - 1, 0))(x)
        layer = keras.layers.Dense(2)
        model = keras.Model(x, layer(keras.layers.Flatten()(last)))
        layer.set_weights([np.ones((1, 2)), np.array([1, 2]) * drift])
        forecast = {
            "window": window, "horizon": 2, "time": "when", "series": "meter", "channels": ("kwh",),
            "step": 3_600_000_000.0,
        }  # fmt: skip
        entry = {"name": "window", "shape": (window, 1), "dtype": "float32", "gaps": True}
        meaning = signature("regression", 2, inputs=[entry], target="kwh", forecast=forecast)
        versions.append(register(model, meaning, name))
    for order in (versions, versions[::-1]):
        result = result_of(open_run(*order), str(tmp_path / "meters.csv"), choose="min mae", batch_size=16)
        # Of each series, 60 - 6 - 2 + 1 windows of the longer kind.
        assert (result.chosen, result.rows, result.axes[0]) == ("short@1", 106, "r2")
        assert {model.model: model.metrics["mae"] for model in result.models} == pytest.approx(
            {"short@1": 0, "long@1": 1.5}, abs=1e-4
        )


def test_a_model_that_was_trained_on_the_rows_is_warned_of(register: Register, open_run: OpenRun, data: str) -> None:
    one = register(dense(WEIGHTS), signature(), "one").model_copy(update={"data": data})
    result = result_of(open_run(one, register(dense(ROUGH), signature(), "two")), data)
    [warning] = result.warnings
    assert warning.startswith(f"one@1 was trained on {data} itself")
    assert result.shown().warnings == result.warnings


def test_numbers_are_compared_by_their_errors(register: Register, open_run: OpenRun, tmp_path: Path) -> None:
    x = rows_of()
    y = (x @ WEIGHTS[:, :1])[:, 0]
    np.savez(tmp_path / "data.npz", x=x, y=y)
    exact, rough = (
        register(dense(weights[:, :1], "linear"), signature("regression", 1), name)
        for name, weights in (("exact", WEIGHTS), ("rough", ROUGH))
    )
    result = result_of(open_run(rough, exact), str(tmp_path / "data.npz"), choose="min mse where r2 > 0.5")
    assert result.chosen == "exact@1"
    assert result.axes[0] == "r2"
    assert result.models[0].metrics["mae"] == pytest.approx(
        reference.mean_absolute_error(y, (x @ ROUGH[:, :1])[:, 0]), rel=1e-4
    )


def test_models_of_other_columns_are_compared_on_the_same_rows(
    register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    x = rows_of(100)
    lines = [f"{p:.6f},{q:.6f},{r:.6f},{s:.6f},{label}" for (p, q, r, s), label in zip(x, labels_of(x), strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["p,q,r,s,y", *lines]))
    versions = []
    for name, columns in (("all", "pqrs"), ("some", "sq")):
        vector = {"name": "x", "shape": (len(columns),), "dtype": "float32", "columns": tuple(columns)}
        weights = np.stack([WEIGHTS["pqrs".index(column)] for column in columns])
        versions.append(register(dense(weights), signature(inputs=[vector]), name))
    everything, some = result_of(open_run(*versions), str(tmp_path / "table.csv"), batch_size=30).models
    predicted = np.array(CLASSES)[(x[:, [3, 1]] @ WEIGHTS[[3, 1]]).argmax(axis=1)]
    assert some.metrics["accuracy"] == reference.accuracy_score(labels_of(x), predicted)
    assert everything.metrics["accuracy"] > some.metrics["accuracy"]


def two_heads(weights: Numbers) -> keras.Model:
    """A model of a number and a label: x times the first column of the weights, and the sign of the second."""
    x = keras.Input((4,), name="x")
    price = keras.layers.Dense(1, use_bias=False, name="price")
    sold = keras.layers.Dense(1, activation="sigmoid", use_bias=False, name="sold")
    model = keras.Model(x, {"price": price(x), "sold": sold(x)})
    price.set_weights([weights[:, :1]])
    sold.set_weights([weights[:, 1:2]])
    return model


def part(name: str, task: str, **fields: Any) -> dict[str, Any]:
    """The meaning of one of several outputs of one number."""
    output = {"name": name, "shape": (1,), "dtype": "float32"}
    return {"inputs": [], "outputs": [output], "task": task, "target": name} | fields


def columns_of(x: Numbers) -> dict[str, Any]:
    return dict(zip("pqrs", x.T, strict=True))


def vector(columns: str = "pqrs") -> dict[str, Any]:
    """An input of these columns."""
    return {"name": "x", "shape": (len(columns),), "dtype": "float32", "columns": tuple(columns)}


@pytest.mark.usefixtures("pages_drawn")
def test_each_of_several_outputs_is_compared_under_its_name(
    register: Register, open_run: OpenRun, store: Store, tmp_path: Path
) -> None:
    x = rows_of()
    price, sold = x @ WEIGHTS[:, 0], x @ WEIGHTS[:, 1] + np.random.default_rng(5).normal(size=len(x)) > 0
    labels: list[str | None] = ["yes" if each else "no" for each in sold]
    labels[:70] = [None] * 70  # more rows than a batch has, and left out of all figures
    pa.parquet.write_table(pa.table(columns_of(x) | {"price": price, "sold": labels}), tmp_path / "data.parquet")
    parts = {"price": part("price", "regression"), "sold": part("sold", "binary", classes=("no", "yes"))}
    # The rough one has its labels from the better weights.
    crossed = np.stack([ROUGH[:, 0], WEIGHTS[:, 1]], axis=1)
    better = np.stack([WEIGHTS[:, 0], ROUGH[:, 1]], axis=1)
    heads = [
        register(two_heads(weights), signature("several", inputs=[vector()], parts=dict(order)), name)
        for name, weights, order in (("crossed", crossed, parts.items()), ("better", better, reversed(parts.items())))
    ]
    rule = "max sold.accuracy where price.r2 > 0.1"
    result = result_of(open_run(*heads), str(tmp_path / "data.parquet"), choose=rule, batch_size=64)

    assert (result.rows, result.axes) == (230, ("price.r2", "sold.accuracy", "p50_ms", "bytes"))
    for model, weights in zip(result.models, (crossed, better), strict=True):
        numbers, shares = (x[70:] @ weights).T
        assert model.metrics["price.mae"] == pytest.approx(np.abs(numbers - price[70:]).mean(), abs=1e-5)
        assert model.metrics["sold.accuracy"] == pytest.approx(((shares > 0) == sold[70:]).mean())
        assert model.metrics["sold.roc_auc"] == pytest.approx(reference.roc_auc_score(sold[70:], shares))
        for name in ("price.r2", "sold.accuracy", "sold.f1"):
            assert model.intervals[name].low <= model.metrics[name] <= model.intervals[name].high
    assert all(model.on_front for model in result.models)  # each is the better one at an output
    assert result.chosen == "crossed@1"
    assert "its sold.accuracy is" in result.why
    assert "on the same resamples it is ahead by" in result.why
    document = json.loads(store.read(result.files["report"]))
    assert document["models"][1]["intervals"].keys() >= {"price.mae", "sold.f1"}
    page = store.read(result.files["html"]).decode()
    assert page.count("<svg") == 4
    assert "<th>sold: ROC AUC</th>" in page
    assert result.shown().table[0][1:3] == ("price.r2", "sold.accuracy")
    with pytest.raises(InvalidJob, match=r"'sold\.r2'"):
        result_of(open_run(*heads), str(tmp_path / "data.parquet"), choose="max sold.r2")
    none = pa.array([None] * len(x), pa.string())
    pa.parquet.write_table(pa.table(columns_of(x) | {"price": price, "sold": none}), tmp_path / "none.parquet")
    with pytest.raises(InvalidJob, match="has no rows to compare models on; give data with at least one that has a"):
        result_of(open_run(*heads), str(tmp_path / "none.parquet"))


@pytest.mark.usefixtures("pages_drawn")
def test_masks_are_compared_by_their_overlap(
    register: Register, open_run: OpenRun, store: Store, tmp_path: Path
) -> None:
    random = np.random.default_rng(6)
    pixels = random.random((40, 4, 4, 1)).astype(np.float32)
    truth = (pixels[..., 0] > 0.5).astype(np.uint8)
    np.savez(tmp_path / "masks.npz", x=pixels, y=truth)
    entry = {"name": "x", "shape": (4, 4, 1), "dtype": "float32"}
    output = {"name": "output", "shape": (4, 4, 2), "dtype": "float32"}
    meaning = signature("pixels", inputs=[entry], outputs=[output], classes=("0", "1"), target="y")
    versions = []
    for name, threshold in (("near", 0.55), ("far", 0.8)):
        convolution = keras.layers.Conv2D(2, 1, activation="softmax")
        model = keras.Sequential([keras.Input((4, 4, 1), name="x"), convolution])
        convolution.set_weights([np.array([0, 9.0]).reshape(1, 1, 1, 2), np.array([0, -9 * threshold])])
        versions.append(register(model, meaning, name))
    result = result_of(
        open_run(*reversed(versions)), str(tmp_path / "masks.npz"), choose="max mean_iou where iou_1 > 0.8"
    )
    assert (result.chosen, result.axes[0], result.rows) == ("near@1", "mean_iou", 40)
    for model, threshold in zip(result.models, (0.8, 0.55), strict=True):
        predicted = pixels[..., 0] > threshold
        ious = reference.jaccard_score(truth.ravel(), predicted.ravel(), average=None)
        assert [model.metrics["iou_0"], model.metrics["iou_1"]] == pytest.approx(ious.tolist())
        assert model.metrics["mean_iou"] == pytest.approx(ious.mean())
        assert model.intervals["iou_1"].low < model.metrics["iou_1"] < model.intervals["iou_1"].high
    assert "far@1 does not: iou_1 is" in result.why
    assert "<th>Mean IoU</th>" in store.read(result.files["html"]).decode()


def test_reconstructions_are_compared_by_one_ruler(
    register: Register, open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    x = rows_of() * [1, 10, 100, 1000]
    pa.parquet.write_table(pa.table(columns_of(x)), tmp_path / "rows.parquet")
    versions = []
    # The second was trained on wider rows, by which its errors are smaller, and has its columns in another order.
    for name, share, columns, wide in (("good", 0.9, "pqrs", 1), ("bad", 0.8, "srqp", 100)):
        spreads = tuple(wide * 10.0 ** "pqrs".index(column) for column in columns)
        output = {"name": "output", "shape": (4,), "dtype": "float32"}
        meaning = signature(
            "reconstruction", inputs=[vector(columns)], outputs=[output], columns=tuple(columns), spreads=spreads
        )
        versions.append(register(dense(np.eye(4) * share, "linear"), meaning, name))
    result = result_of(open_run(*versions), str(tmp_path / "rows.parquet"), choose="min error where r2 > 0.9")
    assert (result.chosen, result.axes[0]) == ("good@1", "r2")
    scaled = np.mean((x / [1, 10, 100, 1000]) ** 2)
    assert [model.metrics["error"] for model in result.models] == pytest.approx(
        [scaled * 0.1**2, scaled * 0.2**2], rel=1e-4
    )
    told = [event.line for event in events if isinstance(event, Log)]
    assert "error and loss of all models are in the standard deviations of good@1's training" in told
    with pytest.raises(InvalidJob, match="measured by the columns it takes: leave it out"):
        result_of(open_run(*versions), str(tmp_path / "rows.parquet"), target="p")


def test_what_cannot_be_compared_is_refused(register: Register, open_run: OpenRun, data: str, tmp_path: Path) -> None:
    good = register(dense(WEIGHTS), signature(), "good")
    cases: list[tuple[ModelVersion, dict[str, str], str]] = [
        (good, {}, "names good@1 twice"),
        (register(dense(WEIGHTS[:, :1], "linear"), signature("regression", 1), "numbers"), {}, "one of regression"),
        (register(dense(WEIGHTS), signature(target="z"), "z"), {}, "good@1 predicts 'y' and z@1 predicts 'z'"),
        (register(dense(WEIGHTS * np.nan), signature(), "nan"), {}, "nan@1 gives NaN or infinite outputs"),
        (
            register(dense(WEIGHTS), signature(classes=("a", "b", "d")), "d"),
            {},
            "d@1 cannot be measured: column 'y' has labels",
        ),
        (register(dense(WEIGHTS), signature(), "other"), {"choose": "max r2"}, "choose names 'r2'"),
    ]
    for other, fields, says in cases:
        with pytest.raises(InvalidJob, match=says):
            compare.run(Compare(models=("a", "b"), data=data, bootstrap=100, **fields), open_run(good, other))
    np.savez(tmp_path / "none.npz", x=np.zeros((0, 4)), y=np.array([], dtype=str))
    with pytest.raises(InvalidJob, match="has no rows to compare models on"):
        result_of(open_run(good, register(dense(WEIGHTS), signature(), "other")), str(tmp_path / "none.npz"))


def test_a_stop_takes_effect_before_the_next_batch(register: Register, open_run: OpenRun, data: str) -> None:
    asked: list[None] = []

    def stop_requested() -> str | None:
        asked.append(None)
        return "cancel" if len(asked) > 5 else None

    versions = [register(dense(WEIGHTS), signature(), name) for name in ("a", "b")]
    # Behind three loads, and both models' first batch.
    with pytest.raises(Stopped):
        result_of(open_run(*versions, stop_requested=stop_requested), data, batch_size=100)
    assert len(asked) == 6
