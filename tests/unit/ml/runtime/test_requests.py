"""Many requests computed together."""

import re
from collections.abc import Callable, Sequence

import keras
import numpy as np
import pytest
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.models.manifest import ModelVersion
from stoker.models.signature import TensorSpec
from stoker.models.tensors import Array, Tensors, decode_tensors, encode_tensors
from stoker_workers.ml.prediction.predictor import Predictor

Describe = Callable[..., ModelVersion]


def answers_of(predictor: Predictor, requests: Sequence[Tensors]) -> list[Array | InvalidJob]:
    answers = predictor.predict_encoded([encode_tensors(request) for request in requests])
    return [answer if isinstance(answer, InvalidJob) else np.asarray(decode_tensors(answer)) for answer in answers]


@pytest.fixture(scope="module")
def single(describe: Describe) -> Predictor:
    x = keras.Input((4,), name="x")
    spec = TensorSpec(name="x", shape=(4,), dtype="float32", low=0, high=1)
    return Predictor(describe(spec), keras.Model(x, keras.layers.Dense(2)(x)), max_batch=64)


@pytest.fixture(scope="module")
def mixed(describe: Describe) -> Predictor:
    """Numbers and text; it fails on any text but two."""
    inputs = {"age": keras.Input((), name="age"), "city": keras.Input((), name="city", dtype="string")}
    city = keras.layers.StringLookup(vocabulary=["Bern", "Zürich"], num_oov_indices=0, output_mode="one_hot")
    joined = keras.layers.Concatenate()([keras.layers.Reshape((1,))(inputs["age"]), city(inputs["city"])])
    specs = TensorSpec(name="age", dtype="float32"), TensorSpec(name="city", dtype="string")
    return Predictor(describe(*specs), keras.Model(inputs, keras.layers.Dense(2)(joined)))


class Recorded(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Passes its input on, notes how many rows it had, and fails on negative numbers."""

    def __init__(self, note: Callable[[int], None]) -> None:
        super().__init__()
        self._note = note

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        def note(rows: tf.Tensor) -> tf.Tensor:
            self._note(int(rows))
            return rows

        noted = tf.py_function(note, [tf.shape(inputs)[0]], tf.int32)
        with tf.control_dependencies([noted, tf.debugging.assert_non_negative(inputs, message="below zero")]):
            return tf.identity(inputs)


@pytest.fixture
def calls() -> list[int]:
    return []


@pytest.fixture
def recorded(describe: Describe, calls: list[int]) -> Predictor:
    """Notes in `calls` how many rows each call of the model has."""
    x = keras.Input((2,), name="x")
    spec = TensorSpec(name="x", shape=(2,), dtype="float32", low=0, high=1)
    predictor = Predictor(describe(spec), keras.Model(x, Recorded(calls.append)(x)))
    calls.clear()
    return predictor


def rows_of(*counts: int) -> list[Array]:
    random = np.random.default_rng(0)
    return [random.random((count, 4), dtype=np.float32) for count in counts]


def check(predictor: Predictor, requests: Sequence[Tensors], answers: Sequence[Array | InvalidJob]) -> None:
    """Every answer is what the request gets by itself."""
    for request, given in zip(requests, answers, strict=True):
        assert isinstance(given, np.ndarray)
        expected = predictor.predict(request)
        assert given.shape == expected.shape
        np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("counts", [(1,) * 256, (1, 5, 0, 1, 3), (100, 1), (0, 0), (1,), ()])
def test_each_request_gets_the_outputs_of_its_own_rows(counts: tuple[int, ...], single: Predictor) -> None:
    requests = rows_of(*counts)
    check(single, requests, answers_of(single, requests))


def test_requests_of_several_dtypes_and_orders_are_answered_in_their_order(single: Predictor) -> None:
    requests: list[Tensors] = []
    for rows in rows_of(1, 2, 1, 3, 1):
        requests += [rows, rows.astype(np.float64), np.asfortranarray(rows), rows.astype(">f4"), {"x": rows}]
    check(single, requests, answers_of(single, requests))


def test_columns_of_numbers_and_text_are_answered_too(mixed: Predictor) -> None:
    cities = ["Bern", "Zürich"]
    requests = [{"city": np.array([cities[at % 2]]), "age": np.array([at / 8])} for at in range(40)]
    check(mixed, requests, answers_of(mixed, requests))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (np.ones((1, 5)), r"must have shape \(rows, 4\), got \(1, 5\)"),
        (np.ones(4), r"must have shape \(rows, 4\), got \(4,\)"),
        (np.array(1.0), r"must have shape \(rows, 4\), got \(\)"),
        (np.array([[1, 2, np.nan, 4]], np.float32), "got NaN, infinite or too large ones in row 0"),
        (np.full((2, 4), np.inf, np.float32), "in 2 rows, first row 0"),
        (np.array([["a"] * 4]), "must be float32, got <U1"),
        ({"y": np.ones((1, 4))}, "takes the inputs x; got y"),
    ],
)
@pytest.mark.parametrize("at", [0, 33, 63])
def test_a_wrong_request_fails_alone_with_its_own_sentence(
    wrong: Tensors, complaint: str, at: int, single: Predictor
) -> None:
    requests: list[Tensors] = list(rows_of(*[1] * 63))
    answers = answers_of(single, [*requests[:at], wrong, *requests[at:]])
    refused = answers.pop(at)
    assert isinstance(refused, InvalidJob)
    assert re.search(complaint, refused.message)
    check(single, requests, answers)


def test_requests_that_are_all_wrong_are_each_told_so(single: Predictor) -> None:
    answers = answers_of(single, [np.full((1, 4), np.nan, np.float32)] * 9)
    assert [type(given) for given in answers] == [InvalidJob] * 9


@pytest.mark.parametrize("wrong", ["Paris", "\ud800", ""])
def test_only_the_request_that_the_model_fails_on_is_refused(wrong: str, mixed: Predictor) -> None:
    requests = [{"age": np.ones(1), "city": np.array([city])} for city in ["Bern", wrong, "Zürich", "Bern", wrong]]
    answers = answers_of(mixed, requests)
    assert [isinstance(given, InvalidJob) for given in answers] == [False, True, False, False, True]
    check(mixed, [requests[at] for at in (0, 2, 3)], [answers[at] for at in (0, 2, 3)])


def test_columns_with_different_numbers_of_rows_are_refused(mixed: Predictor) -> None:
    good = {"age": np.ones(1), "city": np.array(["Bern"])}
    answers = answers_of(mixed, [good, {"age": np.ones(2), "city": np.array(["Bern"])}, good])
    assert isinstance(answers[1], InvalidJob)
    assert "equally many rows; got 2 in age, 1 in city" in answers[1].message
    check(mixed, [good, good], [answers[0], answers[2]])


def test_requests_that_are_alike_are_computed_in_one_call(recorded: Predictor, calls: list[int]) -> None:
    answers_of(recorded, [np.ones((1, 2), np.float32)] * 30 + [np.ones((2, 2), np.float32)])
    assert calls == [32]


def test_texts_of_different_lengths_are_computed_in_one_call(describe: Describe, calls: list[int]) -> None:
    city = {"city": keras.Input((), name="city", dtype="string")}
    one_hot = keras.layers.StringLookup(vocabulary=["Bern", "Zürich"], output_mode="one_hot")(city["city"])
    model = keras.Model(city, Recorded(calls.append)(one_hot))
    predictor = Predictor(describe(TensorSpec(name="city", dtype="string")), model)
    calls.clear()
    answers = answers_of(predictor, [{"city": np.array([name])} for name in ("Bern", "Zürich")])
    assert calls == [2]
    np.testing.assert_array_equal(np.concatenate(answers), [[0, 1, 0], [0, 0, 1]])  # type: ignore[arg-type]  # none is refused


def test_finding_the_one_to_blame_computes_few_rows_twice(recorded: Predictor, calls: list[int]) -> None:
    requests = [np.ones((1, 2), np.float32) for _ in range(64)]
    requests[20] = -requests[20]
    answers = answers_of(recorded, requests)
    assert [at for at, given in enumerate(answers) if isinstance(given, InvalidJob)] == [20]
    assert len(calls) == 1 + 2 * 6  # both halves, six times
    refused = answers[20]
    assert isinstance(refused, InvalidJob)
    assert refused.message.startswith("model@1 fails on these inputs: ")


def test_bytes_that_are_no_tensors_fail_alone(single: Predictor) -> None:
    good = encode_tensors(rows_of(1)[0])
    answers = single.predict_encoded([good, b"", good[:-1], good + b"x", b"\x93NUMPY" + bytes(200), good])
    assert [isinstance(answer, InvalidJob) for answer in answers] == [False, True, True, True, True, False]
    assert answers[0] == answers[5]


def test_rows_of_different_lengths_are_grouped_by_their_shape(describe: Describe) -> None:
    x = keras.Input((None, 3), name="x")
    model = keras.Model(x, keras.layers.GlobalAveragePooling1D()(x))
    predictor = Predictor(describe(TensorSpec(name="x", shape=(None, 3), dtype="float32")), model)
    random = np.random.default_rng(0)
    requests = [random.random((1, length, 3), dtype=np.float32) for length in (2, 9, 2, 5, 9, 2)]
    for given, request in zip(answers_of(predictor, requests), requests, strict=True):
        np.testing.assert_allclose(given, request.mean(axis=1), rtol=1e-5)  # type: ignore[arg-type]  # none is refused
