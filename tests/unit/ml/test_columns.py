"""Kinds of columns that are rarer than plain numbers and few categories: what the model makes of them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf

import stoker
from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.kinds import TrainResult
from stoker.models.columns import Scaling
from stoker.models.inputs import Inputs
from stoker.models.lists import joined_tags
from stoker.models.manifest import ModelVersion
from stoker.models.picture_rows import as_objects
from stoker.models.signature import TensorSpec
from stoker.models.tensors import Array
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.columns import places
from stoker_workers.ml.columns.kinds import decide
from stoker_workers.ml.columns.stats import ColumnStats
from stoker_workers.ml.data import Column
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.preprocessing import numbers
from stoker_workers.ml.preprocessing.tags import tags
from stoker_workers.ml.preprocessing.tensors import Feature
from stoker_workers.ml.run import Run

from .conftest import manifest_of

OpenRun = Callable[..., Run]


def table(folder: Path, columns: Mapping[str, object]) -> str:
    path = folder / "table.parquet"
    pa.parquet.write_table(pa.table(dict(columns)), path)
    return str(path)


def trained(spec: stoker.Train, run: Run) -> ModelVersion:
    outcome = train(spec, run)
    assert isinstance(outcome.result, TrainResult)
    return ModelVersion(**dict(manifest_of(outcome)), version=1, created_at="2026-01-01T00:00:00Z")


def served(version: ModelVersion, run: Run, rows: Mapping[str, object]) -> Array:
    """Predictions of raw rows, which are those of the saved file by plain Keras in safe mode."""
    tensors = Inputs(version.signature, version.ref).encoded(rows)
    assert isinstance(tensors, dict)
    predictor = Predictor.load(version, run.store, run.scratch, rows=len(next(iter(tensors.values()))))
    answers = predictor.predict(tensors)
    model = keras.saving.load_model(run.store.fetch(version.files["keras"], run.scratch), compile=False, safe_mode=True)
    given = {name: tf.constant(values) for name, values in tensors.items()}
    plain = model(given if len(given) > 1 else next(iter(given.values())), training=False)
    assert isinstance(answers, np.ndarray)
    np.testing.assert_allclose(plain, answers, rtol=1e-5, atol=1e-5)
    return answers


def told(events: list[Event]) -> str:
    return "\n".join(event.line for event in events if isinstance(event, Log))


def statistics(values: object, dtype: str = "string") -> ColumnStats:
    stats = ColumnStats(Column("x", dtype))
    stats.update(np.array(values, dtype=object))
    return stats


@pytest.fixture
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_OWN", 20)
    monkeypatch.setattr(places, "BUCKETS", 8)


@pytest.mark.usefixtures("few_places")
def test_values_beyond_the_commonest_share_places_by_hash() -> None:
    common, rare = [f"common{n}" for n in range(20)] * 9, [f"rare{n}" for n in range(40)] * 3
    found = places.places(statistics([*common, *rare, "once", None, None]), without_rare=False)
    assert (len(found.words), found.shared, found.count) == (21, 8, 29)
    assert set(found.words) == {*common, "\ue001"}
    assert "at most 20, have a place each, and all others share 8 by hash" in decide(statistics(common + rare)).why
    assert "share" not in decide(statistics(common)).why


@pytest.mark.usefixtures("few_places")
def test_a_model_of_very_many_categories_tells_common_ones_apart_and_answers_others(
    open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    shops = [f"shop{n % 20}" for n in range(400)] + [f"rare{n % 60}" for n in range(180)] + [None] * 20
    columns = {
        "shop": shops,
        "size": np.linspace(0, 1, 600),
        "y": [float(len(shop or "") > 5) + 0.5 for shop in shops],
    }
    run = open_run()
    spec = stoker.Train(model="m", data=table(tmp_path, columns), target="y", epochs=30, batch_size=16, seed=1)
    version = trained(spec, run)
    [shop] = [column for column in version.columns if column.name == "shop"]
    assert "all others share 8 by hash" in shop.why
    assert "all others share 8 by hash" in told(events)
    answers = served(version, run, {"shop": ["shop3", "shop13", "rare1", "never seen", None], "size": [0.5] * 5})
    assert np.isfinite(answers).all()
    assert answers[1, 0] - answers[0, 0] > 0.5


AMOUNTS = np.random.default_rng(4).lognormal(3, 2, 400)


def scaled(values: object, scaling: Scaling, rows: object, dtype: str = "float32") -> Array:
    """What the preprocessing makes of a column's numbers."""
    stats = ColumnStats(Column("x", "float64"))
    stats.update(np.asarray(values, dtype=np.float64))
    tensor = keras.Input((1,), dtype=dtype)
    parts = numbers.scaled(tensor, [Feature("number", "", stats, scaling=scaling)], normalize=True)
    given = np.asarray(rows, dtype).reshape(-1, 1)
    return np.asarray(keras.Model(tensor, parts[0])(given))[:, 0]


def test_numbers_are_scaled_by_quartiles_ranks_or_logarithms() -> None:
    rows = np.array([AMOUNTS.min() - 1, *np.quantile(AMOUNTS, [0.25, 0.5, 0.75]), AMOUNTS.max() + 1, np.nan])
    np.testing.assert_allclose(scaled(AMOUNTS, "robust", rows)[[2, 5]], 0, atol=1e-5)
    quartiles = scaled(AMOUNTS, "robust", rows)[1:4]
    assert quartiles[2] - quartiles[0] == pytest.approx(1, abs=1e-5)

    ranks = scaled(AMOUNTS, "quantile", rows)
    np.testing.assert_allclose(ranks[:5], np.array([-0.5, -0.25, 0, 0.25, 0.5]) * 12**0.5, atol=1e-5)
    levels = np.interp(AMOUNTS, np.quantile(AMOUNTS, np.linspace(0, 1, 33)), np.linspace(-0.5, 0.5, 33)) * 12**0.5
    np.testing.assert_allclose(scaled(AMOUNTS, "quantile", AMOUNTS), levels, atol=1e-4)

    logs = np.log1p(AMOUNTS)
    np.testing.assert_allclose(scaled(AMOUNTS, "log", AMOUNTS), (logs - logs.mean()) / logs.std(), atol=1e-4)


@pytest.mark.parametrize("factor", [1e-9, 1e-3, 1, 1e9])
def test_logarithms_are_exact_at_any_size_and_keep_the_sign(factor: float) -> None:
    values = np.concatenate([AMOUNTS, -AMOUNTS, [0.0]]) * factor
    logs = np.sign(values) * np.log1p(np.abs(values))
    exact = np.clip((logs - logs.mean()) / logs.std(), -20, 20)
    np.testing.assert_allclose(scaled(values, "log", values), exact, atol=1e-3)


def test_ranks_of_numbers_that_repeat_or_lie_far_from_zero_are_right() -> None:
    many_zeros = np.concatenate([np.zeros(300), np.arange(1, 101)])
    ranks = scaled(many_zeros, "quantile", [0, 1, 50, 100, -5])
    assert ranks[0] == ranks[4] == pytest.approx((0.375 - 0.5) * 12**0.5, abs=0.06)
    assert ranks[0] < ranks[1] < ranks[2] < ranks[3] == pytest.approx(3**0.5)
    far = 1e9 + np.linspace(0, 1, 101)
    np.testing.assert_allclose(
        scaled(far, "quantile", far, "float64"), np.linspace(-0.5, 0.5, 101) * 12**0.5, atol=1e-4
    )
    assert scaled(np.full(9, 3.0), "quantile", [3, 4]).tolist() == [0, 0]
    # More than half of them are alike: there is no distance between the quartiles.
    assert np.isfinite(scaled(np.concatenate([np.zeros(300), [1.0]]), "robust", [0, 1])).all()


def test_a_model_scales_raw_rows_as_its_training_did(open_run: OpenRun, events: list[Event], tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    gaps = np.where(random.random(400) < 0.1, np.nan, AMOUNTS)
    columns = {
        "usual": random.normal(5, 2, 400), "amount": AMOUNTS, "rank": AMOUNTS[::-1], "gapped": gaps,
        "far": 1e9 + random.normal(0, 1, 400), "y": np.log(AMOUNTS),
    }  # fmt: skip
    chosen: dict[str, Scaling] = {"amount": "log", "rank": "quantile", "gapped": "robust", "far": "quantile"}
    data, run = table(tmp_path, columns), open_run()
    spec = stoker.Train(model="m", data=data, target="y", scaling=chosen, epochs=30, batch_size=16, seed=1)
    version = trained(spec, run)
    answers = served(version, run, {name: [*values[:50], None] for name, values in columns.items()})
    assert 1 - ((answers[:50, 0] - columns["y"][:50]) ** 2).mean() / columns["y"].var() > 0.9
    assert {column.name: column.scaling for column in version.columns} == {"usual": None, **chosen}
    assert "scaled by quantiles: 'rank', 'far'" in told(events)
    other = table(tmp_path, columns | {"colour": ["red", "blue"] * 200})
    with pytest.raises(InvalidJob, match="scaling names 'colour', which is no column of plain numbers"):
        train(stoker.Train(model="m", data=other, target="y", scaling={"colour": "log"}), open_run())
    with pytest.raises(InvalidJob, match="there are none"):
        train(stoker.Train(model="m", data=other, target="y", scaling="log", features=("colour",)), open_run())


def test_numbers_that_a_network_takes_as_they_are_cannot_be_scaled(open_run: OpenRun, tmp_path: Path) -> None:
    network = keras.Sequential([keras.Input((1,)), keras.layers.Rescaling(0.1), keras.layers.Dense(1)])
    spec = stoker.Train(
        model="m", data=table(tmp_path, {"a": AMOUNTS, "y": AMOUNTS}), target="y", scaling="log",
        architecture=stoker.KerasConfig(config=network.to_json()),
    )  # fmt: skip
    with pytest.raises(InvalidJob, match=r"scaling names 'a', but inputs are not scaled.*Rescaling"):
        train(spec, open_run())


def test_scaling_that_contradicts_the_job_is_refused_at_once() -> None:
    with pytest.raises(InvalidJob, match="normalize=False leaves them as they are"):
        stoker.Train(model="m", data="t.csv", scaling="log", normalize=False)
    with pytest.raises(InvalidJob, match="a forecast scales each series"):
        stoker.Train(model="m", data="t.csv", target="y", scaling="log", forecast=stoker.Forecast(time="t"))


SPEC = TensorSpec(name="x", dtype="string", kind="tags")
TAGS = [["sci-fi", "new wave"], ["drama"], None, [], ["drama", None, "[UNK]"], ["drama", "drama"], ["new\twave", " "]]


def test_tags_have_a_place_each_whether_rare_missing_or_of_several_words(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = ColumnStats(Column("x", "list"))
    stats.update(as_objects(TAGS * 2))
    assert decide(stats).why == "lists of 6 different texts"
    text = keras.Input((), dtype="string")

    def hot(*rows: list[str] | None) -> list[list[float]]:
        given = tf.constant(joined_tags(SPEC, as_objects(rows), "x", range(9)).tolist())
        answers: list[list[float]] = np.asarray(keras.Model(text, tags(text, stats))(given)).tolist()
        return answers

    # Others, drama, new wave, sci-fi, no list at all.
    assert hot(["drama", "new", "wave"], ["new wave", "sci-fi"], [], None, ["never"]) == [
        [1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0],
    ]  # fmt: skip
    stats = ColumnStats(Column("x", "list"))
    stats.update(as_objects([["a", "b"], ["b"], ["a"]]))
    assert hot(["b"], None, ["never seen"]) == [
        [0, 1],
        [0, 0],
        [0, 0],
    ]  # of others, nothing was learned
    monkeypatch.setattr(places, "MOST_TAGS", 1)
    assert "at most 1, have a place each, and all others share one" in decide(stats).why
    assert hot(["a"], ["b"]) == [[0, 1], [1, 0]]


@pytest.mark.parametrize("suffix", ["parquet", pytest.param("jsonl", marks=pytest.mark.slow)])
def test_a_model_learns_from_tags_and_takes_lists(suffix: str, open_run: OpenRun, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    genres = [None if n % 17 == 0 else random.choice(["war", "love song", "ä"], n % 3).tolist() for n in range(300)]
    columns = {"genres": genres, "length": random.normal(100, 9, 300).tolist(), "good": []}
    columns["good"] = ["yes" if each and "love song" in each else "no" for each in genres]
    data = table(tmp_path, columns)
    if suffix == "jsonl":
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        data = str(tmp_path / "table.jsonl")
        Path(data).write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = open_run()
    version = trained(stoker.Train(model="m", data=data, target="good", epochs=20, batch_size=16, seed=1), run)
    assert {column.name: column.kind for column in version.columns} == {"genres": "tags", "length": "number"}
    answers = served(version, run, {name: columns[name] for name in ("genres", "length")})
    assert ((answers[:, 0] > 0.5) == (np.array(columns["good"]) == "yes")).mean() > 0.97
    odd = {"genres": [["never heard"], [], None, ["war", "love  song"]], "length": [100.0] * 4}
    assert (served(version, run, odd)[:, 0] > 0.5).tolist() == [False, False, False, True]
    for wrong, said in ((["war"], "expected a list"), ([[3]], "holds 3 in a list of row 0")):
        with pytest.raises(InvalidJob, match=said):
            served(version, run, {"genres": wrong, "length": [1.0]})
