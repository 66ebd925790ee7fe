"""Takes a case of the test matrix the whole way: train, evaluate, infer in bulk, and ask for single raw rows."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet
import pytest
import tensorflow as tf

from stoker.client.checks import Checks
from stoker.kinds import (
    MLP,
    Data,
    Evaluate,
    EvaluateResult,
    Forecast,
    Infer,
    InferResult,
    Output,
    Spec,
    Train,
    TrainResult,
    kind_of,
)
from stoker.models.manifest import ModelVersion
from stoker_workers.kinds import execute
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.run import Outcome, Run

from ..conftest import manifest_of
from .cases import Case
from .files import write
from .plain import HORIZON, WINDOW, Plain, same
from .rows import ROWS, Rows

OpenRun = Callable[..., Run]


def take(case: Case, open_run: OpenRun, folder: Path) -> None:
    """Take a case the whole way, and hold every number against plain Keras.

    Raises:
        InvalidJob: it is refused.
        AssertionError: a value is wrong.
    """
    rows = Rows(case)
    refs = [write(rows, *each, folder / str(at)) for at, each in enumerate(case.written)]
    train = open_run()
    result, version = fitted(training(case, rows, refs[0]), train)
    expected_rows = len(rows.labelled)
    assert result.rows == (expected_rows if case.task != "forecast" else ROWS - WINDOW - HORIZON + 1)
    kinds = {column.name: column.kind for column in version.columns}
    expected = expected_kinds(case, rows)
    assert {name: kinds[name] for name in expected} == expected

    plain = Plain(case, rows, version, train)
    run = open_run(version)
    measured = asked(Evaluate(model="m", data=refs[-1], bootstrap=100, noise=()), version, run)
    assert isinstance(measured, EvaluateResult)
    for name, value in plain.metrics().items():
        assert measured.metrics[name] == pytest.approx(value, rel=1e-4, abs=1e-5), f"{name} of {refs[-1]}"

    order = plain.order()
    table = case.task == "outputs" or (len(case.kinds) > 1 and case.task != "reconstruction")
    inferred = asked(Infer(model="m", data=refs[0], format="parquet" if table else "npy"), version, run)
    assert isinstance(inferred, InferResult)
    [chunk] = [run.store.fetch(chunk, run.scratch) for chunk in inferred.chunks]
    if table:
        written = pyarrow.parquet.read_table(chunk)
        assert tuple(written.column_names) == version.signature.prediction_names
        for name, values in plain.columns().items():
            same(written[name].to_numpy(), values[order], name)
    else:
        same(np.load(chunk), plain.outputs[""][order], "bulk")
    for at in (0, 4, ROWS - 1):  # the second has its gaps
        plain.check_single(at, Predictor.load(version, run.store, run.scratch))


def training(case: Case, rows: Rows, ref: str) -> Train:
    """The job that trains on a case's file."""
    targets = tuple(rows.targets)
    fields: dict[str, Any] = {"target": targets[0] if len(targets) == 1 else targets}
    match case.task:
        case "reconstruction":
            fields = {"task": "reconstruction"}
        case "outputs":
            fields = {"outputs": {name: Output() for name in targets}}
        case "pixels":
            fields["task"] = "pixels"
        case "forecast":
            fields["forecast"] = Forecast(window=WINDOW, horizon=HORIZON, time="hour")
    # Of several columns none is named, and what is of no use is left out; a forecast has to say what it cannot read.
    if (len(case.kinds) == 1 or case.task == "forecast") and case.container not in ("npz", "pictures"):
        fields["features"] = tuple(name for name in rows.features if name != rows.key)
    network = None if case.task == "pixels" else MLP(hidden=(4,))
    return Train(
        model="m",
        data=described(case, rows, ref),
        architecture=network,
        epochs=1,
        batch_size=32,
        seed=1,
        validation_split=0,
        **fields,
    )


def expected_kinds(case: Case, rows: Rows) -> dict[str, str]:
    """What its columns are taken for."""
    kinds = {name: kind for name, kind in rows.kinds.items() if name != rows.key or len(case.kinds) > 1}
    if case.gaps and case.container in ("jsonl", "tfrecord"):  # lists that are not all as long, for some are missing
        kinds = {name: "sequence" if kind == "vector" else kind for name, kind in kinds.items()}
    if case.task == "forecast":  # truth is 0 or 1
        kinds = {name: "number" if kind == "boolean" else "ignore" for name, kind in kinds.items()} | {
            name: "number" for name, kind in kinds.items() if kind == "number"
        }
    return kinds


def described(case: Case, rows: Rows, ref: str) -> Data:
    """The data, and the kinds that its format cannot tell from others."""
    likes = {"npz": {"tokens", "sequence"}, "csv": set[str]()}.get(case.container, set())
    return Data(ref, columns={name: kind for name, kind in rows.kinds.items() if kind in likes})  # type: ignore[misc]


def asked(spec: Spec, version: ModelVersion | None, run: Run) -> Any:
    """What a job gives, checked at the door first."""
    return at_the_door(spec, version, run).result


def at_the_door(spec: Spec, version: ModelVersion | None, run: Run) -> Outcome:
    checks = Checks({"m": version} if version else {}, cast(Any, None))
    return execute(kind_of(spec).check(spec, checks), run)


def fitted(job: Train, run: Run) -> tuple[TrainResult, ModelVersion]:
    tf.config.run_functions_eagerly(run_eagerly=True)
    try:
        outcome = at_the_door(job, None, run)
    finally:
        tf.config.run_functions_eagerly(run_eagerly=False)
    assert isinstance(outcome.result, TrainResult)
    version = ModelVersion(**dict(manifest_of(outcome)), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    return outcome.result, version
