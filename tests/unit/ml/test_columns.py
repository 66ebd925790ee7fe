"""Kinds of columns that are rarer than plain numbers and few categories: what the model makes of them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf

import stoker
from stoker.events import Event, Log
from stoker.kinds import TrainResult
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.tensors import Array
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.columns import places
from stoker_workers.ml.columns.kinds import decide
from stoker_workers.ml.columns.stats import ColumnStats
from stoker_workers.ml.data import Column
from stoker_workers.ml.prediction.predictor import Predictor
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
