"""Smaller forms of tiny models: what they weigh and answer, how they are judged, and what is refused."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.kinds import Optimize, OptimizeResult
from stoker.kinds.optimize import FORMS
from stoker.models.effects import Register
from stoker.models.learned_from import LearnedFrom, UsedData
from stoker.models.manifest import ModelVersion
from stoker.models.model_files import served_bytes
from stoker.models.signature import Signature
from stoker.models.store import Store
from stoker.models.tensors import Array
from stoker_workers.kinds import optimize
from stoker_workers.ml.optimisation import dynamic, table
from stoker_workers.ml.optimisation.culprit import converts
from stoker_workers.ml.optimisation.forms import Given, Made
from stoker_workers.ml.prediction.loading import load_saved
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.run import Run, Stopped

from ... import preloaded
from ...conftest import PATIENCE_S

RegisterModel = Callable[..., ModelVersion]
OpenRun = Callable[..., Run]

CLASSES = ("a", "b", "c")
WEIGHTS = np.random.default_rng(0).normal(size=(4, 3))


def rows(count: int = 300) -> Array:
    drawn: Array = np.random.default_rng(2).normal(size=(count, 4)).astype(np.float32)
    return drawn


def labels(x: Array) -> Array:
    named: Array = np.array(CLASSES)[(x @ WEIGHTS).argmax(axis=1)]
    return named


def network(prepared: bool = True, wide: int = 0) -> keras.Model:
    """softmax(x @ WEIGHTS), behind a scaling of its rows if they are prepared; and units that weigh, and do nothing."""
    x = keras.Input((4,), name="x")
    taken = keras.layers.Normalization(-1, [0.0] * 4, [1.0] * 4)(x) if prepared else x
    scores = keras.layers.Dense(3, use_bias=False, name="scores")(taken)
    if wide:
        idle = keras.layers.Dense(wide, activation="relu")(keras.layers.Dense(wide, activation="relu")(taken))
        scores = keras.layers.Add()([scores, keras.layers.Dense(3, kernel_initializer="zeros")(idle)])
    model = keras.Model(x, keras.layers.Softmax()(scores))
    model.get_layer("scores").set_weights([WEIGHTS])
    return model


SIGNATURE = Signature.model_validate(
    {
        "inputs": [{"name": "x", "shape": (4,), "dtype": "float32", "low": -4.0, "high": 4.0}],
        "outputs": [{"name": "output", "shape": (3,), "dtype": "float32"}],
        "task": "multiclass",
        "classes": CLASSES,
    }
)


@pytest.fixture
def data(tmp_path: Path) -> str:
    x = rows()
    np.savez(tmp_path / "data.npz", x=x, y=labels(x))
    return str(tmp_path / "data.npz")


@pytest.fixture
def version(register: RegisterModel) -> ModelVersion:
    return register(network(wide=128), SIGNATURE, "small")


def given(version: ModelVersion, run: Run, tmp_path: Path, data: str, to: str, **fields: Any) -> Given:
    (folder := tmp_path / to).mkdir()
    spec = Optimize.model_validate({"model": version.ref, "data": data, "to": to, **fields})
    return Given(spec, version, run, folder)


def stored(made: Made, version: ModelVersion, store: Store) -> ModelVersion:
    """A form as a version."""
    files = {name: store.put_file(path) for name, path in made.files.items()}
    return version.model_copy(update={"files": files, "signature": made.signature})


def made_of(
    version: ModelVersion, run: Run, tmp_path: Path, data: str, to: str, **fields: Any
) -> tuple[Made, ModelVersion, Predictor]:
    made = table.FORMS[to].make(given(version, run, tmp_path, data, to, **fields))
    smaller = stored(made, version, run.store)
    return made, smaller, Predictor.load(smaller, run.store, run.scratch)


def test_every_form_that_a_job_may_name_is_made() -> None:
    assert set(table.FORMS) == set(FORMS)


def largest_difference(one: Any, other: Any) -> float:
    return float(np.abs(np.asarray(one) - np.asarray(other)).max())


@pytest.mark.parametrize(
    ("to", "share", "off"), [("float16", 0.55, 2e-3), ("dynamic", 0.35, 0.03), ("int8", 0.4, 0.05), ("int4", 0.25, 0.3)]
)
def test_a_form_is_smaller_and_answers_about_the_same(
    version: ModelVersion, open_run: OpenRun, tmp_path: Path, data: str, to: str, share: float, off: float
) -> None:
    run = open_run(version)
    fields = {"calibration": data} if to == "int8" else {}
    made, smaller, predictor = made_of(version, run, tmp_path, data, to, **fields)
    assert served_bytes(smaller) <= share * made.figures["float_bytes"]
    assert made.figures["weight_bits"] == {"float16": 16, "int4": 4}.get(to, 8)
    assert made.parameters == version.parameters
    assert set(made.files) == ({"litert", "preprocessing"} if to == "int8" else {"litert"})
    whole = Predictor.load(version, run.store, run.scratch)
    for count in (1, 7, 300):
        assert largest_difference(predictor.predict(rows(count)), whole.predict(rows(count))) < off
    assert predictor.predict(rows(0)).shape == (0, 3)


def test_texts_stay_outside_of_the_file_and_both_are_served_as_one(
    register: RegisterModel, open_run: OpenRun, tmp_path: Path
) -> None:
    plan = keras.Input((1,), name="plan", dtype="string")
    found = keras.layers.StringLookup(vocabulary=["basic", "pro"], output_mode="multi_hot")(plan)
    model = keras.Model({"plan": plan}, keras.layers.Dense(1, name="price")(keras.layers.Dense(9, "relu")(found)))
    signature = Signature.model_validate(
        {
            "inputs": [{"name": "plan", "shape": (1,), "dtype": "string", "kind": "category", "columns": ("plan",)}],
            "outputs": [{"name": "price", "shape": (1,), "dtype": "float32"}],
            "task": "regression",
            "target": "price",
        }
    )
    version = register(model, signature, "texts")
    (tmp_path / "rows.csv").write_text("plan\n" + "basic\npro\nold\n" * 30)
    run = open_run(version)
    texts = np.array([["basic"], ["pro"], ["old"]])
    expected = Predictor.load(version, run.store, run.scratch).predict(texts)
    for to in ("float16", "int8"):
        fields = {"calibration": str(tmp_path / "rows.csv")} if to == "int8" else {}
        made, smaller, predictor = made_of(version, run, tmp_path, "unused", to, **fields)
        assert set(made.files) == {"litert", "preprocessing"}
        assert made.files["preprocessing"].suffix == ".keras"
        assert served_bytes(smaller) == sum(path.stat().st_size for path in made.files.values())
        assert largest_difference(predictor.predict(texts), expected) < 0.05 * np.abs(expected).max()
        assert "in a file of its own" in made.words


def test_recurrent_layers_of_few_steps_are_unrolled(register: RegisterModel, open_run: OpenRun, tmp_path: Path) -> None:
    x = keras.Input((3, 2), name="x")
    hidden = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True))(x)
    model = keras.Model(x, keras.layers.Dense(1, name="next")(keras.layers.GRU(3)(hidden)))
    series = {"name": "x", "shape": (3, 2), "dtype": "float32", "low": -1.0, "high": 1.0}
    number = {"name": "next", "shape": (1,), "dtype": "float32"}
    signature = Signature.model_validate({"inputs": [series], "outputs": [number], "task": "regression"})
    version = register(model, signature, "steps")
    run = open_run(version)
    _, _, predictor = made_of(version, run, tmp_path, "unused", "float16")
    windows = np.random.default_rng(0).uniform(-1, 1, (5, 3, 2)).astype(np.float32)
    assert largest_difference(predictor.predict(windows), model(windows)) < 1e-2


def test_calibration_rows_are_those_of_the_training(
    version: ModelVersion, open_run: OpenRun, tmp_path: Path, data: str
) -> None:
    with pytest.raises(InvalidJob, match="not known what small@1 has learned from: give rows of the same kind as cal"):
        table.FORMS["int8"].make(given(version, open_run(version), tmp_path, data, "int8"))
    changed = UsedData(ref=data, rows=300, digest="0" * 64)
    trained = version.model_copy(update={"learned_from": LearnedFrom(data=(changed,))})
    (tmp_path / "int8").rmdir()
    with pytest.raises(InvalidJob, match=r"has changed since small@1 has learned from it.*as calibration"):
        table.FORMS["int8"].make(given(trained, open_run(trained), tmp_path, data, "int8"))


def settle(run: Run, data: str, made: dict[str, Made], **fields: Any) -> Any:
    version = run.models[0]
    spec = Optimize.model_validate({"model": version.ref, "data": data, "bootstrap": 100, **fields})
    return optimize.settled(spec, run, made, {"int4": "no room"})


def test_what_is_as_good_is_registered_with_where_it_comes_from(
    version: ModelVersion, open_run: OpenRun, tmp_path: Path, data: str, store: Store
) -> None:
    run = open_run(version)
    made = table.FORMS["float16"].make(given(version, run, tmp_path, data, "float16"))
    outcome = settle(run, data, {"float16": made}, to="float16", name="smaller", alias="canary")
    result, [effect] = outcome.result, outcome.effects
    assert isinstance(result, OptimizeResult)
    assert isinstance(effect, Register)
    assert (result.model, result.parent, result.form, result.rows) == ("", "small@1", "float16", 300)
    assert result.before.metrics["accuracy"] == 1
    assert result.drop == 1 - result.after.metrics["accuracy"]
    assert result.drop_interval.low <= result.drop <= result.drop_interval.high
    assert result.after.file_bytes == made.files["litert"].stat().st_size < result.before.file_bytes
    manifest = effect.manifest
    assert (effect.alias, manifest.name, manifest.parent, manifest.data) == (
        "canary", "smaller", "small@1", version.data,
    )  # fmt: skip
    assert manifest.optimized is not None
    assert (manifest.optimized.form, manifest.optimized.headline, manifest.optimized.before) == (
        "float16", "accuracy", 1,
    )  # fmt: skip
    assert store.read(manifest.files["litert"]) == made.files["litert"].read_bytes()
    assert manifest.metrics["accuracy"] == result.after.metrics["accuracy"]


def spoilt(version: ModelVersion, folder: Path) -> Made:
    """A form that answers otherwise."""
    model = network()
    model.get_layer("scores").set_weights([-WEIGHTS])
    folder.mkdir()
    model.save(folder / "model.keras")
    return Made(
        files={"keras": folder / "model.keras"}, signature=version.signature, parameters=1, words="spoilt", figures={}
    )


def test_what_is_worse_is_refused_with_the_figures(
    version: ModelVersion, open_run: OpenRun, tmp_path: Path, data: str
) -> None:
    run = open_run(version)
    bad = spoilt(version, tmp_path / "bad")
    told = r"small@1 is too much worse on 300 rows of .*nothing is registered: as prune accuracy falls by 1 \(the "
    with pytest.raises(InvalidJob, match=told + r"drop's 95 %: .* from 1 to 0; max_drop allows 0.01"):
        settle(run, data, {"prune": bad}, to="prune")
    before = {file.path for file in run.store.stored("")}
    with pytest.raises(InvalidJob):
        settle(run, data, {"prune": bad}, to="prune")
    assert {file.path for file in run.store.stored("")} == before, "a form that is refused leaves nothing in the store"


def test_of_several_forms_the_cheapest_that_is_good_enough_is_chosen(
    version: ModelVersion, open_run: OpenRun, tmp_path: Path, data: str
) -> None:
    run = open_run(version)
    made = {to: table.FORMS[to].make(given(version, run, tmp_path, data, to)) for to in ("float16", "dynamic")}
    made["prune"] = spoilt(version, tmp_path / "bad")
    outcome = settle(run, data, made, goal="bytes", max_drop=0.05)
    result = outcome.result
    assert result.form == "dynamic"
    assert [each.form for each in result.tried] == ["float16", "dynamic", "prune"]
    assert "Of 2 that are good enough, dynamic has the least bytes" in result.why
    assert "As prune accuracy falls by" in result.why
    assert result.failed == {"int4": "no room"}
    [smallest] = [each for each in result.tried if each.form == "dynamic"]
    assert smallest.model.on_front
    with pytest.raises(InvalidJob, match="nothing costs less than small@1, whose bytes is"):
        settle(run, data, {"prune": large(version, tmp_path / "large")}, goal="bytes")


def test_a_goal_that_cannot_be_measured_is_refused_before_anything_is_made(
    version: ModelVersion, open_run: OpenRun, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimize, "private_bytes", lambda _: None)
    spec = Optimize.model_validate({"model": version.ref, "data": data, "goal": "memory"})
    with pytest.raises(InvalidJob, match="needs a worker whose system tells the memory"):
        optimize.run(spec, open_run(version))


def large(version: ModelVersion, folder: Path) -> Made:
    """A form that is as good, and weighs more."""
    folder.mkdir()
    network(wide=512).save(folder / "model.keras")
    return Made(files={"keras": folder / "model.keras"}, signature=version.signature, parameters=1, words="large")


def test_only_models_of_keras_are_made_smaller(
    version: ModelVersion, open_run: OpenRun, tmp_path: Path, data: str
) -> None:
    run = open_run(version)
    _, smaller, _ = made_of(version, run, tmp_path, data, "dynamic")
    with pytest.raises(InvalidJob, match=r"small@1 is a model in litert, and nothing is made of one: name a version"):
        table.FORMS["float16"].make(given(smaller, run, tmp_path, data, "float16"))


def test_the_other_road_of_quantisation_is_refused_by_name(tmp_path: Path) -> None:
    model = network(prepared=False)
    model.quantize("int8", filters="scores")
    model.save(tmp_path / "quantised.keras")
    with pytest.raises(InvalidJob, match=r"was quantised by keras\.Model\.quantize, and from"):
        load_saved(tmp_path / "quantised.keras", "quantised")


def test_what_works_instead_is_not_looked_for_by_a_job_that_is_to_stop(
    version: ModelVersion, open_run: OpenRun, tmp_path: Path, data: str
) -> None:
    run = open_run(version, stop_requested=lambda: "cancel")
    with pytest.raises(Stopped, match="cancel"):
        converts(given(version, run, tmp_path, data, "dynamic"), dynamic.convert)


def failing(folder: Path) -> list[str]:
    """What is said of the models in a folder, in a process of its own: conversions are forked."""
    command = [preloaded.python(), "-m", "tests.unit.ml.failing_conversions", str(folder)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=2 * PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_recurrent_layer_of_many_steps_is_named_where_its_conversion_fails(tmp_path: Path) -> None:
    x = keras.Input((200, 3))
    remembered = keras.layers.LSTM(5, name="memory")(keras.layers.Conv1D(4, 3, name="edges")(x))
    keras.Model(x, keras.layers.Dense(2, "softmax")(remembered)).save(tmp_path / "lstm.keras")
    lstm, *_ = failing(tmp_path)
    assert lstm.startswith("int8 lstm: lstm@1 cannot be made int8 at layer 'memory' (LSTM): its converter refuses it: ")


def test_a_conversion_that_fails_names_the_layer_and_what_works(tmp_path: Path) -> None:
    x = keras.Input((8,))
    unknown_here = keras.ops.erfinv(keras.layers.Dense(8, name="first")(x))
    keras.Model(x, keras.layers.Dense(2, "softmax")(unknown_here)).save(tmp_path / "unknown.keras")
    unknown, crash, away, full, wrong, late = failing(tmp_path)
    assert unknown.startswith("int8 unknown: unknown@1 cannot be made int8 at layer 'erfinv' (Erfinv): ")
    assert unknown.endswith("; to='distil' makes a smaller Keras model of it, which needs no converter")
    assert crash == "crash: Crashed: was killed by SIGSEGV"
    assert away == "away: DependencyUnavailable: the store is away"
    assert full.startswith("full: DependencyUnavailable: the temporary folder ")
    assert wrong == "wrong: RuntimeError: ValueError: no such layer"
    assert late == "stopped late: given"
