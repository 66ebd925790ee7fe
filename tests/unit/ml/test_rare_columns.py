"""Tags, categories by hash, months and every scaling, from a training that is lost to answers."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import stoker
from stoker.events import Checkpoint, Event, Log
from stoker.kinds import Checkpoints, EvaluateResult, InferResult, Train
from stoker.models.inputs import Inputs
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.store import Store
from stoker_workers.kinds import execute
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.columns import places
from stoker_workers.ml.run import Outcome, Run

from . import killed_training
from .conftest import history_of, manifest_of, weights_of

MOST_OWN, USERS, ROWS, SHOWN = 300, 1_500, 2_000, 500
MONTHS = [100 * year + month for year in (2021, 2022, 2023) for month in range(1, 13)]
WORDS = ("red", "small", "sale", "new", "used")


def table() -> dict[str, Any]:
    """More users than have a place of their own, lists of words, months as numbers, and numbers of three shapes."""
    random = np.random.default_rng(4)
    words = [list(random.choice(WORDS, random.integers(0, 4), replace=False)) for _ in range(ROWS)]
    user = random.permutation(np.append(np.arange(USERS), random.integers(0, 50, ROWS - USERS)))
    month = random.choice(MONTHS, ROWS)
    spread = random.lognormal(3, 2, ROWS)
    return {
        "user": [f"u{number}" for number in user],
        "words": [None if row % 50 == 7 else each for row, each in enumerate(words)],
        "month": month,
        "robust": np.where(random.random(ROWS) < 0.01, np.nan, spread),
        "rank": random.exponential(5, ROWS),
        "log": spread * random.random(ROWS),
        "y": np.where((np.char.find(list(map(str, words)), "sale") > 0) ^ (month % 100 < 4), "yes", "no"),
    }


def written(columns: dict[str, Any], folder: Path) -> str:
    pq.write_table(pa.table(columns), folder / "all.parquet")
    return str(folder / "all.parquet")


@pytest.fixture(autouse=True)
def _few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_OWN", MOST_OWN)


def spec_of(columns: dict[str, Any], tmp_path: Path) -> Train:
    return Train(
        model="m",
        data=stoker.Data(written(columns, tmp_path), columns={"user": "category"}),
        scaling={"robust": "robust", "rank": "quantile", "log": "log"},
        epochs=1,
        batch_size=128,
        checkpoint=Checkpoints(steps=4, keep=100),
        seed=3,
    )


def assert_equal(resumed: Outcome, undisturbed: Outcome, run: Run) -> None:
    assert history_of(resumed) == history_of(undisturbed)
    for ours, theirs in zip(weights_of(resumed, run), weights_of(undisturbed, run), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_a_training_of_them_that_is_killed_ends_bitwise_equal(
    open_run: Callable[..., Run], store: Store, tmp_path: Path
) -> None:
    spec = spec_of(table(), tmp_path)
    arguments = [spec.model_dump_json(), store.url, str(tmp_path), "2", str(MOST_OWN)]
    killed = subprocess.run([sys.executable, killed_training.__file__, *arguments], timeout=300)
    assert killed.returncode == -9
    left = Artifact.model_validate_json((tmp_path / "checkpoint.json").read_text())
    resumed = train(spec, replace(open_run(), checkpoints=(left,)))
    assert_equal(resumed, train(spec, open_run()), open_run())


def test_a_training_of_them_is_resumed_bitwise_equal_and_its_model_measured_and_served(
    open_run: Callable[..., Run], store: Store, events: list[Event], tmp_path: Path
) -> None:
    columns = table()
    spec = spec_of(columns, tmp_path)
    undisturbed = train(spec, open_run())
    told = "\n".join(event.line for event in events if isinstance(event, Log))
    assert "tags: words (lists of 5 different texts)" in told
    assert "all others share 20,000 by hash" in told
    assert "time: month (its numbers are months, such as" in told

    _, left, *_ = [event.artifact for event in events if isinstance(event, Checkpoint)]
    resumed = train(spec, replace(open_run(), checkpoints=(left,)))
    assert_equal(resumed, undisturbed, open_run())

    manifest = manifest_of(resumed)
    version = ModelVersion(**dict(manifest), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    rows = [{name: _plain(values[row]) for name, values in columns.items()} for row in range(SHOWN)]
    rows[0] |= {"user": "nobody", "words": ["unheard of", "sale"], "month": None}
    (tmp_path / "some.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    some = str(tmp_path / "some.jsonl")
    measured = execute(stoker.Evaluate(model="m", data=some, bootstrap=100, noise=()), open_run(version)).result
    assert isinstance(measured, EvaluateResult)
    assert measured.rows == SHOWN

    inferred = execute(stoker.Infer(model="m", data=some, format="npy"), open_run(version)).result
    assert isinstance(inferred, InferResult)
    outputs = np.load(store.fetch(inferred.chunks[0], tmp_path))
    plain = keras.saving.load_model(store.fetch(version.files["keras"], tmp_path), safe_mode=True, compile=False)
    given = Inputs(version.signature, "m").encoded({name: [row[name] for row in rows] for name in rows[0]})
    assert isinstance(given, dict)
    served = plain({name: tf.constant(tensor) for name, tensor in given.items()}).numpy()
    np.testing.assert_allclose(served, outputs, rtol=1e-5, atol=1e-5)
    right = (outputs[:, -1] > 0.5) == (np.array([row["y"] for row in rows]) == "yes")
    assert measured.metrics["accuracy"] == right.mean()


def _plain(value: Any) -> Any:
    number = value.item() if isinstance(value, np.generic) else value
    return None if number != number else number
