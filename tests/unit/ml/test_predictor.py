"""Predicting with a registered model."""

import weakref
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.models.store import Corrupt, Store
from stoker_workers.ml.prediction.models import LoadedModels
from stoker_workers.ml.prediction.predictor import Predictor

Register = Callable[..., ModelVersion]
pytestmark = pytest.mark.usefixtures("models_converted")

OUTPUT = TensorSpec(name="output", shape=(3,), dtype="float32")
NUMBERS = Signature(
    inputs=(TensorSpec(name="x", shape=(4,), dtype="float32", low=0, high=1),),
    outputs=(OUTPUT,),
    task="multiclass",
    classes=("a", "b", "c"),
)
MIXED = Signature(
    inputs=(
        TensorSpec(name="age", dtype="float32"),
        TensorSpec(name="city", dtype="string"),
        TensorSpec(name="visits", dtype="int32"),
    ),
    outputs=(OUTPUT,),
    task="multiclass",
    classes=("a", "b", "c"),
)


def number_model(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    x = keras.Input((4,), name="x")
    return keras.Model(x, keras.layers.Dense(3, activation="softmax", name="output")(x))


def mixed_model() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = {
        "age": keras.Input((), name="age"),
        "city": keras.Input((), name="city", dtype="string"),
        "visits": keras.Input((), name="visits", dtype="int32"),
    }
    # No unit for unknown texts: the model fails on any other, padding included.
    city = keras.layers.StringLookup(vocabulary=["Bern", "Rome"], num_oov_indices=0, output_mode="one_hot")(
        inputs["city"]
    )
    age = keras.layers.Reshape((1,))(inputs["age"])
    visits = keras.layers.Embedding(10, 2)(inputs["visits"])
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Concatenate()([age, city, visits])))


@pytest.fixture(scope="module")
def predictor(register: Register, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(register(number_model(), NUMBERS), store, tmp_path_factory.mktemp("scratch"), max_batch=8)


@pytest.fixture(scope="module")
def mixed_predictor(register: Register, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(register(mixed_model(), MIXED), store, tmp_path_factory.mktemp("scratch"))


class RecordSize(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Passes its input on and notes how many rows it had, at every call of the compiled model."""

    def __init__(self, note: Callable[[int], None]) -> None:
        super().__init__()
        self._note = note

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        def note(rows: tf.Tensor) -> tf.Tensor:
            self._note(int(rows))
            return rows

        with tf.control_dependencies([tf.py_function(note, [tf.shape(inputs)[0]], tf.int32)]):
            return tf.identity(inputs)


@pytest.fixture
def sizes() -> list[int]:
    return []


@pytest.fixture
def recording(register: Register, sizes: list[int]) -> Predictor:
    """A predictor for at most 12 rows a call whose model, which only TensorFlow can run, notes in `sizes` how many."""
    x = keras.Input((4,), name="x")
    model = keras.Model(x, RecordSize(sizes.append)(x))
    predictor = Predictor(register(number_model(), NUMBERS), model, max_batch=12)
    sizes.clear()
    return predictor


def mixed_rows(rows: int) -> dict[str, np.ndarray]:
    return {
        "age": np.linspace(0, 1, rows),
        "city": np.resize(np.array(["Rome", "Bern"]), rows),
        "visits": np.arange(rows) % 10,
    }


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8, 9, 16, 21])
def test_any_number_of_rows_gets_exactly_the_models_output(predictor: Predictor, rows: int) -> None:
    x = np.random.default_rng(rows).random((rows, 4), dtype=np.float32)
    expected = number_model()(x).numpy()
    given = predictor.predict(x)
    assert given.shape == (rows, 3)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given.astype(np.float64), expected, rtol=1e-6)


def test_no_rows_give_no_rows_of_the_right_shape(predictor: Predictor) -> None:
    given = predictor.predict(np.empty((0, 4)))
    assert given.shape == (0, 3)
    assert given.dtype == np.float32


def test_a_single_input_may_also_come_by_name(predictor: Predictor) -> None:
    x = np.ones((2, 4))
    np.testing.assert_array_equal(predictor.predict({"x": x}), predictor.predict(x))


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_columns_of_numbers_text_and_categories_are_predicted_together(mixed_predictor: Predictor, rows: int) -> None:
    columns = mixed_rows(rows)
    assert isinstance(mixed_predictor.model, keras.Model)
    expected = mixed_predictor.model(
        {
            "age": tf.constant(columns["age"], tf.float32),
            "city": tf.constant(columns["city"]),
            "visits": tf.constant(columns["visits"], tf.int32),
        }
    )
    np.testing.assert_allclose(mixed_predictor.predict(columns).astype(np.float64), expected, rtol=1e-6)


def test_a_single_column_of_text_comes_with_or_without_its_name(
    register: Register, store: Store, tmp_path: Path
) -> None:
    city = {"city": keras.Input((), name="city", dtype="string")}
    one_hot = keras.layers.StringLookup(vocabulary=["Bern", "Rome"], output_mode="one_hot", name="output")
    signature = Signature(inputs=(TensorSpec(name="city", dtype="string"),), outputs=(OUTPUT,), task="regression")
    version = register(keras.Model(city, one_hot(city["city"])), signature, "cities")
    predictor = Predictor.load(version, store, tmp_path)
    cities = np.array(["Rome", "Oslo"])
    for inputs in (cities, {"city": cities}):
        np.testing.assert_array_equal(predictor.predict(inputs), [[0, 0, 1], [1, 0, 0]])


def test_text_may_come_as_python_strings_or_bytes(mixed_predictor: Predictor) -> None:
    columns = mixed_rows(4)
    expected = mixed_predictor.predict(columns)
    for as_type in (object, bytes):
        again = mixed_predictor.predict(columns | {"city": columns["city"].astype(as_type)})
        np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "uint8", "bool"])
def test_numbers_of_any_width_are_taken_where_floats_are_expected(predictor: Predictor, dtype: str) -> None:
    ones = np.ones((2, 4))
    np.testing.assert_array_equal(predictor.predict(ones.astype(dtype)), predictor.predict(ones))


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        (np.ones(4), r"input 'x' of model@1 must have shape \(rows, 4\), got \(4,\)"),
        (np.ones((2, 5)), r"must have shape \(rows, 4\), got \(2, 5\)"),
        (np.ones((2, 4, 1)), r"must have shape \(rows, 4\), got \(2, 4, 1\)"),
        (np.array(1.0, np.float32), r"must have shape \(rows, 4\), got \(\)"),
        (np.array([["a"] * 4]), "must be float32, got <U1"),
        (np.ones((1, 4), dtype=complex), "must be float32, got complex128"),
        (np.array([[1, 2, 3, 4], [1, np.nan, 3, 4]]), "finite float32 numbers, got NaN, infinite .* in row 1;"),
        (np.array([[1, 2, 3, np.inf], [1, 2, 3, 4]]), "in row 0;"),
        (np.full((3, 4), 1e300), "too large ones in 3 rows, first row 0"),
        ({"y": np.ones((1, 4))}, "takes the inputs x; got y"),
        ({"x": np.ones((1, 4)), "y": np.ones((1, 4))}, "takes the inputs x; got x, y"),
        ({}, "takes the inputs x; got none"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(predictor: Predictor, inputs: np.ndarray, complaint: str) -> None:
    with pytest.raises(InvalidJob, match=complaint):
        predictor.predict(inputs)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"age": np.ones(2)}, "equally many rows; got 2 in age, 3 in city, 3 in visits"),
        ({"city": np.ones(3)}, "input 'city' of model@1 must be text, got float64"),
        ({"city": np.array(["Rome", None, "Bern"])}, "must be text, got object"),
        ({"visits": np.ones(3)}, "input 'visits' of model@1 must be int32, got float64"),
        ({"visits": np.array([1, 2**40, 3])}, "must fit into int32, but row 1"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    mixed_predictor: Predictor, change: dict[str, np.ndarray], complaint: str
) -> None:
    with pytest.raises(InvalidJob, match=complaint):
        mixed_predictor.predict(mixed_rows(3) | change)


def test_one_array_is_no_answer_to_several_inputs(mixed_predictor: Predictor) -> None:
    with pytest.raises(InvalidJob, match="takes rows by name: 'age', 'city', 'visits'; got a single array"):
        mixed_predictor.predict(np.ones((3, 3)))


def test_only_a_bounded_number_of_batch_sizes_reaches_the_model(recording: Predictor, sizes: list[int]) -> None:
    for rows in range(1, 40):
        assert len(recording.predict(np.ones((rows, 4)))) == rows
    assert set(sizes) == {1, 2, 4, 8, 12}


def test_the_model_is_traced_once_whatever_the_number_of_rows(register: Register) -> None:
    traces = []

    class CountTraces(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            traces.append(inputs.shape)
            return inputs

    x = keras.Input((4,), name="x")
    predictor = Predictor(register(number_model(), NUMBERS), keras.Model(x, CountTraces()(x)))
    traces.clear()
    for rows in (1, 2, 5, 100, 3000):
        predictor.predict(np.ones((rows, 4)))
    assert traces == []


def test_a_model_saved_as_h5_is_loaded_too(register: Register, store: Store, tmp_path: Path) -> None:
    version = register(number_model(), NUMBERS, suffix="h5")
    given = Predictor.load(version, store, tmp_path, rows=1).predict(np.ones((1, 4)))
    np.testing.assert_allclose(given.astype(np.float64), number_model()(np.ones((1, 4))).numpy(), rtol=1e-6)


def test_a_version_without_a_keras_file_is_refused(register: Register, store: Store, tmp_path: Path) -> None:
    version = register(number_model(), NUMBERS)
    without = version.model_copy(update={"files": {"history": version.files["keras"]}})
    with pytest.raises(InvalidJob, match=r"model@1 has no file of a model \(keras, .*\), only history"):
        Predictor.load(without, store, tmp_path)


def test_a_model_with_python_code_in_it_is_refused(register: Register, store: Store, tmp_path: Path) -> None:
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.Lambda(lambda rows: rows * 2)(x))
    with pytest.raises(InvalidJob, match="holds a Lambda layer, which can run any code"):
        Predictor.load(register(model, NUMBERS, "lambda"), store, tmp_path)


def test_a_damaged_file_is_noticed(register: Register, store: Store, tmp_path: Path) -> None:
    version = register(number_model(seed=9), NUMBERS)
    Path(store.location(version.files["keras"])).write_bytes(b"not a model")
    with pytest.raises(Corrupt):
        Predictor.load(version, store, tmp_path)


def test_loading_leaves_no_file_behind(register: Register, store: Store, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    Predictor.load(register(number_model(), NUMBERS), store, scratch, rows=1)
    assert list(scratch.iterdir()) == []


def test_a_models_size_is_that_of_its_weights_and_a_little_more(predictor: Predictor) -> None:
    weights = (4 * 3 + 3) * 4
    assert weights < predictor.size_bytes < weights + 1_000_000


def test_a_models_size_counts_the_weights_of_every_engine_it_uses(register: Register) -> None:
    x = keras.Input((300,), name="x")
    model = keras.Model(x, keras.layers.Dense(300)(keras.layers.Dense(300)(x)))
    signature = Signature(
        inputs=(TensorSpec(name="x", shape=(300,), dtype="float32"),),
        outputs=(TensorSpec(name="output", shape=(300,), dtype="float32"),),
        task="regression",
    )
    predictor = Predictor(register(model, signature, "wide"), model)
    copies = len({choice.engine for choice in predictor.engines} | {predictor._reference})
    assert predictor.size_bytes > copies * model.count_params() * 4


@pytest.fixture
def load(store: Store, tmp_path: Path) -> Callable[[LoadedModels, ModelVersion], Predictor]:
    """Loads a version into the models that are kept: `load(models, version)`."""

    def load_one(models: LoadedModels, version: ModelVersion) -> Predictor:
        models.make_room(version)
        models.add(version, Predictor.load(version, store, tmp_path, rows=1))
        predictor = models.find(version)
        assert predictor
        return predictor

    return load_one


Load = Callable[[LoadedModels, ModelVersion], Predictor]


def test_models_unused_for_longest_make_room(register: Register, load: Load) -> None:
    one, two, three = (register(number_model(), NUMBERS, name) for name in ("one", "two", "three"))
    room_for_two = 2 * load(LoadedModels(10**9), one).size_bytes + 1000
    models = LoadedModels(room_for_two)
    load(models, one)
    load(models, two)
    models.find(one)
    load(models, three)
    assert models.refs == ("one@1", "three@1")
    assert models.size_bytes <= room_for_two


def test_a_model_larger_than_the_limit_is_served_all_the_same(register: Register, load: Load) -> None:
    models = LoadedModels(1)
    for name in ("one", "two"):
        assert load(models, register(number_model(), NUMBERS, name)).predict(np.ones((1, 4))).shape == (1, 3)
        assert models.refs == (f"{name}@1",)


def test_room_is_made_before_a_model_is_loaded_and_what_made_room_is_gone(register: Register, load: Load) -> None:
    models = LoadedModels(10**6)
    first = weakref.ref(load(models, register(number_model(), NUMBERS, "first")))
    assert first()
    models.make_room(register(number_model(), NUMBERS, "large").model_copy(update={"parameters": 10**6}))
    assert first() is None
    assert models.refs == ()


def test_a_version_of_a_registry_begun_anew_is_not_taken_for_the_old_one(register: Register, load: Load) -> None:
    models = LoadedModels(10**9)
    old = register(number_model(seed=1), NUMBERS)
    new = register(number_model(seed=2), NUMBERS).model_copy(
        update={"created_at": old.created_at + timedelta(seconds=1)}
    )
    assert not np.array_equal(load(models, old).predict(np.ones((1, 4))), load(models, new).predict(np.ones((1, 4))))
