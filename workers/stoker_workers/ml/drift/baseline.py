"""The rows that a version was judged on: what windows of requests to it are held against."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stoker.errors import InvalidJob
from stoker.kinds import Data, Monitor
from stoker.models.manifest import ModelVersion
from stoker.models.rows import encode
from stoker.models.tensors import Array, Outputs

from ..added_data import read_validated
from ..data import Source
from ..data.source import rows_of
from ..evaluation.rows import LabelledRows
from ..opening import open_data
from ..prediction.predictor import Predictor
from ..preprocessing.target import truth_columns
from ..progress import Meter, obey_stop
from ..run import Run
from .columns import CONFIDENCE, PREDICTION, columns_of
from .performance import Gate, gate_of_labels, of_numbers
from .reference import Values

_BATCH = 1024


@dataclass(frozen=True)
class Baseline:
    """What was found of a version on its reference.

    Attributes:
        data: the reference to it, in words.
        columns: see `columns_of`.
    """

    data: str
    columns: dict[str, Values]
    gate: Gate


def baseline(spec: Monitor, version: ModelVersion, run: Run) -> Baseline:
    """Predict the reference.

    Raises:
        InvalidJob: there is none, or the model does not take its rows.
        Stopped: a stop was requested.
    """
    data, source = _opened(spec, version, run)
    predictor = Predictor.load(version, run.store, run.scratch, _BATCH, spec.rows, run.custom_objects)
    found: list[dict[str, Values]] = []
    right: list[Array] = []
    rows, meter = 0, Meter(run, "reading the reference", total=source.rows)
    for inputs, truth in _batches(spec, version, source, data):
        obey_stop(run)
        outputs = predictor.predict(inputs)
        columns = columns_of(version, inputs, outputs, spec.leave_out)
        found.append(columns)
        if truth is not None and (judged := _judged(version, columns, truth)) is not None:
            right.append(judged)
        rows += rows_of(inputs)
        meter.at(rows)
        if rows >= spec.rows:
            break
    if rows < spec.window:
        raise InvalidJob(
            f"{data} has {rows} rows, and a window is {spec.window}: give data of at least as many rows as a window, "
            "better ten times as many, or a smaller window"
        )
    columns = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
    return Baseline(data, columns, _gate(version, columns, np.concatenate(right) if right else None))


def _opened(spec: Monitor, version: ModelVersion, run: Run) -> tuple[str, Source]:
    """The rows that the version was judged on, and what they are, in words."""
    learned = version.learned_from
    samples = [ref for ref in version.trained_on if ref.startswith("sample://")]
    data: str | Data
    if spec.data is not None:
        data = spec.data
    elif samples:
        data = samples[0]
    elif learned and learned.validation:
        data = Data.model_validate({"ref": learned.validation.ref} | learned.validation.options)
    elif learned and learned.held_out:
        source = read_validated(version, learned.held_out, run)
        return f"what {version.ref} was validated on of {learned.data[0].ref}", source
    else:
        raise InvalidJob(
            f"{version.ref} does not say on which rows it was judged, apart from those that it was trained on: give "
            "the data of its evaluation, as Monitor(data=…)"
        )
    return str(data), open_data(data, "test", run, version.signature)


def _batches(
    spec: Monitor, version: ModelVersion, source: Source, origin: str
) -> Iterator[tuple[dict[str, Array], Outputs | None]]:
    names = {column.name for column in source.columns}
    wanted = [spec.target] if spec.target else truth_columns(version.signature)
    if spec.target or (wanted and set(wanted) <= names):
        for inputs, truth, _ in LabelledRows(source, version, spec.target, origin).batches(_BATCH):
            yield inputs, truth
        return
    first = 0
    for columns in source.batches(_BATCH):
        inputs = encode(version.signature.inputs, columns, np.arange(first, first + rows_of(columns)))
        first += rows_of(columns)
        yield inputs, None


def _judged(version: ModelVersion, columns: dict[str, Values], truth: Outputs) -> Array | None:
    """Of each row whether it is right, or by how much it is off; None for a model of more than one label or number."""
    part = version.signature
    if part.parts or PREDICTION not in columns:
        return None
    if part.task in ("binary", "multiclass"):
        true = np.asarray(truth)
        # One column for each class, or the number of the class.
        places = true.argmax(axis=1) if true.ndim == 2 and true.shape[1] > 1 else true.reshape(-1).astype(int)
        labels = np.array(part.classes, dtype=object)[places]
        return np.asarray(columns[PREDICTION] == labels)
    if part.task == "regression" and np.asarray(truth).size == len(columns[PREDICTION]):
        return np.asarray(columns[PREDICTION] - np.asarray(truth, dtype=np.float64).reshape(-1))
    return None


def _gate(version: ModelVersion, columns: dict[str, Values], judged: Array | None) -> Gate:
    if CONFIDENCE in columns and not version.signature.parts:
        return gate_of_labels(judged, columns[CONFIDENCE])
    return Gate(measured=of_numbers(judged)) if judged is not None else Gate()
