"""Executes `Infer`: predictions for a whole data set, chunk by chunk into the store."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stoker.artifacts import Artifact
from stoker.errors import InvalidJob
from stoker.jobs import Infer, InferResult
from stoker.tensors import Array

from ..engine.data import Source, open_source
from ..engine.features import encode
from ..engine.predictor import Predictor
from ..engine.progress import Meter, obey_stop
from ..engine.run import Outcome, Run


def infer(spec: Infer, run: Run) -> Outcome:
    """Predict every row of the spec's data with `run.model`; one chunk is in memory at a time.

    Raises:
        InvalidJob: the data has no rows, or not those that the model takes.
        Stopped: a stop was asked for.
    """
    version = run.model
    assert version is not None  # the job names one, so the run has it
    began = time.monotonic()
    predictor = Predictor.load(version, run.store, run.scratch, spec.batch_size)
    source = open_source(spec.data, "test")
    chunks: list[Artifact] = []
    rows = 0
    for chunk in _chunks(_outputs(source, predictor, spec.batch_size, run), spec.chunk_rows):
        chunks.append(_stored(chunk, f"predictions-{len(chunks):05d}.npy", run))
        rows += len(chunk)
    if not rows:
        raise InvalidJob(f"{spec.data} has no rows to predict; give data with at least one")
    speed = rows / max(time.monotonic() - began, 1e-9)
    return Outcome(InferResult(model=version.ref, rows=rows, chunks=tuple(chunks), rows_per_s=speed))


def _outputs(source: Source, predictor: Predictor, batch_rows: int, run: Run) -> Iterator[Array]:
    """The model's output, batch by batch."""
    meter = Meter(run, "predicting", total=source.rows)
    done = 0
    for columns in source.batches(batch_rows):
        obey_stop(run)
        outputs = predictor.predict(encode(predictor.version.signature.inputs, columns, done))
        done += len(outputs)
        meter.at(done)
        yield outputs


def _chunks(batches: Iterator[Array], rows: int) -> Iterator[Array]:
    """The same rows, `rows` at a time; the last chunk may be shorter."""
    held: list[Array] = []
    count = 0
    for batch in batches:
        rest = batch
        while count + len(rest) >= rows:
            cut = rows - count
            yield np.concatenate([*held, rest[:cut]])
            held, count, rest = [], 0, rest[cut:]
        if len(rest):
            held.append(rest)
            count += len(rest)
    if held:
        yield np.concatenate(held)


def _stored(chunk: Array, name: str, run: Run) -> Artifact:
    path: Path = run.scratch / name
    np.save(path, chunk, allow_pickle=False)
    try:
        return run.store.put_file(path)
    finally:
        path.unlink()
