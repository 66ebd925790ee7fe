"""Preprocessing: one pass over the rows, the model's inputs, and the layers that follow from it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.models.rows import encode
from stoker.models.tensors import Array
from stoker.models.values import values_of
from stoker_workers.ml.columns.task import TaskName
from stoker_workers.ml.data import Arrays, Column, Values
from stoker_workers.ml.preprocessing import layers, texts
from stoker_workers.ml.preprocessing.layers import Preprocessing, build_preprocessing
from stoker_workers.ml.preprocessing.parts import Codes, Needs, Words
from stoker_workers.ml.preprocessing.profile import Profile, profile
from stoker_workers.ml.preprocessing.shares import Part, by_chance
from stoker_workers.ml.preprocessing.split import TRAINED, ExactSplit
from stoker_workers.ml.preprocessing.target import encode_target
from stoker_workers.ml.run import Run, Stopped


def source_of(columns: Mapping[str, object]) -> Arrays:
    arrays: dict[str, Values] = {name: values_of(values) for name, values in columns.items()}
    plain = Arrays(arrays, "test")
    lists = {name for name, values in arrays.items() if any(isinstance(value, np.ndarray) for value in values)}
    columns_of = tuple(
        Column(column.name, "list") if column.name in lists and not column.shape else column for column in plain.columns
    )
    return Arrays(arrays, "test", columns=columns_of)


@pytest.fixture
def profile_of(open_run: Callable[..., Run]) -> Callable[..., Profile]:
    """Profiles columns given by name, without holding rows out."""

    def profile_columns(
        task: TaskName | None = None,
        features: Sequence[str] | None = None,
        **columns: object,
    ) -> Profile:
        source, run = source_of(columns), open_run()
        split = held_out_by_chance(source.rows, 0)
        return profile(source, split, run, ref="the test's data", task=task, features=features)

    return profile_columns


ProfileOf = Callable[..., Profile]
OpenRun = Callable[..., Run]


def prepared(found: Profile, columns: Mapping[str, object], *, normalize: bool = True) -> Array:
    """The network's tensor for rows by column."""
    [tensor] = build_preprocessing(found, normalize=normalize)(encode(found.inputs, columns))
    return tensor


def test_columns_of_numbers_share_a_tensor(profile_of: ProfileOf) -> None:
    found = profile_of(a=[1, 2, 4], b=[0.5, 0.5, 8.0], y=["u", "v", "u"])
    [features] = found.inputs
    assert (features.name, features.shape, features.dtype, features.columns) == (
        "features",
        (2,),
        "float32",
        ("a", "b"),
    )
    assert (features.low, features.high, features.kind, features.gaps) == (0.5, 8, "number", True)


def test_each_other_kind_has_its_tensors(profile_of: ProfileOf) -> None:
    rows = 40
    found = profile_of(
        size=np.linspace(0.5, 2, rows),
        member=np.arange(rows) % 2 == 0,
        colour=["red", "green"] * (rows // 2),
        at=np.datetime64("2026-01-01", "us") + np.arange(rows) * np.timedelta64(7, "h"),
        note=[f"a text of some words {n}" for n in range(rows)],
        box=np.ones((rows, 3)),
        y=[0, 1] * (rows // 2),
    )
    assert [(spec.name, spec.dtype, spec.shape, spec.columns) for spec in found.inputs] == [
        ("features", "float32", (1,), ("size",)),
        ("booleans", "float32", (1,), ("member",)),
        ("categories", "string", (1,), ("colour",)),
        ("times", "int64", (1,), ("at",)),
        ("text_note", "string", (), ("note",)),
        ("vector_box", "float32", (3,), ("box",)),
    ]
    assert found.signature((1, False)).target == "y"


def test_arrays_of_any_shape_stay_one_tensor(profile_of: ProfileOf) -> None:
    found = profile_of(x=np.arange(24).reshape(2, 3, 4), y=[0, 1])
    [x] = found.inputs
    assert (x.name, x.shape, x.dtype, x.low, x.high, x.kind) == ("x", (3, 4), "float32", 0, 23, None)
    assert found.signature((1, False)).target is None


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        ([10, 9, 10, 2] * 20, "classification", ("2", "9", "10")),
        (["b", "a", "b", "c"] * 20, None, ("a", "b", "c")),
        ([True, False, True, True] * 20, None, ("False", "True")),
        ([1.0, 2.0, 1.0, 3.0] * 20, None, ("1", "2", "3")),
        ([0.5, 2.0, 1.0, 3.0] * 20, None, ()),
        ([0.5, 2.0, 1.0, 3.0] * 20, "classification", ("0.5", "1", "2", "3")),
        ([1, 2, 1, 3] * 20, "regression", ()),
        ([[0, 1], [1, 0], [0, 1], [0, 1]] * 20, None, ("0", "1")),
    ],
)
def test_the_task_is_read_off_the_target(
    profile_of: ProfileOf, target: object, task: TaskName | None, classes: tuple[str, ...]
) -> None:
    found = profile_of(a=np.linspace(0, 1, 80), y=target, task=task)
    [target] = found.targets
    assert target.classes == classes
    assert target.task == ("regression" if not classes else "binary" if len(classes) == 2 else "multiclass")


def test_labels_become_indices_into_the_classes(profile_of: ProfileOf) -> None:
    signature = profile_of(a=[0.5, 2, 3], y=[10, 9, 2], task="classification").signature((3, False))
    indices = encode_target(signature, {"y": np.array([2, 10, 9, 10])})
    assert indices.tolist() == [0, 2, 1, 2]
    assert indices.dtype == np.int32
    assert encode_target(signature, {"y": np.array(["9", "2"], dtype=object)}).tolist() == [1, 0]
    assert encode_target(signature, {"y": np.eye(3)}).tolist() == [0, 1, 2]
    with pytest.raises(InvalidJob, match=r"labels that the model was not trained on: '7'; it knows '2', '9', '10'"):
        encode_target(signature, {"y": np.array([2, 7])})


def test_numbers_to_predict_stay_numbers(profile_of: ProfileOf) -> None:
    found = profile_of(a=[0.5, 2, 3], y=[0.5, -1.5, 2.0])
    assert found.signature((1, False)).outputs[0].low == -1.5
    assert encode_target(found.signature((1, False)), {"y": np.array([1, 2])}).dtype == np.float32


def test_rows_without_a_target_are_left_out_and_counted(profile_of: ProfileOf, events: list[Event]) -> None:
    found = profile_of(a=[0.5, 1, 2, 900], y=[0.5, 1.5, 2.5, np.nan])
    assert (found.rows, found.features["a"].stats.moments.high) == (3, 2)
    assert "1 rows without 'y' are left out" in lines(events)


def test_what_was_decided_is_said(profile_of: ProfileOf, events: list[Event]) -> None:
    found = profile_of(id=range(100, 140), same=[1.5] * 40, size=np.linspace(0, 1, 40), y=["a", "b"] * 20)
    assert list(found.features) == ["size"]
    told = lines(events)
    assert any(line.startswith("target 'y': classification") for line in told)
    assert "number: size (it has fractions)" in told
    assert any(line.startswith("column 'id' is left out: ") for line in told)
    assert any(line.startswith("column 'same' is left out: ") for line in told)


def test_lists_and_texts_that_are_cut_are_told(profile_of: ProfileOf, events: list[Event]) -> None:
    walks = [np.linspace(0, rise, steps) for rise, steps in [(1, 600), (2, 3)] * 20]
    written = [f"{words} {number}" for number, words in enumerate(["far too long a text", "short"] * 20)]
    found = profile_of(walk=walks, text=written, y=["a", "b"] * 20)
    assert "lists of 'walk' have up to 600 entries, of which the first 512 are read" in lines(events)
    prepared = build_preprocessing(found, normalize=True, needs=Needs(steps=True, words=Words(100, 4)))
    told = "texts of 'text' have up to 6 words, of which the first 4 are read; set length of Text for more"
    assert prepared.notes == [told]


def test_texts_of_more_words_than_have_a_weight_are_told(
    profile_of: ProfileOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [f"a text with word{number} and more" for number in range(40)]
    found = profile_of(text=many, y=["a", "b"] * 20)
    assert build_preprocessing(found, normalize=True).notes == []
    monkeypatch.setattr(texts, "MOST_TERMS", 20)
    [told] = build_preprocessing(found, normalize=True).notes
    assert told.startswith("texts of 'text' have 45 different words, of which the 20 commonest have a weight each")
    assert "architecture=Text(words=…)" in told


def held_out_by_chance(rows: int, share: float, seed: int = 0) -> ExactSplit:
    return ExactSplit.holding_out(rows, by_chance(rows, Part(share), seed))


def lines(events: Sequence[Event]) -> list[str]:
    return [event.line for event in events if isinstance(event, Log)]


def test_an_index_is_left_out_whichever_rows_are_held_out(open_run: OpenRun) -> None:
    source = source_of({"id": np.arange(200), "size": np.linspace(0, 1, 200), "y": ["a", "b"] * 100})
    shuffled = np.random.default_rng(1).permutation(np.arange(5000, 5200))
    other = source_of({"row": shuffled, "size": np.linspace(0, 1, 200), "y": ["a", "b"] * 100})
    for seed in range(3):
        for each in (source, other):
            found = profile(each, held_out_by_chance(200, 0.3, seed), open_run(), ref="test")
            assert list(found.features) == ["size"]


def test_a_column_that_is_asked_for_is_never_left_out(profile_of: ProfileOf) -> None:
    found = profile_of(id=range(100, 140), size=np.linspace(0, 1, 40), y=["a", "b"] * 20, features=("id", "size"))
    assert list(found.features) == ["id", "size"]


@pytest.mark.parametrize(
    ("target", "task", "message"),
    [
        ([1, 1, 1], None, "same in every row"),
        (["a", "b", "c"], "regression", "text"),
    ],
)
def test_a_target_that_cannot_be_learned_is_named(
    profile_of: ProfileOf, target: object, task: TaskName | None, message: str
) -> None:
    with pytest.raises(InvalidJob, match=f"'y'.*({message})"):
        profile_of(a=[0.5, 2, 3], y=target, task=task)


def test_numbers_are_scaled_by_the_training_rows_alone(open_run: Callable[..., Run]) -> None:
    a = np.linspace(0, 99.5, 100)
    source = source_of({"a": a, "y": np.arange(100) % 2})
    split = held_out_by_chance(100, 0.2, 1)
    found = profile(source, split, open_run(), ref="test")
    assert (found.rows, found.held_out, sum(found.targets[0].class_rows)) == (80, 20, 80)
    trained_on = a[split.sides({"a": a}, 0) == TRAINED]
    expected = (trained_on - trained_on.mean()) / trained_on.std()
    np.testing.assert_allclose(prepared(found, {"a": trained_on})[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_missing_numbers_become_the_median_and_are_marked_where_training_had_some(profile_of: ProfileOf) -> None:
    found = profile_of(a=[1.5, np.nan, 3, 100], b=[0.5, 1, 2, 4], y=[0, 1, 0, 1])
    tensor = prepared(found, {"a": [None, 3], "b": [1, None]}, normalize=False)
    np.testing.assert_allclose(tensor, [[3.0, 1.0, 1.0], [3.0, 1.5, 0.0]])


def test_numbers_far_from_zero_keep_their_differences(profile_of: ProfileOf) -> None:
    seconds = 1_700_000_000.5 + 60 * np.arange(50)
    found = profile_of(at=seconds, y=[0, 1] * 25, features=("at",))
    assert found.inputs[0].dtype == "float64"
    expected = (seconds - seconds.mean()) / seconds.std()
    np.testing.assert_allclose(prepared(found, {"at": seconds})[:, 0], expected, atol=1e-6)


def test_channels_of_a_series_are_scaled_each_and_an_image_as_a_whole(profile_of: ProfileOf) -> None:
    random = np.random.default_rng(0)
    series = random.normal([0, 1e5], [1, 1e4], (50, 20, 2))
    tensor = prepared(profile_of(x=series, y=[0, 1] * 25), {"x": series})
    np.testing.assert_allclose(tensor.std(axis=(0, 1)), [1, 1], rtol=1e-3)
    image = random.integers(0, 256, (50, 8, 8)).astype(np.uint8)
    tensor = prepared(profile_of(x=image, y=[0, 1] * 25), {"x": image})
    np.testing.assert_allclose(tensor, (image - image.mean()) / image.std(), atol=1e-4)


def test_a_column_that_never_varies_is_only_centred(profile_of: ProfileOf) -> None:
    found = profile_of(a=[0.1, 0.1, 0.1], b=[1, 2, 4], y=[0, 1, 0], features=("a", "b"))
    scaled = prepared(found, {"a": [0.1, 3.1], "b": [2, 2]})
    np.testing.assert_allclose(scaled[:, 0], [0, 3], atol=1e-6)


def test_few_categories_become_one_hot_with_a_place_for_unseen_ones(profile_of: ProfileOf) -> None:
    found = profile_of(t=["p", "q", "p"] * 9, y=[0, 1, 0] * 9)
    assert prepared(found, {"t": ["q", "p", "never seen", None]}).tolist() == [
        [0, 0, 1],
        [0, 1, 0],
        [1, 0, 0],
        [1, 0, 0],
    ]
    found = profile_of(t=["p", None, "q"] * 9, y=[0, 1, 0] * 9)
    assert prepared(found, {"t": ["p", None, "new"]}).tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]]


def test_many_categories_become_codes_and_those_that_occur_once_are_unseen(profile_of: ProfileOf) -> None:
    words = [f"shop {number % 30:02}" for number in range(90)] + ["seldom"]
    found = profile_of(t=words, y=["a", "b"] * 45 + ["a"])
    preprocessing = build_preprocessing(found, normalize=True, needs=Needs(embed_above=16))
    assert preprocessing.parts == (Codes(31, column="t"),)
    [codes] = preprocessing(encode(found.inputs, {"t": ["shop 00", "shop 29", "seldom", "new", None]}))
    assert codes.tolist() == [[1], [30], [0], [0], [0]]


NASTY = ["a\nb", "a\r", "[UNK]", "\u2028", "-1", "ä", "a,b", '"', "\\n"]


def test_categories_of_any_spelling_survive_a_saved_model(
    profile_of: ProfileOf, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = profile_of(t=NASTY * 9, y=["a", "b", "c"] * 27)
    preprocessing = build_preprocessing(found, normalize=True)
    assert preprocessing.model is not None
    path = tmp_path_factory.mktemp("model") / "m.keras"
    preprocessing.model.save(path)
    rows = encode(found.inputs, {"t": [*NASTY, "new"]})
    again = Preprocessing(keras.saving.load_model(path, safe_mode=True))
    np.testing.assert_array_equal(again(rows)[0], preprocessing(rows)[0])
    assert preprocessing(rows)[0].argmax(axis=1).tolist().count(0) == 1


CALENDAR = np.array(
    ["1903-02-28", "1970-01-01", "2000-02-29T12:00", "2026-11-26T18:00", "2026-11-27T18:00"], "datetime64[us]"
)


def test_times_become_elapsed_time_and_the_cycles_of_the_calendar(profile_of: ProfileOf) -> None:
    found = profile_of(at=np.tile(CALENDAR, 8), y=["a", "b"] * 20)
    tensor = prepared(found, {"at": CALENDAR})
    elapsed, day, week, year = tensor[:, 0], tensor[:, 1:3], tensor[:, 3:5], tensor[:, 5:7]
    np.testing.assert_allclose(elapsed, np.interp(CALENDAR.astype(float), *ends(CALENDAR)), atol=1e-5)
    of_day = (CALENDAR - CALENDAR.astype("datetime64[D]")) / np.timedelta64(1, "D")
    np.testing.assert_allclose(day, waves(of_day), atol=1e-5)
    weekday = (CALENDAR.astype("datetime64[D]").astype(int) + 3) % 7
    np.testing.assert_allclose(week, waves(weekday / 7), atol=1e-5)
    days = [
        (date - start).astype(int)
        for date, start in zip(CALENDAR.astype("datetime64[D]"), marches(CALENDAR), strict=True)
    ]
    np.testing.assert_allclose(year, waves(np.array(days) / 365.25), atol=1e-5)


def ends(times: NDArray[np.datetime64]) -> tuple[list[float], list[float]]:
    return [float(times.min().astype(np.int64)), float(times.max().astype(np.int64))], [-1.0, 1.0]


def waves(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.sin(2 * np.pi * shares), np.cos(2 * np.pi * shares)], axis=1)


def marches(times: NDArray[np.datetime64]) -> list[Any]:
    """The first of March before each time."""
    firsts: list[Any] = []
    for time in times.astype("datetime64[M]"):
        year = time.astype("datetime64[Y]").astype(int) + 1970 - (time.astype(int) % 12 < 2)
        firsts.append(np.datetime64(f"{year}-03-01", "D"))
    return firsts


def test_a_missing_time_is_marked_and_says_nothing_else(profile_of: ProfileOf) -> None:
    gappy = np.concatenate([CALENDAR, np.array(["NaT"], "datetime64[us]")])
    found = profile_of(at=np.tile(gappy, 8), y=["a", "b"] * 24)
    assert prepared(found, {"at": [None]}).tolist() == [[0, 0, 0, 0, 0, 0, 0, 1]]


def test_texts_become_the_weights_of_their_terms(profile_of: ProfileOf) -> None:
    texts = [f"the {word} is, indeed, very {word}{n}!" for n in range(20) for word in ("good", "bad")]
    found = profile_of(note=texts, y=["a", "b"] * 20)
    tensor = prepared(found, {"note": ["GOOD good", "very bad", "", None, "nothing known"]})
    np.testing.assert_allclose(np.linalg.norm(tensor, axis=1), [1, 1, 0, 0, 1], atol=1e-5)
    assert np.count_nonzero(tensor, axis=1).tolist() == [1, 2, 0, 0, 1]
    assert tensor[4, 0] == 1


def test_lists_of_numbers_are_filled_up_and_say_how_long_they_are(profile_of: ProfileOf) -> None:
    lists = np.empty(3, dtype=object)
    lists[:] = [np.array([1.5, 2.0]), np.array([3.0]), None]
    found = profile_of(pulse=np.resize(lists, 30), size=np.linspace(0, 1, 30), y=[0, 1, 0] * 10)
    [_, pulse] = found.inputs
    assert (pulse.name, pulse.kind, pulse.shape) == ("sequence_pulse", "sequence", (2,))
    mean = 6.5 / 3
    tensor = prepared(found, {"pulse": lists, "size": [0.5, 0.5, 0.5]}, normalize=False)
    np.testing.assert_allclose(tensor[:, 1:], [[1.5, 2.0, 0.0, 0.0], [3.0, mean, 0.0, 1.0], [mean, mean, 1.0, 1.0]])


def test_what_a_column_may_be_as_well_is_said(profile_of: ProfileOf, events: list[Event]) -> None:
    profile_of(grade=[1, 2, 3, 4] * 20, y=["a", "b"] * 40)
    [doubt] = [line for line in lines(events) if line.startswith("column 'grade': ")]
    assert "columns={'grade': 'number'}" in doubt


@pytest.mark.parametrize("name", ["a", "y"])
def test_a_number_that_float32_cannot_hold_is_refused_by_its_row(profile_of: ProfileOf, name: str) -> None:
    columns = {"a": np.array([0.5, 1, 2, 3]), "y": np.array([0.5, 3, 2, 4])}
    columns[name][1] = 1e300
    with pytest.raises(InvalidJob, match=f"column '{name}' holds 1e.300 in row 1 .*expected at most 3.4e.38"):
        profile_of(**columns)


def test_huge_whole_numbers_are_told_in_few_digits(profile_of: ProfileOf) -> None:
    found = profile_of(a=np.arange(1, 30) ** 2 * 1e30, y=["u", "v"] * 14 + ["u"])
    assert [feature.why for feature in found.features.values()] == ["whole numbers from 1e+30 to 8.41e+32"]


def test_ids_that_would_fill_the_memory_are_refused(profile_of: ProfileOf) -> None:
    lists = np.empty(30, dtype=object)
    lists[:] = [np.array([number, 10**9]) for number in range(15)] + [np.array([number]) for number in range(15)]
    with pytest.raises(InvalidJob, match=r"column 'words' holds ids up to 1e.09.*number them anew"):
        build_preprocessing(profile_of(words=lists, y=[0, 1] * 15), normalize=True)


def test_a_preprocessed_model_answers_alike_for_one_row_and_for_many(
    profile_of: ProfileOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 50
    columns: dict[str, object] = {
        "a": [np.nan, 1.5, *np.linspace(0, 1, rows - 2)],
        "t": ["x", None, *["y", "z"] * (rows // 2 - 1)],
        "at": np.datetime64("2026-01-01", "us") + np.arange(rows) * np.timedelta64(5, "h"),
        "flag": ["yes", "no"] * (rows // 2),
    }
    found = profile_of(**columns, y=["a", "b"] * (rows // 2))
    preprocessing = build_preprocessing(found, normalize=True)
    [whole] = preprocessing(encode(found.inputs, columns))
    assert preprocessing.model is not None
    for row in (0, 1, 17):
        tensors = encode(found.inputs, {name: values_of(values)[row : row + 1] for name, values in columns.items()})
        one = preprocessing.model({name: tf.constant(array) for name, array in tensors.items()}).numpy()
        np.testing.assert_allclose(one, whole[row : row + 1], rtol=1e-6)
    monkeypatch.setattr(layers, "CALL_ROWS", 16)
    [in_pieces] = preprocessing(encode(found.inputs, columns))
    np.testing.assert_allclose(in_pieces, whole, rtol=1e-6, atol=1e-6)
    later = build_preprocessing(found, normalize=True)
    later(encode(found.inputs, {name: values_of(values)[:33] for name, values in columns.items()}))
    [again] = later(encode(found.inputs, columns))
    assert np.array_equal(again, in_pieces)


def test_without_normalization_arrays_need_no_layers(profile_of: ProfileOf) -> None:
    found = profile_of(x=np.arange(8).reshape(4, 2), y=[0, 1, 0, 1])
    assert build_preprocessing(found, normalize=False).model is None


def test_reading_stops_when_asked_to(open_run: Callable[..., Run]) -> None:
    source = source_of({"a": [0.5, 2], "y": [0, 1]})
    with pytest.raises(Stopped):
        profile(source, held_out_by_chance(2, 0), open_run(stop_requested=lambda: "cancel"), ref="test")
