"""Exports of small models: each is loaded in a process that knows no Stoker, and computes the same; or is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import ops
from onnx import TensorProto, helper

from stoker.errors import InvalidJob
from stoker.kinds import Export, ExportResult
from stoker.models.archives import pack_savedmodel
from stoker.models.exported import ExportManifest
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature
from stoker.models.targets import Targets
from stoker_workers.kinds.export import run as export
from stoker_workers.ml.exporting import comparing, making
from stoker_workers.ml.prediction.loading import load_saved
from stoker_workers.ml.prediction.runtime import OnnxFile
from stoker_workers.ml.run import Run

from ...foreign_loader import elsewhere

RegisterModel = Callable[..., ModelVersion]
Exported = Callable[..., tuple[ExportResult, Path]]
ROWS = 5


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has computed cannot be forked; tests/integration/test_export.py forks as a worker does."""
    for module in (making, comparing):
        monkeypatch.setattr(module, "apart", lambda work, run: work(run))


@pytest.fixture
def exported(open_run: Callable[..., Run], tmp_path: Path) -> Exported:
    """Exports a version into a folder; gives the result, and the folder."""

    def export_one(version: ModelVersion, file_format: str, **fields: Any) -> tuple[ExportResult, Path]:
        run = replace(open_run(version), targets=Targets([str(tmp_path)], "/nowhere"))
        spec = Export.model_validate(
            {"model": version.ref, "format": file_format, "to": str(tmp_path / file_format), "rows": 20, **fields}
        )
        result = export(spec, run).result
        assert isinstance(result, ExportResult)
        assert result.difference <= result.tolerance == spec.tolerance
        return result, Path(result.where)

    return export_one


def signature(inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> Signature:
    parts = {each["name"]: {"inputs": [], "outputs": [each], "task": "regression"} for each in outputs}
    fields = {"inputs": inputs, "outputs": outputs, "task": "several" if len(outputs) > 1 else "regression"}
    return Signature.model_validate({**fields, "parts": parts if len(outputs) > 1 else {}})


PLANS = ("basic", "größer", "x y")


@pytest.fixture(scope="module")
def table(register: RegisterModel) -> ModelVersion:
    """Numbers with gaps, categories and times go in; two outputs come out. Names are such as columns have."""
    numbers, plans = keras.Input((2,), name="features"), keras.Input((1,), name="categories", dtype="string")
    times = keras.Input((1,), name="times", dtype="int64")
    lookup = keras.layers.StringLookup(vocabulary=list(PLANS), num_oov_indices=1, output_mode="int")
    prepared = [
        ops.where(ops.isnan(numbers), 0.5, numbers),
        ops.cast(ops.one_hot(lookup(plans[:, 0]), 4), "float32"),
        ops.cast(ops.mod(times, 86_400), "float32") / 86_400.0,
    ]
    hidden = keras.layers.Dense(8, activation="tanh", name="hidden")(keras.layers.Concatenate()(prepared))
    outputs = {name: keras.layers.Dense(1, name=f"d{at}")(hidden) for at, name in enumerate(("net price", "age"))}
    described = signature(
        [
            {"name": "features", "shape": (2,), "dtype": "float32", "gaps": True, "columns": ["a", "b"]},
            {"name": "categories", "shape": (1,), "dtype": "string", "columns": ["plan"]},
            {"name": "times", "shape": (1,), "dtype": "int64", "low": 0, "high": 10**9, "columns": ["joined"]},
        ],
        [{"name": name, "shape": (1,), "dtype": "float32"} for name in ("net price", "age")],
    )
    taken = {"features": numbers, "categories": plans, "times": times}
    return register(keras.Model(taken, outputs), described, "table")


TABLE_ROWS = {
    "features": np.array([[1, np.nan], [2, 3], [np.nan, np.nan], [-1, 0], [0, 9]], np.float32),
    "categories": np.array([["basic"], ["größer".encode()], ["x y"], [""], ["never seen"]], "S"),
    "times": np.arange(ROWS, dtype=np.int64)[:, None] * 10_007,
}


@pytest.mark.parametrize("file_format", ["savedmodel", "onnx"])
def test_a_table_of_every_kind_goes_in_raw(
    table: ModelVersion, exported: Exported, file_format: str, open_run: Callable[..., Run]
) -> None:
    result, folder = exported(table, file_format)
    assert folder.parts[-2:] == ("table", "1")
    manifest = ExportManifest.model_validate_json((folder / "export.json").read_text())
    assert [(each.name, each.columns) for each in manifest.inputs] == [
        ("features", ("a", "b")),
        ("categories", ("plan",)),
        ("times", ("joined",)),
    ]
    assert {each.name: each.meaning for each in manifest.outputs} == {"net_price": "net price", "age": "age"}
    assert {each.path for each in result.written} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } - {"export.json"}
    outputs = elsewhere(file_format, folder, TABLE_ROWS)
    model = load_saved(open_run().store.fetch(table.files["keras"], open_run().scratch), table.ref)
    expected = model({name: tf.constant(array) for name, array in TABLE_ROWS.items()})
    for name, own in {"net_price": "net price", "age": "age"}.items():
        np.testing.assert_allclose(outputs[name], expected[own], atol=1e-5)


def test_where_texts_cannot_go_in_the_network_alone_does(table: ModelVersion, exported: Exported) -> None:
    with pytest.raises(InvalidJob, match=r"no texts, and it takes plan .*layer 'string_lookup.*StringLookup.*network"):
        exported(table, "litert")
    result, folder = exported(table, "litert", part="network")
    assert {each.path for each in result.written} == {"model.tflite", "preprocessing.keras"}
    [taken] = ExportManifest.model_validate_json((folder / "export.json").read_text()).inputs
    assert (taken.name, taken.shape) == ("prepared_0", (7,))
    front = keras.saving.load_model(folder / "preprocessing.keras")
    prepared = np.asarray(front({name: tf.constant(array) for name, array in TABLE_ROWS.items()}))
    assert {name: array.shape for name, array in elsewhere("litert", folder, {"prepared_0": prepared}).items()} == {
        "net_price": (ROWS, 1),
        "age": (ROWS, 1),
    }


@pytest.fixture(scope="module")
def pictures(register: RegisterModel) -> ModelVersion:
    x = keras.Input((8, 8, 3), name="image")
    scaled = keras.layers.Rescaling(1 / 255)(x)
    kept = keras.layers.Conv2D(4, 3, activation="relu")(scaled)
    model = keras.Model(x, keras.layers.Dense(3, "softmax")(keras.layers.GlobalAveragePooling2D()(kept)))
    taken = {"name": "image", "shape": (8, 8, 3), "dtype": "uint8", "low": 0, "high": 255}
    return register(model, signature([taken], [{"name": "output", "shape": (3,), "dtype": "float32"}]), "pictures")


@pytest.mark.parametrize("file_format", ["litert", "onnx"])
def test_pictures_go_in_as_bytes(pictures: ModelVersion, exported: Exported, file_format: str) -> None:
    _, folder = exported(pictures, file_format)
    image = np.random.default_rng(0).integers(0, 256, (ROWS, 8, 8, 3), np.uint8)
    outputs = elsewhere(file_format, folder, {"image": image})
    np.testing.assert_allclose(outputs["output"].sum(axis=1), 1, atol=1e-5)


def test_files_of_keras_are_loaded_by_keras(pictures: ModelVersion, exported: Exported, tmp_path: Path) -> None:
    for file_format in ("keras", "h5"):
        exported(pictures, file_format)
    outputs = elsewhere("keras", tmp_path, {"image": np.ones((ROWS, 8, 8, 3), np.float32)})
    np.testing.assert_array_equal(outputs[".keras"], outputs[".h5"])


@pytest.mark.parametrize("file_format", ["litert", "onnx"])
def test_a_forecast_by_a_recurrent_layer_goes_out(
    register: RegisterModel, exported: Exported, file_format: str
) -> None:
    x = keras.Input((6, 2), name="load")
    model = keras.Model(x, keras.layers.Dense(3)(keras.layers.GRU(4)(x)))
    taken = {"name": "load", "shape": (6, 2), "dtype": "float32", "low": -1, "high": 1}
    version = register(model, signature([taken], [{"name": "load", "shape": (3,), "dtype": "float32"}]), "forecast")
    _, folder = exported(version, file_format)
    outputs = elsewhere(file_format, folder, {"load": np.zeros((ROWS, 6, 2), np.float32)})
    assert outputs["predicted_load"].shape == (ROWS, 3)


def test_what_cannot_go_out_is_refused_with_its_layer(register: RegisterModel, exported: Exported) -> None:
    x = keras.Input((1,), name="review", dtype="string")
    counted = keras.layers.TextVectorization(output_mode="multi_hot", vocabulary=["good", "bad"], name="words")(x[:, 0])
    model = keras.Model(x, keras.layers.Dense(1)(ops.cast(counted, "float32")))
    taken = {"name": "review", "shape": (1,), "dtype": "string"}
    version = register(model, signature([taken], [{"name": "output", "shape": (1,), "dtype": "float32"}]), "texts")
    with pytest.raises(
        InvalidJob, match=r"texts@1 cannot be exported as onnx: ONNX has no .*layer 'words'.*savedmodel"
    ):
        exported(version, "onnx")
    with pytest.raises(InvalidJob, match=r"as h5: .h5 holds layers alone"):
        exported(version, "h5")
    assert exported(version, "savedmodel")[0].rows == 20


def test_an_imported_savedmodel_is_served_by_the_usual_name(
    register: RegisterModel, exported: Exported, open_run: Callable[..., Run], tmp_path: Path
) -> None:
    module = tf.Module()
    module.weight = tf.Variable([[1.0], [2.0]])
    module.score = tf.function(
        lambda rows: {"score": rows @ module.weight}, input_signature=[tf.TensorSpec((None, 2), tf.float32, "rows")]
    )
    tf.saved_model.save(module, tmp_path / "own", signatures={"score": module.score})
    pack_savedmodel(tmp_path / "own", tmp_path / "own.zip")
    taken, given = {"name": "rows", "shape": (2,), "dtype": "float32"}, {"name": "score", "shape": (1,)}
    described = signature([taken], [{**given, "dtype": "float32"}])
    any_model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    version = register(any_model, described, "own").model_copy(
        update={
            "files": {"savedmodel": open_run().store.put_file(tmp_path / "own.zip", "savedmodel.zip")},
            "signature": described.model_copy(update={"entry": "score"}),
        }
    )
    for file_format in ("savedmodel", "onnx"):
        _, folder = exported(version, file_format)
    assert elsewhere("onnx", folder, {"rows": np.ones((1, 2), np.float32)})["score"].tolist() == [[3.0]]
    with pytest.raises(InvalidJob, match="is a model in savedmodel, and no converter makes keras of that"):
        exported(version, "keras")


def test_an_imported_onnx_goes_out_as_it_is_and_as_nothing_else(
    register: RegisterModel, exported: Exported, open_run: Callable[..., Run], tmp_path: Path
) -> None:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", 2)) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "neg", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    described = signature(
        [{"name": "rows", "tensor": "x", "shape": (2,), "dtype": "float32"}],
        [{"name": "y", "shape": (2,), "dtype": "float32"}],
    )
    any_model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    stored = open_run().store.put_file(tmp_path / "m.onnx", "model.onnx")
    version = register(any_model, described, "negative").model_copy(update={"files": {"onnx": stored}})
    _, folder = exported(version, "onnx")
    assert (folder / "model.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()
    assert [each.name for each in ExportManifest.model_validate_json((folder / "export.json").read_text()).inputs] == [
        "x"
    ]
    with pytest.raises(InvalidJob, match="no converter makes savedmodel of that: export it as onnx"):
        exported(version, "savedmodel")


def test_an_export_that_computes_something_else_is_none(
    pictures: ModelVersion, exported: Exported, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Wrong(OnnxFile):
        def run(self, columns: Any) -> Any:
            return np.asarray(super().run(columns)) * 1.01

    monkeypatch.setattr(comparing, "OnnxFile", Wrong)
    with pytest.raises(InvalidJob, match=r"computes something else: its output 'output' differs by 0\.01"):
        exported(pictures, "onnx")
    assert not (tmp_path / "onnx").exists()
    assert exported(pictures, "onnx", tolerance=0.02)[0].difference == pytest.approx(0.01, abs=1e-4)
