"""The rows that a window of requests is held against, where the job names none."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.kinds import MLP, Monitor, Train
from stoker.models.manifest import ModelVersion
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.drift.baseline import baseline
from stoker_workers.ml.run import Run

from .conftest import manifest_of


def test_they_are_those_that_the_training_has_held_out(open_run: Callable[..., Run], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = tmp_path / "leavers.csv"
    ages = random.normal(40, 9, 400).round(1)
    lines = [
        f"{age},{'yes' if age + noise > 42 else 'no'}"
        for age, noise in zip(ages, random.normal(0, 5, 400), strict=True)
    ]
    table.write_text("\n".join(["age,left", *lines]) + "\n")
    spec = Train(
        model="leavers",
        data=str(table),
        target="left",
        architecture=MLP(hidden=(4,)),
        epochs=3,
        validation_split=0.2,
        seed=1,
    )
    manifest = dict(manifest_of(train(spec, open_run())))
    version = ModelVersion(**manifest, version=1, created_at=datetime.now(UTC))
    watch = Monitor(model="leavers", window=50)
    found = baseline(watch, version, open_run(version))
    assert found.gate.measured is not None
    assert (found.gate.measured.rows, len(found.columns["age"])) == (80, 80)
    assert found.gate.measured.value == pytest.approx(version.metrics["val_accuracy"], abs=1e-6)
    assert {*found.columns["age"].tolist()} < {*ages.astype(np.float32).tolist()}
    table.write_text("\n".join(["age,left", "20,no", *lines[1:]]) + "\n")
    with pytest.raises(InvalidJob, match=r"has changed since .*, or name the data of its evaluation in `data`"):
        baseline(watch, version, open_run(version))
