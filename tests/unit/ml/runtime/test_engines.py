"""The engines besides TensorFlow: what they compute, and when they are taken."""

import logging
import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import pytest
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.signature import TensorSpec
from stoker.models.tensors import Array, Outputs
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.prediction.runtime import (
    Engine,
    ModelFailed,
    TensorFlowEngine,
    choose,
    converted,
    sample,
    why_alone,
)

Describe = Callable[..., ModelVersion]
Case = tuple[keras.Model, tuple[TensorSpec, ...]]

LARGEST = 64


def floats(name: str, *shape: int | None) -> TensorSpec:
    return TensorSpec(name=name, shape=shape, dtype="float32", low=-1, high=1)


def mlp() -> Case:
    x = keras.Input((4,), name="x")
    hidden = keras.layers.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 2, 3, 4])(x)
    hidden = keras.layers.Dense(16, activation="relu")(hidden)
    return keras.Model(x, keras.layers.Dense(2, activation="softmax")(hidden)), (floats("x", 4),)


def cnn() -> Case:
    x = keras.Input((8, 8), name="x")
    hidden = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Reshape((8, 8, 1))(x))
    hidden = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(hidden))
    return keras.Model(x, keras.layers.Dense(2)(hidden)), (floats("x", 8, 8),)


def several_inputs() -> Case:
    """Inputs of one shape that must not be mixed up, in neither the alphabet's order nor the signature's."""
    inputs = {name: keras.Input((), name=name) for name in ("b", "a", "C")}
    inputs["kind"] = keras.Input((), name="kind", dtype="int32")
    hidden = keras.layers.Concatenate()(
        [keras.layers.Reshape((1,))(inputs[name]) for name in ("a", "b", "C")]
        + [keras.layers.Embedding(3, 2)(inputs["kind"])]
    )
    specs = (floats("C"), floats("a"), TensorSpec(name="kind", dtype="int32", low=0, high=2), floats("b"))
    return keras.Model(inputs, keras.layers.Dense(2)(hidden)), specs


def several_outputs(describe: Describe) -> tuple[keras.Model, ModelVersion]:
    """Outputs, two of them of one shape, in neither the alphabet's order nor the model's."""
    x = keras.Input((4,), name="x")
    outputs = {name: keras.layers.Dense(size, name=name)(x) for name, size in (("b", 2), ("C", 3), ("a", 2))}
    version = describe(floats("x", 4))
    part = version.signature.model_copy(update={"inputs": ()})
    signature = version.signature.model_copy(update={"parts": dict.fromkeys(("C", "b", "a"), part)})
    return keras.Model(x, outputs), version.model_copy(update={"signature": signature})


def any_length() -> Case:
    x = keras.Input((None, 3), name="x")
    hidden = keras.layers.GlobalAveragePooling1D()(keras.layers.Conv1D(4, 2)(x))
    return keras.Model(x, keras.layers.Dense(2)(hidden)), (floats("x", None, 3),)


def recurrent() -> Case:
    x = keras.Input((5, 3), name="x")
    return keras.Model(x, keras.layers.Dense(2)(keras.layers.LSTM(4)(x))), (floats("x", 5, 3),)


def text() -> Case:
    city = {"city": keras.Input((), name="city", dtype="string")}
    one_hot = keras.layers.StringLookup(vocabulary=["Bern", "Rome"], output_mode="one_hot")(city["city"])
    return keras.Model(city, keras.layers.Dense(2)(one_hot)), (TensorSpec(name="city", dtype="string"),)


def lookup(vocabulary: int = 10) -> Case:
    x = keras.Input((), name="x", dtype="int32")
    spec = TensorSpec(name="x", dtype="int32", low=0, high=vocabulary - 1)
    return keras.Model(x, keras.layers.Embedding(vocabulary, 2)(x)), (spec,)


def unsaid(level: int, what: str) -> None:
    """Where a test does not look at what is said."""


def engines_of(case: Case, describe: Describe) -> tuple[Engine, list[Engine], Inputs]:
    model, specs = case
    version = describe(*specs)
    reference = TensorFlowEngine(model, version.signature, LARGEST)
    return reference, converted(reference, model.count_params(), unsaid), Inputs(version.signature, version.ref)


@pytest.mark.parametrize("case", [mlp, cnn, several_inputs])
def test_litert_and_onnx_runtime_compute_what_keras_does(case: Callable[[], Case], describe: Describe) -> None:
    reference, others, inputs = engines_of(case(), describe)
    names = {engine.name.partition("×")[0] for engine in others}
    assert names == {"litert", "onnx"}
    for rows in (1, 3, 64, 2, 2):
        made_up = sample(inputs, rows)
        expected = reference.run(made_up)
        for engine in others:
            given = engine.run(made_up)
            assert given.dtype == expected.dtype
            np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-6)


def test_a_model_for_rows_of_any_length_runs_on_engines_that_take_them(describe: Describe) -> None:
    case = any_length()
    reference, others, _ = engines_of(case, describe)
    assert [engine.name for engine in others] == ["onnx"]
    predictor = Predictor(describe(*case[1]), case[0])
    for length in (2, 7, 40):
        rows = np.random.default_rng(length).random((3, length, 3), dtype=np.float32)
        np.testing.assert_allclose(predictor.predict(rows), reference.run([rows]), rtol=1e-4, atol=1e-6)


def test_several_outputs_are_computed_by_the_other_engines_each_by_its_name(
    describe: Describe, capfd: pytest.CaptureFixture[str]
) -> None:
    model, version = several_outputs(describe)
    reference = TensorFlowEngine(model, version.signature, LARGEST)
    others = converted(reference, model.count_params(), unsaid)
    assert {engine.name.partition("×")[0] for engine in others} == {"litert", "onnx"}
    assert not why_alone(reference, model.count_params())
    for rows in (1, 3, 64):
        x = np.random.default_rng(rows).random((rows, 4), dtype=np.float32)
        expected = {name: output.numpy() for name, output in model(x).items()}
        for engine in [reference, *others]:
            given = engine.run([x])
            assert list(given) == ["C", "b", "a"]
            for name, output in given.items():
                np.testing.assert_allclose(output, expected[name], rtol=1e-5, atol=1e-6)
    assert Predictor(version, model).engines[0].engine.name == "litert"
    assert "INFO" not in capfd.readouterr().err


def test_an_engine_whose_outputs_are_mixed_up_is_not_taken(describe: Describe) -> None:
    model, version = several_outputs(describe)
    reference = TensorFlowEngine(model, version.signature, LARGEST)

    def mixed_up(x: Array) -> Outputs:
        right = reference.run([x])
        return {"C": right["C"], "b": right["a"], "a": right["b"]}

    choices = choose(reference, [Doubtful("quick", mixed_up)], Inputs(version.signature, version.ref), LARGEST, unsaid)
    assert {choice.engine.name for choice in choices} == {"tensorflow"}


@pytest.mark.parametrize("case", [text, recurrent])
def test_a_model_that_cannot_be_converted_runs_on_tensorflow(
    case: Callable[[], Case], describe: Describe, capfd: pytest.CaptureFixture[str]
) -> None:
    model, specs = case()
    predictor = Predictor(describe(*specs), model)
    assert {choice.engine.name for choice in predictor.engines} == {"tensorflow"}
    why = "it takes text" if case is text else "other engines have no TensorListReserve"
    assert predictor.remarks == [f"model@1 is computed by TensorFlow alone, for {why}"]
    assert why_alone(TensorFlowEngine(model, describe(*specs).signature, 1), model.count_params()) == why
    assert "error" not in capfd.readouterr().err


class Gamma(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """An operation that neither LiteRT nor ONNX has."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.math.igamma(tf.abs(inputs) + 1, tf.abs(inputs))


def test_a_conversion_that_fails_costs_a_line_in_the_log(describe: Describe, caplog: pytest.LogCaptureFixture) -> None:
    x = keras.Input((4,), name="x")
    with caplog.at_level(logging.WARNING):
        predictor = Predictor(describe(floats("x", 4)), keras.Model(x, Gamma()(x)))
    assert {choice.engine.name for choice in predictor.engines} == {"tensorflow"}
    told = [record.getMessage() for record in caplog.records if "is computed without" in record.getMessage()]
    assert [line.partition(":")[0] for line in told] == [
        "model@1 is computed without LiteRT, for its conversion failed",
        "model@1 is computed without ONNX Runtime, for its conversion failed",
    ]
    assert predictor.remarks == told
    assert not any("\n" in line for line in told)


def test_a_large_model_is_not_converted(describe: Describe) -> None:
    x = keras.Input((1500,), name="x")
    model = keras.Model(x, keras.layers.Dense(1500)(x))
    assert engines_of((model, (floats("x", 1500),)), describe)[1] == []
    engine = TensorFlowEngine(model, describe(floats("x", 1500)).signature, 1)
    assert why_alone(engine, model.count_params()) == "it has more than 2,000,000 parameters"


def test_one_row_of_a_small_model_is_computed_by_litert(describe: Describe) -> None:
    model, specs = mlp()
    choices = Predictor(describe(*specs), model).engines
    assert [choice.rows for choice in choices] == [1, 16, 256]
    assert choices[0].engine.name == "litert"
    assert 0 < choices[0].seconds < 1
    assert str(choices[0]).startswith("litert from 1 row(s) on (")


def test_no_size_above_the_largest_batch_is_measured(describe: Describe) -> None:
    model, specs = mlp()
    assert [choice.rows for choice in Predictor(describe(*specs), model, max_batch=10).engines] == [1, 10]


def test_a_job_has_only_those_engines_made_that_pay_for_its_rows(describe: Describe) -> None:
    model, specs = mlp()
    few, many = (Predictor(describe(*specs), model, rows=rows).engines for rows in (10, 10**9))
    assert [(choice.rows, choice.engine.name) for choice in few] == [(10, "tensorflow")]
    assert [choice.rows for choice in many] == [256]
    assert many[0].engine.name != "tensorflow"
    assert [choice.rows for choice in Predictor(describe(*specs), model, max_batch=32, rows=10**9).engines] == [32]


class Slow(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Computes as long as there are rows, and notes how many it was given at most."""

    def __init__(self, note: Callable[[int], None]) -> None:
        super().__init__()
        self._note = note

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.py_function(self._wait, [inputs], tf.float32), inputs.shape)

    def _wait(self, inputs: tf.Tensor) -> tf.Tensor:
        self._note(len(inputs))
        until = time.process_time() + 0.03 * len(inputs)
        while time.process_time() < until:
            pass
        return inputs


def test_a_model_is_measured_with_no_more_rows_than_its_job_has_or_it_has_time_for(describe: Describe) -> None:
    seen: list[int] = []
    x = keras.Input((4,), name="x")
    Predictor(describe(floats("x", 4)), keras.Model(x, Slow(seen.append)(x)), rows=10**6)
    assert max(seen) == 16


class Doubtful:
    """An engine that answers at once with what it was given."""

    threads = 1
    size_bytes = 0

    def __init__(self, name: str, answer: Callable[[Array], Outputs]) -> None:
        self.name = name
        self._answer = answer

    def run(self, columns: Sequence[Array]) -> Outputs:
        return self._answer(columns[0])


def fail(_: Array) -> Array:
    raise ModelFailed("no")


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (lambda x: x * 2, True),
        (lambda x: x * 2 * (1 + 1e-6), True),
        (lambda x: x * 2 + 0.01, False),
        (lambda x: x * np.nan, False),
        (lambda x: x[:, :1], False),
        (lambda x: (x * 2).astype(np.float64), False),
        (fail, False),
    ],
)
def test_a_quick_engine_is_taken_if_its_outputs_agree(
    answer: Callable[[Array], Array], taken: bool, describe: Describe
) -> None:
    x = keras.Input((4,), name="x")
    version = describe(floats("x", 4))
    reference = TensorFlowEngine(keras.Model(x, keras.layers.Rescaling(2.0)(x)), version.signature, LARGEST)
    choices = choose(reference, [Doubtful("quick", answer)], Inputs(version.signature, version.ref), LARGEST, unsaid)
    assert {choice.engine.name for choice in choices} == {"quick" if taken else "tensorflow"}


def test_more_cores_are_used_only_where_that_saves_much(describe: Describe) -> None:
    x = keras.Input((4,), name="x")
    version = describe(floats("x", 4))
    reference = TensorFlowEngine(keras.Model(x, keras.layers.Rescaling(2.0)(x)), version.signature, LARGEST)
    one, many = Doubtful("one", lambda x: (x + x) * 1), Doubtful("many", lambda x: x + x)
    many.threads = 2
    assert {
        choice.engine.name
        for choice in choose(reference, [many, one], Inputs(version.signature, version.ref), LARGEST, unsaid)
    } == {"one"}


@pytest.mark.parametrize("index", [10, 10**6])
def test_every_engine_fails_cleanly_on_an_index_out_of_range(index: int, describe: Describe) -> None:
    reference, others, inputs = engines_of(lookup(), describe)
    assert others
    for engine in [reference, *others]:
        with pytest.raises(ModelFailed):
            engine.run([np.array([1, index], np.int32)])
        assert engine.run(sample(inputs, 2)).shape == (2, 2)


def test_what_the_model_fails_on_is_said_in_one_sentence(describe: Describe) -> None:
    model, specs = lookup()
    with pytest.raises(InvalidJob, match=r"^model@1 fails on these inputs: .*(out of bounds|not in|out of range)"):
        Predictor(describe(*specs), model).predict(np.array([10], np.int32))
