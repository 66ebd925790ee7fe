"""What a model takes is checked without TensorFlow, and what is wrong is said in one sentence."""

import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.models.inputs import Inputs
from stoker.models.signature import Signature, TensorSpec
from stoker.models.tensors import Tensors, decode_tensors, encode_tensors

PIXELS = TensorSpec(name="x", shape=(3,), dtype="float32", low=0, high=16)
PERSON = TensorSpec(
    name="features", shape=(2,), dtype="float32", columns=("age", "income"), limits={"age": (0, 130)}, low=0, high=9e4
)


def inputs(*specs: TensorSpec) -> Inputs:
    return Inputs(Signature(inputs=specs, outputs=(), task="regression"), "model@1")


@pytest.mark.parametrize("rows", [np.zeros((2, 3), np.float32), np.zeros((0, 3)), np.arange(6).reshape(2, 3)])
def test_rows_that_the_model_takes_pass(rows: Tensors) -> None:
    inputs(PIXELS).check(rows)


@pytest.mark.parametrize("spec", [PIXELS, PERSON, PIXELS.model_copy(update={"dtype": "int64"})])
@pytest.mark.parametrize("shape", [(), (3,), (2,), (0, 3), (2, 3), (2, 2), (2, 3, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "U1", "O"])
@pytest.mark.parametrize("number", [0, 1, 1971, np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_usual_rows_are_none_that_a_look_at_all_would_refuse_or_change(
    spec: TensorSpec, shape: tuple[int, ...], dtype: str, number: float
) -> None:
    model, rows = inputs(spec), np.full(shape, number).astype(dtype)
    if model.is_usual(rows):
        assert model.encoded(rows) is rows
        model.check(rows)


def test_rows_of_the_models_own_type_are_usual() -> None:
    assert inputs(PIXELS).is_usual(np.zeros((2, 3), np.float32))
    assert not inputs(PIXELS, PERSON).is_usual(np.zeros((2, 3), np.float32))


def test_one_bad_row_among_many_is_named() -> None:
    rows = np.zeros((1000, 3), np.float32)
    rows[417, 2] = np.nan
    with pytest.raises(InvalidJob, match=r"'x' of model@1 must hold finite float32 numbers, got NaN.* in row 417;"):
        inputs(PIXELS).check(rows)


def test_several_bad_rows_are_counted_and_the_first_is_named() -> None:
    rows = np.zeros((9, 3))
    rows[[4, 7], 0] = 1e300  # finite, but not as the float32 that the model takes
    with pytest.raises(InvalidJob, match="too large ones in 2 rows, first row 4;"):
        inputs(PIXELS).check(rows)


def test_what_training_has_not_seen_is_drift_and_no_error() -> None:
    inputs(PIXELS).check(np.full((1, 3), -1e6, np.float32))


def test_a_column_beyond_its_limit_is_refused() -> None:
    with pytest.raises(InvalidJob, match="'age' must be from 0 to 130 for model@1, but is not in row 1;"):
        inputs(PERSON).check(np.array([[30, -5e9], [1971, 0]]))
    inputs(PERSON).check(np.array([[0, -5e9], [130, 0]]))


def test_a_tensor_beyond_its_limit_is_refused() -> None:
    limited = PIXELS.model_copy(update={"limits": {"x": (0.0, 16.0)}})
    with pytest.raises(InvalidJob, match="'x' must be from 0 to 16 for model@1, but is not in row 0;"):
        inputs(limited).check(np.array([[1, 2, 17]]))


def test_numbers_of_a_type_that_numpy_alone_does_not_know_are_checked_as_floats() -> None:
    short = inputs(TensorSpec(name="x", shape=(3,), dtype="bfloat16"))
    short.check(np.zeros((1, 3)))
    with pytest.raises(InvalidJob, match="in row 0"):
        short.check(np.full((1, 3), np.inf))


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        (np.zeros(3), r"must have shape \(rows, 3\), got \(3,\)"),
        (np.zeros((1, 4)), r"must have shape \(rows, 3\), got \(1, 4\)"),
        (np.array([["a", "b", "c"]]), "must be float32, got <U1; convert it"),
        (np.array([[1, "b", None]], object), "must be float32, got object; convert it"),
        ({"y": np.zeros((1, 3))}, "takes the inputs x; got y"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(tensors: Tensors, complaint: str) -> None:
    with pytest.raises(InvalidJob, match=complaint):
        inputs(PIXELS).check(tensors)


@pytest.mark.parametrize("given", [np.array(["good", "häßlich"], object), {"x": ["good", "häßlich"]}])
def test_texts_for_a_model_without_columns_are_made_such_that_they_can_be_sent(given: Tensors) -> None:
    texts = inputs(TensorSpec(name="x", shape=(), dtype="string"))
    encoded = texts.encoded(given)
    texts.check(encoded)
    assert decode_tensors(encode_tensors(encoded)) is not None
    lacking = texts.encoded(np.array(["good", None], object))
    with pytest.raises(InvalidJob, match="'x' of model@1 must be text"):
        texts.check(lacking)
