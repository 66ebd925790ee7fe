"""Features: one pass over the rows, and the encoding that follows from it."""

from collections.abc import Callable

import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.models.manifest import Signature, TensorSpec
from stoker_workers.ml.data import Arrays, Values
from stoker_workers.ml.preprocessing.features import encode_inputs, encode_target
from stoker_workers.ml.preprocessing.layers import build_preprocessing, preprocess
from stoker_workers.ml.preprocessing.profile import Moments, Profile, Task, profile
from stoker_workers.ml.preprocessing.split import ExactSplit, HashedSplit
from stoker_workers.ml.run import Run, Stopped


def source_of(columns: dict[str, object]) -> Arrays:
    texts = {name: isinstance(values, list) and isinstance(values[0], str) for name, values in columns.items()}
    arrays: dict[str, Values] = {
        name: np.array(values, dtype=object if texts[name] else None) for name, values in columns.items()
    }
    return Arrays(arrays, "test")


@pytest.fixture
def profile_of(open_run: Callable[..., Run]) -> Callable[..., Profile]:
    """Profiles columns given by name, without holding rows out."""

    def profile_columns(task: Task | None = None, **columns: object) -> Profile:
        source = source_of(columns)
        return profile(source, ExactSplit(source.rows, 0, 0), open_run(), ref="the test's data", task=task)

    return profile_columns


ProfileOf = Callable[..., Profile]


def test_number_columns_become_one_vector(profile_of: ProfileOf) -> None:
    found = profile_of(a=[1, 2, 3], b=[0.5, 0.5, 8.0], c=[True, False, True], y=["u", "v", "u"])
    assert found.inputs == (
        TensorSpec(name="features", shape=(3,), dtype="float32", low=0, high=8, columns=("a", "b", "c")),
    )
    encoded = encode_inputs(found.signature(1), {"c": np.array([True]), "b": np.array([2.0]), "a": np.array([7])})
    assert isinstance(encoded, np.ndarray)
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[7, 2, 1]]


def test_arrays_of_any_shape_stay_one_tensor(profile_of: ProfileOf) -> None:
    found = profile_of(x=np.arange(24).reshape(2, 3, 4), y=[0, 1])
    assert found.inputs == (TensorSpec(name="x", shape=(3, 4), dtype="float32", low=0, high=23),)
    assert found.signature(1).target is None


def test_a_text_column_makes_every_column_an_input_of_its_own(profile_of: ProfileOf) -> None:
    found = profile_of(a=[1.0, 2.0], t=["p", "q"], label=[0, 1])
    assert [(spec.name, spec.dtype, spec.shape) for spec in found.inputs] == [("a", "float32", ()), ("t", "string", ())]
    assert found.categories == {"t": ("p", "q")}
    assert found.signature(1).target == "label"


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        ([10, 9, 10, 2], None, ("2", "9", "10")),
        (["b", "a", "b", "c"], None, ("a", "b", "c")),
        ([True, False, True, True], None, ("False", "True")),
        ([1.0, 2.0, 1.0, 3.0], "classification", ("1", "2", "3")),
        ([1.0, 2.0, 1.0, 3.0], None, ()),
        ([1, 2, 1, 3], "regression", ()),
    ],
)
def test_the_task_is_read_off_the_target(
    profile_of: ProfileOf, target: object, task: Task | None, classes: tuple[str, ...]
) -> None:
    found = profile_of(a=[1, 2, 3, 4], y=target, task=task)
    assert found.classes == classes
    assert found.task == ("regression" if not classes else "binary" if len(classes) == 2 else "multiclass")


def test_labels_become_indices_into_the_sorted_classes(profile_of: ProfileOf) -> None:
    signature = profile_of(a=[1, 2, 3], y=[10, 9, 2]).signature(3)
    indices = encode_target(signature, np.array([2, 10, 9, 10]))
    assert indices.tolist() == [0, 2, 1, 2]
    assert indices.dtype == np.int32
    assert encode_target(signature, np.array(["9", "2"], dtype=object)).tolist() == [1, 0]
    with pytest.raises(InvalidJob, match=r"labels that the model was not trained on: '7'; it knows '2', '9', '10'"):
        encode_target(signature, np.array([2, 7]))


def test_numbers_to_predict_stay_numbers(profile_of: ProfileOf) -> None:
    found = profile_of(a=[1, 2, 3], y=[0.5, -1.5, 2.0])
    assert found.signature(1).outputs[0].low == -1.5
    assert encode_target(found.signature(1), np.array([1, 2])).dtype == np.float32


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0, np.nan, 3.0]}, r"column 'a' holds nan in row 1 \(the first row is 0\)"),
        ({"a": [[1.0, 2.0], [3.0, np.inf], [0.0, 0.0]]}, "column 'a' holds inf in row 1"),
        ({"a": [1.0, 1e300, 3.0]}, r"column 'a' holds 1e\+300 in row 1"),
        ({"a": ["x", None, "z"]}, "column 'a' holds None in row 1"),
        ({"a": [[1, 2]] * 3, "b": [1, 2, 3]}, r"column 'a' has rows of shape \(2,\).*set features=\('a',\)"),
        ({"a": ["x", "y", "z"], "b/c": [1, 2, 3]}, "column 'b/c' has a / in its name"),
        ({"a": np.array(["2026-01-01"] * 3, dtype="datetime64[D]")}, r"column 'a' holds datetime64\[D\]"),
    ],
)
def test_data_that_cannot_be_learned_from_is_named(
    profile_of: ProfileOf, columns: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidJob, match=message):
        profile_of(**columns, y=[0, 1, 0])


@pytest.mark.parametrize(
    ("target", "task", "message"),
    [
        ([1, 1, 1], None, "has only one label, '1'"),
        ([0.5, 1.0, 2.0], "classification", "numbers that are not whole.*task='regression'"),
        ([0.5, np.nan, 2.0], None, "column 'y' holds nan in row 1"),
        (["a", "b", "c"], "regression", "column 'y' holds text; expected numbers"),
        ([[0, 1], [1, 0], [0, 1]], None, r"entries of shape \(2,\); expected one label per row"),
    ],
)
def test_a_target_that_cannot_be_learned_is_named(
    profile_of: ProfileOf, target: object, task: Task | None, message: str
) -> None:
    with pytest.raises(InvalidJob, match=message):
        profile_of(a=[1, 2, 3], y=target, task=task)


def test_free_text_is_refused(profile_of: ProfileOf) -> None:
    texts = [f"customer {number}" for number in range(1_001)]
    with pytest.raises(InvalidJob, match="column 'a' holds more than 1,000 different texts"):
        profile_of(a=texts, y=np.arange(1_001) % 2)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0]}, "has no column 'b', which the model takes; it has 'a'"),
        ({"a": [1.0], "b": ["x"]}, "column 'b' holds text; expected numbers"),
        ({"a": [1.0], "b": [[1.0, 2.0]]}, r"column 'b' has rows of shape \(2,\); expected one number per row"),
        ({"a": [1.0], "b": [np.inf]}, "column 'b' holds inf in row 0"),
    ],
)
def test_rows_that_do_not_fit_the_signature_are_refused(columns: dict[str, list[object]], message: str) -> None:
    signature = Signature(
        inputs=(TensorSpec(name="features", shape=(2,), dtype="float32", columns=("a", "b")),),
        outputs=(TensorSpec(name="output", shape=(1,), dtype="float32"),),
        task="regression",
    )
    with pytest.raises(InvalidJob, match=message):
        encode_inputs(signature, {name: np.array(values) for name, values in columns.items()})


def test_moments_of_batches_are_those_of_the_whole() -> None:
    values = np.random.default_rng(0).normal(1e4, 1e-1, size=(1_000, 3)).astype(np.float32)
    moments = Moments((3,))
    for part in np.split(values, [1, 1, 300, 999]):
        moments.update(part)
    whole = values.astype(np.float64)
    np.testing.assert_allclose(moments.mean, whole.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.variance, whole.var(axis=0), rtol=1e-6)
    assert (moments.low, moments.high) == (values.min(), values.max())


def test_numbers_are_scaled_by_the_training_rows_alone(open_run: Callable[..., Run]) -> None:
    source = source_of({"a": np.arange(100.0), "y": np.arange(100) % 2})
    split = ExactSplit(100, 0.2, 1)
    found = profile(source, split, open_run(), ref="test")
    assert (found.rows, found.held_out, sum(found.class_rows)) == (80, 20, 80)
    trained_on = np.arange(100.0)[~split.held_out(0, 100)]
    layers = build_preprocessing(found, normalize=True)
    expected = (trained_on - trained_on.mean()) / trained_on.std()
    np.testing.assert_allclose(
        preprocess(layers, trained_on[:, None].astype(np.float32))[:, 0], expected, rtol=1e-4, atol=1e-5
    )


def test_a_column_that_never_varies_is_only_centred(profile_of: ProfileOf) -> None:
    layers = build_preprocessing(profile_of(a=[0.1, 0.1, 0.1], b=[1, 2, 3], y=[0, 1, 0]), normalize=True)
    scaled = preprocess(layers, np.array([[0.1, 2.0], [3.1, 2.0]], np.float32))
    np.testing.assert_allclose(scaled, [[0, 0], [3, 0]], atol=1e-6)


def test_texts_become_one_hot_with_a_place_for_unknown_ones(profile_of: ProfileOf) -> None:
    layers = build_preprocessing(profile_of(t=["p", "q", "p"], y=[0, 1, 0]), normalize=True)
    encoded = preprocess(layers, {"t": np.array(["q", "p", "never seen"], dtype=object)})
    assert encoded.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_without_normalization_numbers_need_no_layers(profile_of: ProfileOf) -> None:
    assert build_preprocessing(profile_of(a=[1, 2], y=[0, 1]), normalize=False) is None


def test_reading_stops_when_asked_to(open_run: Callable[..., Run]) -> None:
    source = source_of({"a": [1, 2], "y": [0, 1]})
    with pytest.raises(Stopped):
        profile(source, ExactSplit(2, 0, 0), open_run(stop_requested=lambda: "cancel"), ref="test")


def test_an_exact_split_holds_out_its_share_but_never_all() -> None:
    assert [ExactSplit(rows, 0.1, 0).held_out(0, rows).sum() for rows in (1, 2, 4, 100)] == [0, 1, 1, 10]
    assert not np.array_equal(ExactSplit(100, 0.5, 0).held_out(0, 100), ExactSplit(100, 0.5, 1).held_out(0, 100))


def test_a_hashed_split_depends_on_the_row_alone() -> None:
    split = HashedSplit(0.1, seed=7)
    whole = split.held_out(0, 100_000)
    assert whole.mean() == pytest.approx(0.1, abs=0.005)
    assert np.array_equal(np.concatenate([split.held_out(0, 300), split.held_out(300, 1_000)]), whole[:1_000])
    assert (whole & HashedSplit(0.1, seed=8).held_out(0, 100_000)).mean() == pytest.approx(0.01, abs=0.002)
    assert not HashedSplit(0, seed=7).held_out(0, 100_000).any()
