"""What trains can be loaded from what it saved, evaluated and served: every architecture on every kind of data."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

import stoker
from stoker.errors import InvalidJob
from stoker.kinds.training.architecture import Architecture
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.models.store import Store
from stoker.models.tensors import Array, Tensors
from stoker_workers.kinds.evaluate import run as evaluate
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.prediction.loading import check_saved
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.run import Run
from stoker_workers.ml.training import saving

from .conftest import manifest_of

pytestmark = pytest.mark.usefixtures("files_checked")

OpenRun = Callable[..., Run]
ROWS = 48


def functional(input_shape: tuple[int, ...], output_units: int) -> keras.Model:
    x = keras.Input(input_shape)
    return keras.Model(x, keras.layers.Dense(output_units, activation="softmax")(keras.layers.Flatten()(x)))


def sequential(input_shape: tuple[int, ...], output_units: int) -> keras.Model:
    layers = [keras.layers.Flatten(), keras.layers.Dense(output_units, activation="softmax")]
    return keras.Sequential([keras.Input(input_shape), *layers])


def by_name(input_shape: tuple[int, ...], output_units: int) -> keras.Model:
    """Its one input has a name of its own, which the data does not know."""
    x = keras.Input(input_shape, name="pixels")
    out = keras.layers.Dense(output_units, activation="softmax")(keras.layers.Flatten()(x))
    return keras.Model({"pixels": x}, {"label": out})


def listed(input_shape: tuple[int, ...], output_units: int) -> keras.Model:
    x = keras.Input(input_shape)
    return keras.Model([x], keras.layers.Dense(output_units, activation="softmax")(keras.layers.Flatten()(x)))


BUILDERS = tuple(f"{__name__}:{build.__name__}" for build in (functional, sequential, by_name, listed))
FIXED: dict[str, Architecture] = {
    "MLP": stoker.MLP(hidden=(4,)),
    "CNN": stoker.CNN(filters=(2,), dense=(4,)),
    **{target: stoker.Builder(target=target) for target in BUILDERS},
}
# One that Stoker builds and one that gives its input and output names of its own: evaluated, and left unnormalised.
EVALUATED = ("MLP", f"{__name__}:by_name")
# Of each way to give inputs and outputs one; pictures below have a CNN and a Sequential of Keras.
QUICK = (*EVALUATED, "KerasConfig")
CONFIGS = {"KerasConfig": functional, "KerasConfig, Sequential": sequential}


def built(architecture: str, shape: tuple[int, ...]) -> Architecture:
    """An architecture for three classes of rows of this shape."""
    if architecture in FIXED:
        return FIXED[architecture]
    return stoker.KerasConfig(config=json.loads(CONFIGS[architecture](shape, 3).to_json()))


def texts(*values: str) -> NDArray[np.str_]:
    return np.resize(np.array(values), ROWS)


NUMBERS = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)
TABLES: dict[str, dict[str, NDArray[Any]]] = {
    "numbers": {name: NUMBERS[:, at] for at, name in enumerate("abcd")},
    "one column of numbers": {"a": NUMBERS[:, 0]},
    "booleans": {"a": NUMBERS[:, 0] > 0, "b": NUMBERS[:, 1] > 0},
    "numbers and texts": {"a": NUMBERS[:, 0], "city": texts("Bern", "Rome", "Oslo")},
    "texts": {"city": texts("Bern", "Rome", "Oslo"), "kind": texts("x", "y")},
    "one column of texts": {"city": texts("Bern", "Rome", "Oslo")},
}
# One alone and several; the matrix has each kind of column.
QUICK_TABLES = ("numbers and texts", "one column of texts")


def write_table(folder: Path, columns: dict[str, NDArray[Any]]) -> str:
    path = folder / "table.csv"
    lines = zip(*columns.values(), texts("no", "yes", "maybe"), strict=True)
    path.write_text("\n".join(",".join(map(str, line)) for line in [(*columns, "y"), *lines]) + "\n")
    return str(path)


def write_arrays(folder: Path, x: NDArray[Any]) -> str:
    np.savez(folder / "arrays.npz", x=x, y=np.arange(ROWS) % 3)
    return str(folder / "arrays.npz")


def trained(run: Run, spec: stoker.Train, rows: Tensors) -> ModelVersion:
    """What comes of a training, once each of its files has predicted the same for raw rows."""
    manifest = manifest_of(train(spec, run))
    version = ModelVersion(**dict(manifest), version=1, created_at="2026-01-01T00:00:00Z")
    outputs = [
        predicted(version.model_copy(update={"files": {name: version.files[name]}}), run, rows) for name in spec.formats
    ]
    assert outputs[0].shape == (ROWS, *(version.signature.outputs[0].shape))
    assert np.isfinite(outputs[0]).all()
    for again in outputs[1:]:
        np.testing.assert_array_equal(again, outputs[0])
    return version


def predicted(version: ModelVersion, run: Run, rows: Tensors) -> Array:
    """As a job that infers so many rows has them predicted."""
    tensors = Inputs(version.signature, version.ref).encoded(rows)
    answers: Array = Predictor.load(version, run.store, run.scratch, rows=ROWS).predict(tensors)
    return answers


def check_evaluated(version: ModelVersion, open_run: OpenRun) -> None:
    outcome = evaluate(stoker.Evaluate(model="m@1", data=version.data, bootstrap=100, noise=(0.1,)), open_run(version))
    assert isinstance(outcome.result, stoker.EvaluateResult)
    assert outcome.result.rows == ROWS


@pytest.fixture
def run(open_run: OpenRun) -> Run:
    opened = open_run()
    return Run(**{**vars(opened), "builders": BUILDERS})


@pytest.mark.parametrize(
    "architecture",
    [pytest.param(each, marks=() if each in QUICK else pytest.mark.slow) for each in [*FIXED, *CONFIGS]],
)
def test_every_architecture_is_served_with_and_without_normalisation(
    architecture: str, run: Run, open_run: OpenRun, tmp_path: Path
) -> None:
    data = write_arrays(tmp_path, NUMBERS)
    spec = stoker.Train(model="m", data=data, architecture=built(architecture, (4,)), epochs=1, validation_split=0)
    version = trained(run, spec, NUMBERS)
    if architecture in EVALUATED:
        check_evaluated(version, open_run)
        trained(run, spec.model_copy(update={"normalize": False}), NUMBERS)


@pytest.mark.parametrize(
    ("architecture", "normalize"),
    [
        ("CNN", True),
        ("KerasConfig, Sequential", False),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in (("MLP", True), ("CNN", False))),
    ],
)
def test_images_are_served(architecture: str, normalize: bool, run: Run, tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 255, (ROWS, 4, 4)).astype(np.uint8)
    data, network = write_arrays(tmp_path, images), built(architecture, (4, 4))
    spec = stoker.Train(model="m", data=data, architecture=network, epochs=1, normalize=normalize, validation_split=0)
    trained(run, spec, images.astype(np.float32))


@pytest.mark.parametrize(
    "table", [pytest.param(each, marks=() if each in QUICK_TABLES else pytest.mark.slow) for each in TABLES]
)
def test_every_kind_of_table_is_served_by_its_raw_columns(
    table: str, run: Run, open_run: OpenRun, tmp_path: Path
) -> None:
    columns = TABLES[table]
    spec = stoker.Train(model="m", data=write_table(tmp_path, columns), target="y", epochs=1, validation_split=0)
    version = trained(run, spec, columns)
    if table == "numbers and texts":
        check_evaluated(version, open_run)
        trained(run, spec.model_copy(update={"normalize": False}), columns)


def test_arrays_are_saved_as_h5_too_and_tables_are_refused_at_once(run: Run, tmp_path: Path) -> None:
    formats: tuple[Any, ...] = ("keras", "h5")
    spec = stoker.Train(model="m", data=write_arrays(tmp_path, NUMBERS), epochs=1, validation_split=0, formats=formats)
    trained(run, spec, NUMBERS)
    table = write_table(tmp_path, TABLES["numbers"])
    with pytest.raises(InvalidJob, match="formats names h5, which cannot hold what prepares"):
        train(spec.model_copy(update={"data": table, "target": "y"}), run)


def test_what_a_file_lost_is_found_before_it_is_registered(tmp_path: Path) -> None:
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.Dense(2)(x))
    model.save(tmp_path / "model.keras")
    signature = Signature(
        inputs=(TensorSpec(name="x", shape=(4,), dtype="float32"),),
        outputs=(TensorSpec(name="output", shape=(2,), dtype="float32"),),
        task="regression",
    )
    assert check_saved(tmp_path / "model.keras", model, signature)
    model.set_weights([weights + 1 for weights in model.get_weights()])
    with pytest.raises(InvalidJob, match=r"the trained model's \.keras file predicts something else than the model"):
        check_saved(tmp_path / "model.keras", model, signature)


def test_a_model_that_fails_on_made_up_rows_is_said_not_to_be_compared(tmp_path: Path) -> None:
    ids = keras.Input((1,), name="x", dtype="int32")
    embedded = keras.layers.Embedding(2, 1)(ids)
    model = keras.Model(ids, keras.layers.Flatten()(embedded))
    model.save(tmp_path / "model.keras")
    signature = Signature(
        inputs=(TensorSpec(name="x", shape=(1,), dtype="int32", low=5, high=9),),
        outputs=(TensorSpec(name="output", shape=(1,), dtype="float32"),),
        task="regression",
    )
    assert not check_saved(tmp_path / "model.keras", model, signature)


def test_a_training_whose_file_cannot_be_loaded_fails_and_registers_nothing(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk cuts the file short: Keras has written it and says nothing."""

    def cut_short(path: Path, *arguments: Any) -> object:
        path.write_bytes(path.read_bytes()[:-100])
        return check_saved(path, *arguments)

    monkeypatch.setattr(saving, "check_saved", cut_short)
    with pytest.raises(InvalidJob, match=r"the trained model's \.keras file cannot be loaded: "):
        train(stoker.Train(model="m", data="sample://iris", epochs=1), run)


def test_a_file_that_keras_fails_on_says_which_model_and_what_to_do(
    register: Callable[..., ModelVersion], store: Store, tmp_path: Path
) -> None:
    signature = Signature(inputs=(TensorSpec(name="x", shape=(4,), dtype="float32"),), outputs=(), task="regression")
    version = register(functional((4,), 2), signature)
    broken = io.BytesIO()
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("config.json", json.dumps({"module": "keras", "class_name": "Sequential"}))
        archive.writestr("metadata.json", "{}")
    unreadable = version.model_copy(update={"files": {"keras": store.put_bytes(broken.getvalue(), "model.keras")}})
    with pytest.raises(InvalidJob, match=r"^model@1 cannot be loaded: .*; "):
        Predictor.load(unreadable, store, tmp_path)
