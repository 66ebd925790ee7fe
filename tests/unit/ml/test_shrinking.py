"""Smaller networks of versions: trained on with what those have learned from, resumed, or refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

import keras
import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.events import Checkpoint, Epoch, Event, Log
from stoker.kinds import CNN, MLP, Data, Forecast, Optimize, ResNet, Text, Train
from stoker.models.access import Access
from stoker.models.manifest import ModelVersion
from stoker.models.rows import encode
from stoker.models.signature import Signature, TensorSpec
from stoker.models.store import Store
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.evaluation.rows import LabelledRows
from stoker_workers.ml.opening import open_data
from stoker_workers.ml.optimisation.forms import Given, Made
from stoker_workers.ml.optimisation.sparsity import compressed_bytes, kernels
from stoker_workers.ml.optimisation.table import FORMS
from stoker_workers.ml.prediction.loading import load_saved
from stoker_workers.ml.run import Run, Stopped

from .conftest import manifest_of
from .test_continue import write
from .test_forecast import table

OpenRun = Callable[..., Run]
DIGITS = {"data": "sample://digits", "architecture": MLP(hidden=(32, 16)), "epochs": 8, "seed": 1}


def trained(run: Run, **fields: Any) -> ModelVersion:
    keras.utils.clear_session()
    manifest = manifest_of(train(Train(**{"model": "first", "epochs": 1, "seed": 1, **fields}), run))
    return ModelVersion(**dict(manifest), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))


def shrunk(version: ModelVersion, run: Run, to: str, **fields: Any) -> Made:
    folder = Path(mkdtemp(dir=run.scratch))
    spec = Optimize(**{"model": "first", "data": "sample://digits", "to": to, "epochs": 1, "seed": 1, **fields})
    return FORMS[to].make(Given(spec, version, run, folder))


def said(events: list[Event]) -> str:
    return "\n".join(event.line for event in events if isinstance(event, Log))


def weights(made: Made) -> list[np.ndarray[Any, Any]]:
    weights: list[np.ndarray[Any, Any]] = load_saved(made.files["keras"], "made").get_weights()
    return weights


def accuracy(version: ModelVersion, path: Path, run: Run) -> float:
    """On the test part of the digits."""
    model, right = load_saved(path, version.ref), []
    source = open_data("sample://digits", "test", run, version.signature)
    for inputs, truth, _ in LabelledRows(source, version, None, "digits").batches(1000):
        [rows] = inputs.values()
        right.append(np.asarray(model(rows)).argmax(axis=1) == truth)
    return float(np.concatenate(right).mean())


def file_of(version: ModelVersion, run: Run) -> Path:
    return run.store.fetch(version.files["keras"], run.scratch)


@pytest.fixture(scope="module")
def digits(store: Store, tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    scratch, access = tmp_path_factory.mktemp("digits"), Access(["/"], store.url)
    run = Run(job="job", store=store, scratch=scratch, builders=(), access=access, models=(), checkpoints=())
    return trained(run, **DIGITS)


def test_half_the_units_of_a_model_of_digits_are_gone_and_it_is_about_as_good(
    digits: ModelVersion, open_run: OpenRun, events: list[Event]
) -> None:
    run = open_run(digits)
    made = shrunk(digits, run, "prune", epochs=8)
    assert made.parameters == 64 * 16 + 16 + 16 * 8 + 8 + 8 * 10 + 10
    assert made.figures["units_removed"] == 24
    assert accuracy(digits, made.files["keras"], run) > accuracy(digits, file_of(digits, run), run) - 0.05
    assert made.signature == digits.signature
    assert "learns from what first@1 has: 'sample://digits'" in said(events)
    assert "144 of 1,438 rows" in said(events)
    assert not keras.models.load_model(made.files["keras"]).compiled


# The other two are trained by the same loop, from what they begin with.
@pytest.mark.parametrize(
    "to", ["sparse", *(pytest.param(each, marks=pytest.mark.slow) for each in ("prune", "distil"))]
)
def test_a_lost_training_goes_on_from_where_it_was_and_ends_the_same(
    to: str, digits: ModelVersion, open_run: OpenRun, events: list[Event]
) -> None:
    run = open_run(digits)
    undisturbed = shrunk(digits, run, to, epochs=3)
    events.clear()

    def drain_in_the_middle() -> Literal["drain"] | None:
        return "drain" if sum(isinstance(event, Epoch) for event in events) == 2 else None

    with pytest.raises(Stopped, match="drain"):
        shrunk(digits, replace(run, stop_requested=drain_in_the_middle), to, epochs=3)
    [left] = [event.artifact for event in events if isinstance(event, Checkpoint)]
    events.clear()
    resumed = shrunk(digits, replace(run, checkpoints=(left,)), to, epochs=3)
    assert [event.epoch for event in events if isinstance(event, Epoch)] == [3]
    for ours, theirs in zip(weights(resumed), weights(undisturbed), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_that_are_no_numbers_are_refused_by_their_layer(digits: ModelVersion, open_run: OpenRun) -> None:
    run = open_run(digits)
    path = file_of(digits, run)
    model = load_saved(path, digits.ref)
    [kernel, *_] = kernels(model)
    kernel.assign(np.full(kernel.shape, np.nan))
    model.save(path)
    broken = digits.model_copy(update={"files": {"keras": run.store.put_file(path)}})
    for to in ("prune", "sparse", "distil"):
        with pytest.raises(InvalidJob, match=r"first@1 has weights that are NaN or infinite, in 'dense'"):
            shrunk(broken, run, to)


def test_a_cancelled_training_ends_at_once(digits: ModelVersion, open_run: OpenRun) -> None:
    with pytest.raises(Stopped, match="cancel"):
        shrunk(digits, open_run(digits, stop_requested=lambda: "cancel"), "distil", epochs=1000)


def test_weights_that_are_zero_stay_so_and_the_file_is_smaller_only_compressed(
    digits: ModelVersion, open_run: OpenRun
) -> None:
    run = open_run(digits)
    made = shrunk(digits, run, "sparse", share=0.9, epochs=3)
    model = load_saved(made.files["keras"], "made")
    assert all((kernel.numpy() == 0).mean() >= 0.9 - 0.02 for kernel in kernels(model))
    assert made.parameters == digits.parameters
    assert made.figures["compressed_bytes"] == compressed_bytes(made.files["keras"])
    assert made.figures["compressed_bytes"] < 0.75 * made.figures["compressed_bytes_before"]
    assert "skips zeros" in made.words


def test_tables_keep_what_prepares_them_and_two_outputs_are_pruned_together(tmp_path: Path, open_run: OpenRun) -> None:
    rows = write(tmp_path / "rows.jsonl", 160)
    version = trained(open_run(), data=str(rows), target=("price", "sold"), architecture=MLP(hidden=(8, 6)))
    run = open_run(version)
    made = shrunk(version, run, "prune")
    assert made.signature == version.signature
    columns = {
        "size": np.array([1.0, np.nan]),
        "colour": np.array(["red", None], dtype=object),
        "on": np.array(["2024-03-01", "2024-04-01"], dtype=object),
        "note": np.array(["good old", ""], dtype=object),
    }
    inputs = encode(version.signature.inputs, columns)
    for name, output in load_saved(made.files["keras"], "made")(inputs).items():
        assert np.isfinite(output).all(), name
    with pytest.raises(InvalidJob, match=r"several outputs.*prune"):
        shrunk(version, run, "distil")


def test_a_student_of_another_kind_learns_numbers_of_a_table(tmp_path: Path, open_run: OpenRun) -> None:
    rows = write(tmp_path / "rows.jsonl", 160)
    version = trained(open_run(), data=str(rows), target="price", task="regression", features=("size", "colour"))
    run = open_run(version)
    made = shrunk(version, run, "distil", student=MLP(hidden=(4,)), epochs=30, learning_rate=0.01)
    assert made.parameters < version.parameters / 10
    assert [tensor.name for tensor in made.signature.inputs] == [tensor.name for tensor in version.signature.inputs]
    size = np.linspace(-1, 1, 5)
    inputs = {"features": size[:, None], "categories": np.array([["red"]] * 5)}
    prices = load_saved(made.files["keras"], "made")(inputs)
    np.testing.assert_allclose(np.ravel(prices), 1000 + 50 * size, atol=25)


@pytest.mark.slow
def test_texts_are_read_by_a_smaller_student_and_dense_layers_behind_them_are_pruned(
    tmp_path: Path, open_run: OpenRun
) -> None:
    rows = write(tmp_path / "rows.jsonl", 160)
    version = trained(
        open_run(), data=str(rows), target="sold", features=("note", "size"), architecture=Text(units=8, dense=(16,))
    )
    run = open_run(version)
    assert shrunk(version, run, "prune").figures["units_removed"] == 8
    student = shrunk(version, run, "distil", student=Text(units=2, dense=(4,)))
    assert student.parameters < version.parameters
    inputs = encode(student.signature.inputs, {"note": np.array(["good"], dtype=object), "size": np.array([1.0])})
    assert load_saved(student.files["keras"], "made")(inputs).shape == (1, 1)


@pytest.mark.parametrize("architecture", [
    CNN(filters=(4, 8), dense=(8,)),
    ResNet(filters=(4, 8), blocks=1),
])  # fmt: skip
@pytest.mark.slow
def test_filters_of_networks_for_pictures_go(architecture: CNN | ResNet, open_run: OpenRun) -> None:
    version = trained(open_run(), data="sample://digits", architecture=architecture)
    made = shrunk(version, open_run(version), "prune")
    assert made.parameters < version.parameters


@pytest.mark.parametrize(
    ("to", "fields"), [("prune", {}), pytest.param("distil", {"student": MLP(hidden=(4,))}, marks=pytest.mark.slow)]
)
def test_forecasts_are_pruned_on_windows_and_learned_by_students(
    to: str, fields: dict[str, Any], tmp_path: Path, open_run: OpenRun
) -> None:
    forecast = Forecast(window=8, horizon=3, time="when")
    version = trained(open_run(), data=table(tmp_path), target="kwh", forecast=forecast, architecture=MLP(hidden=(8,)))
    run = open_run(version)
    made = shrunk(version, run, to, **fields)
    assert made.signature.forecast == version.signature.forecast
    assert made.parameters < version.parameters
    table(tmp_path, hours=401)
    with pytest.raises(InvalidJob, match=r"has changed since first@1 has learned from it.*`training`"):
        shrunk(version, run, "prune")


def test_a_model_that_was_made_elsewhere_is_trained_on_with_rows_that_the_job_names(
    digits: ModelVersion, open_run: OpenRun
) -> None:
    foreign = digits.model_copy(update={"learned_from": None, "source": "m.keras"})
    with pytest.raises(InvalidJob, match=r"it was made elsewhere: name the rows to train on in `training`"):
        shrunk(foreign, open_run(foreign), "prune")
    made = shrunk(foreign, open_run(foreign), "prune", training="sample://digits")
    assert made.parameters < digits.parameters
    assert "144 of 1,438 rows" in made.split


def test_an_imported_model_that_takes_a_list_of_inputs_is_trained_on(
    digits: ModelVersion, open_run: OpenRun, tmp_path: Path
) -> None:
    one, two = keras.Input((1,), name="a"), keras.Input((1,), name="b")
    hidden = keras.layers.Dense(8, activation="relu")(keras.layers.Concatenate()([one, two]))
    path, rows = tmp_path / "model.keras", tmp_path / "rows.csv"
    keras.Model([one, two], keras.layers.Dense(1, activation="sigmoid")(hidden)).save(path)
    rows.write_text("a,b,y\n" + "\n".join(f"{row / 40},{row % 3 / 2},{int(row > 20)}" for row in range(40)))
    inputs = tuple(
        TensorSpec(name=name, shape=(1,), dtype="float32", kind="number", columns=(name,)) for name in ("a", "b")
    )
    output = TensorSpec(name="y", shape=(1,), dtype="float32")
    signature = Signature(inputs=inputs, outputs=(output,), task="binary", classes=("0", "1"), target="y")
    run = open_run()
    files = {"keras": run.store.put_file(path)}
    update = {"signature": signature, "learned_from": None, "source": "m.keras", "files": files, "parameters": 33}
    version = digits.model_copy(update=update)
    assert shrunk(version, open_run(version), "prune", training=str(rows)).parameters == 2 * 4 + 4 + 4 + 1


def test_rows_of_other_classes_and_versions_without_a_keras_file_are_refused(
    digits: ModelVersion, open_run: OpenRun, tmp_path: Path
) -> None:
    rows = tmp_path / "other.csv"
    rows.write_text("x,y\n" + "\n".join(f'"[{", ".join(["1.0"] * 64)}]",{row % 12}' for row in range(48)))
    with pytest.raises(InvalidJob, match=r"classes that first@1 does not know, '10', '11'"):
        shrunk(digits, open_run(digits), "prune", training=Data(str(rows), columns={"x": "vector"}))
    onnx = digits.model_copy(update={"files": {"onnx": digits.files["keras"]}})
    with pytest.raises(InvalidJob, match=r"first@1 is a model in onnx"):
        shrunk(onnx, open_run(onnx), "prune")


def test_what_a_version_has_learned_from_must_be_as_it_was(tmp_path: Path, open_run: OpenRun) -> None:
    rows = write(tmp_path / "rows.jsonl", 160)
    version = trained(
        open_run(), data=str(rows), target="sold", features=("size",), architecture=MLP(hidden=(4,)), validation_split=0
    )
    write(rows, 160, seed=3)
    with pytest.raises(InvalidJob, match=r"has changed since first@1 has learned from it.*`training`"):
        shrunk(version, open_run(version), "prune")


@pytest.mark.slow
def test_what_a_version_was_validated_on_must_be_as_it_was(tmp_path: Path, open_run: OpenRun) -> None:
    rows, others = write(tmp_path / "rows.jsonl", 160), write(tmp_path / "others.jsonl", 40, seed=1)
    fields = {"data": str(rows), "validation_data": str(others), "target": "sold", "features": ("size",)}
    version = trained(open_run(), **fields, architecture=MLP(hidden=(4,)))
    made = shrunk(version, open_run(version), "prune")
    assert made.learned_from == version.learned_from
    write(others, 40, seed=2)
    with pytest.raises(InvalidJob, match=r"others.jsonl has changed since first@1 has learned from it.*`training`"):
        shrunk(version, open_run(version), "prune")


def test_outputs_that_no_student_learns_are_refused_before_anything_is_read(
    digits: ModelVersion, open_run: OpenRun
) -> None:
    for task in ("multilabel", "pixels", "reconstruction"):
        other = digits.model_copy(update={"signature": digits.signature.model_copy(update={"task": task})})
        with pytest.raises(InvalidJob, match=f"gives answers of {task}"):
            shrunk(other, open_run(other), "distil")


def alone_and_taught(
    teacher: ModelVersion, open_run: OpenRun, seeds: tuple[int, ...], epochs: int
) -> tuple[float, float]:
    """The mean accuracy of a small network on digits, trained alone, and by a teacher."""
    run, small, both = open_run(teacher), MLP(hidden=(16, 16)), []
    for seed in seeds:
        alone = trained(open_run(), **{**DIGITS, "architecture": small, "epochs": epochs, "seed": seed})
        taught = shrunk(teacher, run, "distil", student=small, epochs=epochs, seed=seed)
        assert taught.parameters == alone.parameters
        both.append([accuracy(alone, file_of(alone, run), run), accuracy(teacher, taught.files["keras"], run)])
    return tuple(np.mean(both, axis=0))


@pytest.mark.slow
def test_a_student_is_not_much_worse_than_it_would_be_alone(digits: ModelVersion, open_run: OpenRun) -> None:
    alone, taught = alone_and_taught(digits, open_run, seeds=(1,), epochs=10)
    assert taught >= alone - 0.03


@pytest.mark.slow
def test_a_student_is_not_worse_than_it_would_be_alone_less_one_point(open_run: OpenRun) -> None:
    teacher = trained(open_run(), **{**DIGITS, "architecture": MLP(hidden=(256, 128)), "epochs": 15})
    alone, taught = alone_and_taught(teacher, open_run, seeds=(1, 2, 3), epochs=30)
    assert taught >= alone - 0.01


@pytest.mark.slow
def test_a_network_of_digits_without_half_of_its_units_is_at_most_one_point_worse(open_run: OpenRun) -> None:
    drops = []
    for seed in (1, 2, 3):
        version = trained(open_run(), **{**DIGITS, "architecture": MLP(hidden=(256, 128)), "epochs": 15, "seed": seed})
        run = open_run(version)
        made = shrunk(version, run, "prune", epochs=None)
        assert made.parameters <= 0.37 * version.parameters
        drops.append(accuracy(version, file_of(version, run), run) - accuracy(version, made.files["keras"], run))
    assert np.mean(drops) <= 0.01
