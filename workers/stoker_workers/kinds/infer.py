"""Executes `Infer`: predictions for a whole data set, chunk by chunk into the store; a large one by children."""

import itertools
import math
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Self

from pydantic import BaseModel, Field, ValidationError

from stoker.errors import InvalidJob
from stoker.events import Checkpoint
from stoker.kinds import Infer, InferResult
from stoker.kinds.infer import refuse_arrays, refuse_namesakes
from stoker.models.data import choices
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.predictions import prediction_columns
from stoker.models.rows import encode
from stoker.models.store import Store
from stoker.models.tensors import Tensors
from stoker.outages import one_line

from ..ml.data import RowRange, Source, Values, rebatched
from ..ml.data.source import rows_of
from ..ml.drift.drawn import Drawn
from ..ml.opening import open_data
from ..ml.prediction.files import write_array, write_table
from ..ml.prediction.predictor import Predictor
from ..ml.progress import Meter, obey_stop
from ..ml.resuming import UnreadableCheckpoint, read_newest
from ..ml.run import Children, Outcome, Run, Stopped
from ..ml.writing import BestEffort, write_result

# So that a slot which is quicker, or comes later, finds something left to do.
_PARTS_PER_SLOT = 4
# What reading, checking and writing a small row takes besides computing it.
_ROW_S = 1e-6
_CHECKPOINT_S = 5.0
_OUTPUT = "output"


class _Saved(BaseModel):
    """What a checkpoint holds: the chunks that are in the store, and the version that predicted them.

    Attributes:
        unique: the store names files by their content, and no other attempt shall share this one and delete it.
    """

    model: str
    chunks: list[Artifact]
    unique: str = Field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def read(cls, store: Store, artifact: Artifact) -> Self:
        """Read a checkpoint.

        Raises:
            Corrupt, Missing: the store has not what was saved.
            UnreadableCheckpoint: it is none.
        """
        try:
            return cls.model_validate_json(store.read(artifact))
        except ValidationError as error:
            raise UnreadableCheckpoint(
                f"it is no list of chunks of this version of Stoker: {one_line(error)}"
            ) from error


def run(spec: Infer, run: Run) -> Outcome:
    """Predict the spec's rows with its model; one chunk is in memory at a time.

    Raises:
        InvalidJob: the data has no rows, or not the columns that the model takes or the spec names.
        Children: it is so much that several slots should share it.
        Stopped: a stop was asked for.
    """
    [version] = run.models
    began = time.monotonic()
    source = open_data(spec.data, "test", run, version.signature, last=True)
    refuse_namesakes(spec, version.signature)
    refuse_arrays(spec, version.signature)
    _refuse_unknown(spec, source)
    start, stop = spec.rows or (0, source.rows)
    count = None if stop is None else stop - start
    predictor = Predictor.load(version, run.store, run.scratch, spec.batch_size, count, run.custom_objects)
    parts = _parts(spec, run, source.rows, predictor.row_s)
    if len(parts) > 1:
        # All use one version, even if an alias moves meanwhile.
        part = spec.model_copy(update={"model": version.ref, "after": (), "not_before": None})
        raise Children([part.model_copy(update={"rows": rows}) for rows in parts])
    done = _Done(run, version.ref)
    first = start + len(done.chunks) * spec.chunk_rows
    rows = first - start
    drawn = Drawn(run.draw) if run.draw else None
    predicted = _predicted(spec, RowRange(source, first, stop), predictor, run, first, drawn)
    try:
        for chunk in rebatched(predicted, spec.chunk_rows):
            name = f"predictions-{start // spec.chunk_rows + len(done.chunks):05d}.{spec.format}"
            done.add(_stored(spec, source, chunk, name, run))
            rows += rows_of(chunk)
    except Stopped as stopped:
        if stopped.reason == "drain":
            done.save()
        raise
    if not rows:
        raise InvalidJob(f"{spec.data} has no rows to predict; give data with at least one")
    for batch in drawn.batches() if drawn else ():
        run.drew(batch)
    speed = (rows - (first - start)) / max(time.monotonic() - began, 1e-9)
    return Outcome(InferResult(model=version.ref, rows=rows, chunks=tuple(done.chunks), rows_per_s=speed))


def gather(_spec: Infer, run: Run) -> Outcome:
    """The predictions of all parts as one result, in the order of the rows."""
    parts = [part for part in run.children if isinstance(part, InferResult)]
    rows = sum(part.rows for part in parts)
    chunks = tuple(chunk for part in parts for chunk in part.chunks)
    return Outcome(InferResult(model=parts[0].model, rows=rows, chunks=chunks, rows_per_s=rows / run.children_s))


def _parts(spec: Infer, run: Run, rows: int | None, row_s: float | None) -> list[tuple[int, int]]:
    """The rows of each part that is worth a job of its own; fewer than two if the job is best done as it is.

    Args:
        rows: how many there are; None where only reading them shows that.
        row_s: seconds that computing one takes; None where that is unknown.
    """
    if run.slots < 2 or spec.rows or run.checkpoints or rows is None or row_s is None:
        return []
    chunks = math.ceil(rows / spec.chunk_rows)
    count = min(int(rows * (row_s + _ROW_S) / run.part_s), run.slots * _PARTS_PER_SLOT, chunks)
    edges = [min(chunks * number // count * spec.chunk_rows, rows) for number in range(count + 1)] if count else []
    return list(itertools.pairwise(edges))


class _Done:
    """The chunks that are in the store, with those of an earlier attempt; kept as a checkpoint from time to time.

    If the model's alias has moved since that attempt, its chunks are another model's, and do not count.
    """

    def __init__(self, run: Run, model: str) -> None:
        self._run = run
        self._model = model
        self._checkpoints = BestEffort(run, "a checkpoint")
        self._saved_at = time.monotonic()
        saved = read_newest(run, lambda artifact: _Saved.read(run.store.of_job(run.job), artifact))
        self.chunks = saved.chunks if saved and saved.model == model else []
        self._saved = len(self.chunks)

    def add(self, chunk: Artifact) -> None:
        """Note another chunk that is in the store."""
        self.chunks.append(chunk)
        if time.monotonic() - self._saved_at > _CHECKPOINT_S:
            self.save()

    def save(self) -> None:
        """Let the next attempt go on from here, unless the last checkpoint says so already."""
        if len(self.chunks) == self._saved:
            return
        listed = _Saved(model=self._model, chunks=self.chunks).model_dump_json().encode()
        store, name = self._run.store.of_job(self._run.job), f"checkpoint-0-{len(self.chunks)}.json"
        if artifact := self._checkpoints.write(lambda: store.put_bytes(listed, name)):
            self._run.emit(Checkpoint(epoch=0, step=len(self.chunks), artifact=artifact))
            self._saved = len(self.chunks)
        self._saved_at = time.monotonic()


def _refuse_unknown(spec: Infer, source: Source) -> None:
    names = [column.name for column in source.columns]
    for name in spec.columns:
        if name not in names:
            raise InvalidJob(f"columns names {name!r}, which {spec.data} has not; it has {choices(name, names)}")


def _predicted(
    spec: Infer, source: Source, predictor: Predictor, run: Run, first: int, drawn: Drawn | None
) -> Iterator[dict[str, Values]]:
    """The columns of the files, batch by batch: for .npy the model's output alone.

    Args:
        first: the number of the source's first row, for messages.
    """
    version = predictor.version
    meter = Meter(run, "predicting", total=source.rows)
    done = 0
    for columns in source.batches(spec.batch_size):
        obey_stop(run)
        inputs = encode(version.signature.inputs, columns, range(first + done, sys.maxsize))
        _refuse_unguarded(run, version, first + done, inputs)
        outputs = predictor.predict(inputs)
        if run.guard and (flaw := run.guard.flaw_of_outputs(version.signature, outputs)):
            raise InvalidJob(
                f"the guard of {version.name} refuses an answer of {version.ref} from row {first + done} on: {flaw}"
            )
        if drawn:
            drawn.add(version, inputs, outputs)
        done += rows_of(columns)
        meter.at(done)
        if spec.format == "npy":
            yield {_OUTPUT: outputs}
        else:
            yield {name: columns[name] for name in spec.columns} | prediction_columns(version, outputs, inputs)


def _refuse_unguarded(run: Run, version: ModelVersion, first: int, inputs: Tensors) -> None:
    """Hold rows against the model's guard, but for how many they are.

    Args:
        first: the number of the first of them.
    """
    guard = run.guard.model_copy(update={"most_rows": None}) if run.guard else None
    for row, why in guard.flaws(version.signature, inputs) if guard else ():
        raise InvalidJob(
            f"the guard of {version.name} refuses row {first + row} (the first row is 0): {why}; leave such rows out, "
            f"or let `stoker models guard {version.name}` allow them"
        )


def _stored(spec: Infer, source: Source, chunk: Mapping[str, Values], name: str, run: Run) -> Artifact:
    path = run.scratch / name
    try:
        if spec.format == "npy":
            write_array(chunk[_OUTPUT], path)
        else:
            write_table(chunk, path, spec.format, [column for column in source.columns if column.name in spec.columns])
        return write_result(run, lambda: run.store.put_file(path))
    finally:
        path.unlink(missing_ok=True)
