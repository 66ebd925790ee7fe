"""Models that were made elsewhere, as versions that predict what they did there."""

import json
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper
from PIL import Image
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.kinds import (
    Compare,
    CompareResult,
    Evaluate,
    EvaluateResult,
    Import,
    ImportedInput,
    ImportedOutput,
    Infer,
    InferResult,
)
from stoker.kinds.training.keras_screen import check_saved_config
from stoker.models.access import Access
from stoker.models.archives import pack_savedmodel
from stoker.models.effects import Register
from stoker.models.manifest import ModelVersion
from stoker.models.predictions import predictions
from stoker.models.store import Store
from stoker.models.tensors import Array
from stoker_workers.kinds import import_model as importing
from stoker_workers.kinds.compare import run as compare
from stoker_workers.kinds.evaluate import run as evaluate
from stoker_workers.kinds.import_model import run as import_model
from stoker_workers.kinds.infer import run as infer
from stoker_workers.ml.prediction.loading import declared_numbers
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.prediction.runtime.onnx import converted_to_onnx
from stoker_workers.ml.run import Run

from ...hosts import host

OpenRun = Callable[..., Run]
Imported = Callable[..., ModelVersion]
RNG = np.random.default_rng(0)
LABELS = ("setosa", "versicolor", "virginica")


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has computed cannot be forked; tests/integration/test_import.py forks as a worker does."""
    monkeypatch.setattr(importing, "apart", lambda work, run, _: work(run))


@pytest.fixture
def imported(open_run: OpenRun) -> Imported:
    """Imports a file: `imported(path, classes=…)` gives the version."""

    def import_one(path: Path, **said: Any) -> ModelVersion:
        outcome = import_model(Import(model=said.pop("model", "elsewhere"), source=str(path), **said), open_run())
        [effect] = outcome.effects
        assert isinstance(effect, Register)
        return ModelVersion(**dict(effect.manifest), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))

    return import_one


@pytest.fixture
def loaded(store: Store, tmp_path: Path, models_converted: None) -> Callable[[ModelVersion], Predictor]:
    """A version as it is served."""

    def load(version: ModelVersion) -> Predictor:
        (scratch := tmp_path / "scratch").mkdir(exist_ok=True)
        predictor = Predictor.load(version, store, scratch, max_batch=16)
        assert not list(scratch.iterdir()), "loading leaves nothing behind"
        return predictor

    return load


Loaded = Callable[[ModelVersion], Predictor]


def flowers() -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input((4,), name="measures")
    return keras.Model(x, keras.layers.Dense(3, activation="softmax", bias_initializer="random_normal", name="kind")(x))


def two_ways() -> keras.Model:
    """Takes a sequence of any length and a whole number; gives a number and a score of each of two labels."""
    keras.utils.set_random_seed(1)
    curve, place = keras.Input((None, 2), name="curve"), keras.Input((), name="place", dtype="int32")
    both = keras.layers.Concatenate()(
        [keras.layers.GlobalMaxPooling1D()(curve), keras.layers.Embedding(5, 3)(place)],
    )
    return keras.Model(
        {"curve": curve, "place": place},
        {"height": keras.layers.Dense(1)(both), "marks": keras.layers.Dense(2, activation="sigmoid")(both)},
    )


def exported(model: keras.Model, folder: Path) -> Path:
    """The zip of a SavedModel that Keras has exported."""
    model.export(folder / "exported", verbose=False)
    pack_savedmodel(folder / "exported", folder / "exported.zip")
    return folder / "exported.zip"


def as_litert(model: keras.Model, folder: Path, convert: Callable[[Any], None] = lambda _: None) -> Path:
    model.export(folder / "for-litert", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "for-litert"))
    convert(converter)
    (path := folder / "model.tflite").write_bytes(converter.convert())
    return path


def linear_onnx(folder: Path, rows: int | str = "rows") -> Path:
    """x · weights, of three numbers each, written by hand."""
    weights = helper.make_tensor("weights", TensorProto.FLOAT, (3, 2), np.arange(6, dtype=np.float32))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (rows, 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (rows, 2))],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (path := folder / "linear.onnx").write_bytes(model.SerializeToString())
    return path


def close(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_a_url_is_read_by_the_worker_if_it_may_read_it(open_run: OpenRun, store: Store, tmp_path: Path) -> None:
    model = flowers()
    model.save(tmp_path / "flowers.keras")
    with host(body=(tmp_path / "flowers.keras").read_bytes()) as (url, _):
        spec = Import(model="elsewhere", source=f"{url}/models/flowers.keras?version=3", classes=LABELS)
        outcome = import_model(spec, replace(open_run(), access=Access([f"{url}/models/"], store.url)))
        with pytest.raises(InvalidJob, match="STOKER_DATA_ROOTS"):
            import_model(spec, replace(open_run(), access=Access([f"{url}/data/"], store.url)))
    [effect] = outcome.effects
    assert isinstance(effect, Register)
    assert effect.manifest.signature.outputs[0].shape == (3,)
    assert effect.manifest.source == spec.source


@pytest.mark.parametrize("suffix", ["keras", "zip", "tflite", "onnx"])
def test_every_format_predicts_measures_and_fills_files_as_any_version(
    suffix: str, imported: Imported, loaded: Loaded, open_run: OpenRun, tmp_path: Path
) -> None:
    model = flowers()
    if suffix == "zip":
        path = exported(model, tmp_path)
    elif suffix == "tflite":
        path = as_litert(model, tmp_path)
    else:
        path = tmp_path / f"model.{suffix}"
        model.save(path) if suffix == "keras" else write_onnx(model, path)
    version = imported(path, classes=LABELS, target="species", metrics={"accuracy": 0.5})
    assert (version.signature.task, version.signature.classes) == ("multiclass", LABELS)
    assert (version.parameters, version.metrics, version.source) == (15, {"accuracy": 0.5}, str(path))
    rows = RNG.random((5, 4), dtype=np.float32)
    predictor = loaded(version)
    close(predictor.predict(rows), model(rows).numpy())
    assert predictor.predict(rows[:0]).shape == (0, 3)
    assert {each.label for each in predictions(version, predictor.predict(rows))} <= set(LABELS)


def write_onnx(model: keras.Model, path: Path) -> None:
    call = tf.function(lambda x: model(x, training=False)).get_concrete_function(
        tf.TensorSpec((None, *model.input.shape[1:]), tf.float32, "x")
    )
    path.write_bytes(converted_to_onnx(convert_variables_to_constants_v2(call)))


def test_columns_make_it_measurable_comparable_and_useful_on_tables(
    imported: Imported, open_run: OpenRun, tmp_path: Path, store: Store
) -> None:
    table = tmp_path / "iris.csv"
    lines = [f"{a:.3f},{b:.3f},{c:.3f},{d:.3f},{LABELS[at % 3]}" for at, (a, b, c, d) in enumerate(RNG.random((30, 4)))]
    table.write_text("\n".join(["a,b,c,d,species", *lines]))
    flowers().save(tmp_path / "m.keras")
    columns = ["a", "b", "c", "d"]
    said: dict[str, Any] = {"classes": LABELS, "target": "species", "inputs": columns}
    first = imported(tmp_path / "m.keras", model="keras", **said)
    second = imported(as_litert(flowers(), tmp_path), model="litert", **said)
    assert first.signature.inputs[0].columns == tuple(columns)
    versions = [first, second]
    reports = [
        evaluate(Evaluate(model=each.ref, data=str(table), bootstrap=100, noise=()), open_run(each)).result
        for each in versions
    ]
    one, other = [report.metrics for report in reports if isinstance(report, EvaluateResult)]
    assert one == other
    write_onnx(flowers(), tmp_path / "m.onnx")
    versions.append(imported(tmp_path / "m.onnx", model="onnx", **said))
    versions.append(imported(exported(flowers(), tmp_path), model="savedmodel", **said))
    formats = [next(iter(version.files)) for version in versions]
    every = Compare(models=formats, data=str(table), bootstrap=100, choose="max accuracy")
    chosen = compare(every, open_run(*versions)).result
    assert isinstance(chosen, CompareResult)
    assert [each.file_format for each in chosen.models] == formats == ["keras", "litert", "onnx", "savedmodel"]
    assert [each.engine.partition("×")[0] for each in chosen.models] == ["tensorflow", "litert", "onnx", "tensorflow"]
    sizes = [version.files[name].size for version, name in zip(versions, formats, strict=True)]
    assert [each.file_bytes for each in chosen.models] == sizes
    assert len({each.metrics["accuracy"] for each in chosen.models}) == 1
    assert chosen.chosen == versions[sizes.index(min(sizes))].ref
    predicted = infer(Infer(model=second.ref, data=str(table), format="csv"), open_run(second)).result
    assert isinstance(predicted, InferResult)
    assert predicted.rows == 30
    assert store.read(predicted.chunks[0]).decode().startswith('"label","probability_setosa"')


@pytest.mark.parametrize("form", ["keras", "savedmodel"])
def test_several_inputs_outputs_and_lengths_go_by_names_that_may_be_others(
    form: str, imported: Imported, loaded: Loaded, tmp_path: Path
) -> None:
    model = two_ways()
    if form == "keras":
        model.save(path := tmp_path / "model.keras")
    else:
        path = exported(model, tmp_path)
    version = imported(
        path,
        inputs={"place": "where", "curve": ImportedInput(name="shape of it")},
        outputs={"marks": ImportedOutput(task="multilabel", classes=("hot", "wet")), "height": "metres"},
    )
    assert [(each.name, each.shape, each.dtype) for each in version.signature.inputs] == [
        ("shape of it", (None, 2), "float32"),
        ("where", (), "int32"),
    ]
    assert version.signature.parts["marks"].classes == ("hot", "wet")
    assert not version.signature.parts["marks"].logits
    predictor = loaded(version)
    for length in (3, 7):
        rows = {
            "curve": RNG.random((4, length, 2), dtype=np.float32),
            "place": np.array([0, 1, 4, 2], np.int32),
        }
        expected = model(rows)
        given = predictor.predict({"shape of it": rows["curve"], "where": rows["place"]})
        assert set(given) == {"metres", "marks"}
        close(given["metres"], expected["height"].numpy())
        close(given["marks"], expected["marks"].numpy())
    only = loaded(imported(path, outputs=["height"])).predict(rows)
    close(only, expected["height"].numpy())


def test_a_sequential_model_is_known_by_its_input(imported: Imported, loaded: Loaded, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    model.save(tmp_path / "m.keras")
    rows = RNG.random((3, 4), dtype=np.float32)
    version = imported(tmp_path / "m.keras", classes=("no", "yes"))
    assert version.signature.task == "binary"
    close(loaded(version).predict(rows), model(rows).numpy())
    with pytest.warns(UserWarning, match="not yet been built"):
        keras.Sequential([keras.layers.Dense(2)]).save(tmp_path / "unbuilt.keras")
    with pytest.raises(InvalidJob, match="never built"):
        imported(tmp_path / "unbuilt.keras")


@pytest.mark.parametrize("name", ["ConvNeXtTiny", pytest.param("InceptionResNetV2", marks=pytest.mark.slow)])
def test_layers_that_only_keras_applications_have_are_known(name: str) -> None:
    """Their weights are many, and so none is made."""

    def weightless() -> keras.Model:
        with keras.StatelessScope(initialize_variables=False):
            return getattr(keras.applications, name)(weights=None)

    with ThreadPoolExecutor(1) as aside:  # on whose list of variables they stay
        model = aside.submit(weightless).result()
    config = json.loads(model.to_json())
    check_saved_config(config, "it")
    assert declared_numbers(config, "it") == model.count_params()


def test_counting_what_a_config_declares_leaves_nothing_to_be_made_by_the_next_model() -> None:
    vast = keras.Sequential([keras.layers.Dense(65_536)]).to_json()
    config = json.loads(vast)
    config["config"]["build_input_shape"] = [None, 1 << 30]
    config["build_config"] = {"input_shape": [None, 1 << 30]}
    assert declared_numbers(config, "it") == (1 << 30) * 65_536 + 65_536
    x = keras.Input((4,))

    class Own(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            return inputs + 1

    assert keras.Model(x, Own()(x)).count_params() == 0


def test_texts_are_looked_up_by_the_model_itself(imported: Imported, loaded: Loaded, tmp_path: Path) -> None:
    city = keras.Input((1,), name="city", dtype="string")
    known = keras.layers.StringLookup(vocabulary=["Bonn", "Ulm", "Köln"], output_mode="multi_hot")(city)
    model = keras.Model(city, keras.layers.Dense(1)(known))
    model.save(tmp_path / "texts.keras")
    rows = np.array([["Ulm"], ["Köln"], ["Rome"]])
    expected = model(tf.constant(rows)).numpy()
    for path in (tmp_path / "texts.keras", exported(model, tmp_path)):
        version = imported(path, inputs={"city": ImportedInput(columns=("town",), kind="category")})
        assert (version.signature.inputs[0].columns, version.signature.inputs[0].dtype) == (("town",), "string")
        close(loaded(version).predict(rows), expected)


def test_pictures_of_any_size_may_be_rows(imported: Imported, loaded: Loaded, tmp_path: Path) -> None:
    x = keras.Input((8, 8, 3), name="photo")
    model = keras.Model(x, keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(x)))
    model.save(tmp_path / "colours.keras")
    pixels = RNG.integers(0, 256, (3, 8, 8, 3), np.uint8)
    for path in (tmp_path / "colours.keras", exported(model, tmp_path), as_litert(model, tmp_path)):
        version = imported(path, inputs={"": ImportedInput(kind="image")}, task="regression")
        assert (version.signature.inputs[0].dtype, version.signature.inputs[0].high) == ("uint8", 255)
        close(loaded(version).predict(pixels), pixels.mean(axis=(1, 2)) / 255)


def test_a_folder_of_pictures_measures_a_model_that_takes_them(
    imported: Imported, open_run: OpenRun, tmp_path: Path
) -> None:
    """One that tells red from blue, by the first and the last channel."""
    for at, label in enumerate(["blue", "red"] * 4):
        (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
        colour = (200 + at, 0, 10) if label == "red" else (10, 0, 200 + at)
        Image.new("RGB", (20 + at, 16), colour).save(tmp_path / "photos" / label / f"{at}.png")
    x = keras.Input((8, 8, 3), name="pixels")
    shares = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(x))
    model = keras.Model(x, keras.layers.Softmax()(keras.layers.Dense(2, kernel_initializer="zeros")(shares)))
    model.layers[-2].set_weights([np.array([[0, 9], [0, 0], [9, 0]], np.float32), np.zeros(2, np.float32)])
    version = imported(
        as_litert(model, tmp_path),
        inputs={"": ImportedInput(name="image", kind="image")},
        classes=("blue", "red"),
        target="label",
    )
    measured = Evaluate(model=version.ref, data=str(tmp_path / "photos"), bootstrap=100, noise=())
    report = evaluate(measured, open_run(version)).result
    assert isinstance(report, EvaluateResult)
    assert (report.rows, report.metrics["accuracy"]) == (8, 1.0)


def test_a_model_of_one_row_a_call_answers_many(imported: Imported, loaded: Loaded, tmp_path: Path) -> None:
    rows = RNG.random((5, 3), dtype=np.float32)
    expected = rows @ np.arange(6, dtype=np.float32).reshape(3, 2)
    for batch in (1, 2):
        version = imported(linear_onnx(tmp_path, rows=batch))
        assert version.signature.batch == batch
        predictor = loaded(version)
        close(predictor.predict(rows), expected)
        assert predictor.predict(rows[:0]).shape == (0, 2)
    fixed = keras.Input(batch_shape=(2, 3))
    model = keras.Model(fixed, keras.layers.Dense(2)(fixed))
    model.save(tmp_path / "fixed.keras")
    for path in (tmp_path / "fixed.keras", exported(model, tmp_path)):
        close(
            loaded(imported(path)).predict(rows),
            np.concatenate([model(rows[at : at + 2]).numpy() for at in (0, 2)] + [model(rows[3:5]).numpy()[1:]]),
        )


def test_a_quantised_litert_takes_its_whole_numbers_or_real_ones_and_gives_real_ones(
    imported: Imported, loaded: Loaded, tmp_path: Path
) -> None:
    samples = RNG.random((64, 4), dtype=np.float32)

    def quantise(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row[np.newaxis]] for row in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8

    path = as_litert(flowers(), tmp_path, quantise)
    interpreter = Interpreter(str(path))
    [given], [gives] = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = gives["quantization"]
    whole = RNG.integers(0, 256, (3, 4), np.uint8)
    expected = []
    for row in whole:
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], row[np.newaxis])
        interpreter.invoke()
        expected.append(scale * (interpreter.get_tensor(gives["index"])[0].astype(np.float32) - zero))
    version = imported(path)
    assert (version.signature.inputs[0].dtype, version.signature.outputs[0].dtype) == ("uint8", "float32")
    assert "is the real one" in version.task_why
    close(loaded(version).predict(whole), np.array(expected))
    in_scale, in_zero = given["quantization"]
    real = (in_scale * (whole.astype(np.float32) - in_zero)).astype(np.float32)
    version = imported(path, inputs={"": ImportedInput(dtype="float32")})
    close(loaded(version).predict(real), np.array(expected))


def test_raw_scores_and_single_units_are_told_from_probabilities(imported: Imported, tmp_path: Path) -> None:
    def model(units: int, activation: str | None) -> Path:
        keras.utils.set_random_seed(0)
        x = keras.Input((4,))
        network = keras.Model(x, keras.layers.Dense(units, activation=activation)(x))
        return exported(network, tmp_path)

    cases = [
        (3, None, ("a", "b", "c"), "multiclass", True),
        (1, "sigmoid", ("no", "yes"), "binary", False),
        (1, None, ("no", "yes"), "binary", True),
        (2, "softmax", ("no", "yes"), "binary", False),
    ]
    for units, activation, classes, task, logits in cases:
        signature = imported(model(units, activation), classes=classes).signature
        assert (signature.task, signature.logits) == (task, logits), (units, activation)
    assert imported(model(2, None)).signature.task == "regression"


def test_what_was_guessed_is_said(imported: Imported, events: list[Event], tmp_path: Path) -> None:
    flowers().save(tmp_path / "m.keras")
    version = imported(tmp_path / "m.keras")
    assert version.signature.classes == ("0", "1", "2")
    lines = [event.line for event in events if isinstance(event, Log)]
    assert any("taken for the probabilities of 3 classes" in line for line in lines)
    assert version.task_why == "; ".join(line for line in lines if "is taken for" in line)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"classes": ("a", "b")}, "output 'kind' has 3 units, and classes names 2"),
        ({"inputs": ["a", "b"]}, r"takes rows of shape \(4\), and columns names 2"),
        ({"inputs": {"nowhere": "x"}}, "the model has no input 'nowhere'; it has 'measures'"),
        ({"outputs": ["nothing"]}, "the model has no output 'nothing'; it has 'kind'"),
        ({"inputs": {"": ImportedInput(kind="image")}}, r"\(4\), which are no pictures"),
        ({"inputs": {"": ImportedInput(kind="text")}}, "takes float32, and kind='text' is text"),
        ({"inputs": {"": ImportedInput(dtype="float32")}}, "takes float32 as it is, not quantised"),
        ({"task": "pixels"}, "which are no scores of classes"),
    ],
)
def test_what_does_not_fit_the_file_is_refused(
    said: dict[str, Any], told: str, imported: Imported, tmp_path: Path
) -> None:
    flowers().save(tmp_path / "m.keras")
    with pytest.raises(InvalidJob, match=told):
        imported(tmp_path / "m.keras", **said)


def test_a_first_axis_that_counts_no_rows_is_refused(imported: Imported, tmp_path: Path) -> None:
    def onnx_of(node: onnx.NodeProto, shape: tuple[Any, ...]) -> Path:
        graph = helper.make_graph(
            [node],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        (path := tmp_path / "m.onnx").write_bytes(model.SerializeToString())
        return path

    with pytest.raises(InvalidJob, match="its first axis must count rows"):
        imported(onnx_of(helper.make_node("ReduceMean", ["x"], ["y"], axes=[0], keepdims=1), (1, 3)))
    with pytest.raises(InvalidJob, match="of a row is another one beside other rows"):
        imported(onnx_of(helper.make_node("Softmax", ["x"], ["y"], axis=0), ("n", 3)))


def test_text_inputs_of_onnx_are_texts(imported: Imported, loaded: Loaded, tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node(
                "LabelEncoder", ["word"], ["number"], domain="ai.onnx.ml", keys_strings=["Köln", "Ulm"],
                values_floats=[1.0, 2.0], default_float=-1.0,
            )
        ],
        "words",
        [helper.make_tensor_value_info("word", TensorProto.STRING, (None,))],
        [helper.make_tensor_value_info("number", TensorProto.FLOAT, (None,))],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    (path := tmp_path / "words.onnx").write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    )
    rows = np.array(["Ulm", "Köln", "nowhere"])
    close(loaded(imported(path)).predict(rows), np.array([2, 1, -1], np.float32))
    expected = onnxruntime.InferenceSession(path).run(None, {"word": rows.astype(object)})[0]
    assert expected.tolist() == [2, 1, -1]


def test_archives_may_hold_the_folder_or_what_is_in_it(imported: Imported, tmp_path: Path) -> None:
    exported(flowers(), tmp_path)
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "exported", "exported")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (tmp_path / "exported").rglob("*"):
            archive.write(path, Path("exported") / path.relative_to(tmp_path / "exported"))
    digests = {
        imported(tmp_path / name).files["savedmodel"].digest for name in ("exported.zip", "m.tar.gz", "outer.zip")
    }
    assert len(digests) == 1
