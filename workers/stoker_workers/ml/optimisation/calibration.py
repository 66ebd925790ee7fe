"""Rows of the training distribution, by which the ranges of activations are found."""

from collections.abc import Iterator, Mapping

import numpy as np

from stoker.errors import InvalidJob
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.rows import encode
from stoker.models.tensors import Array

from ..data import Source, Values
from ..data.source import rows_of
from ..opening import open_data
from ..preprocessing.forecasting import cut_windows
from ..progress import obey_stop
from ..run import Run
from ..used_data import open_again
from .forms import Given

_ROWS = 256
"""Rows that are drawn: more change the ranges of a hundred layers by less than a step of 8 bits."""
_READ = 1024
_SEED = 0


def calibration_rows(given: Given) -> tuple[list[Array], str]:
    """Some rows as the model takes them, an array for each input in order; and where they are from, in words.

    Raises:
        InvalidJob: it is not known what the model has learned from, or that has changed; or there are too few rows.
    """
    version, run = given.version, given.run
    if given.spec.calibration is not None:
        source, words = open_data(given.spec.calibration, "train", run, version.signature), str(given.spec.calibration)
    else:
        source, words = learned_rows(version, run, "calibration")
    rows = _drawn(source, version, run)
    batch = version.signature.batch or 1
    if len(rows[0]) < batch:
        raise InvalidJob(f"{words} has {len(rows[0])} rows to calibrate by; give at least {batch} as calibration")
    return rows, words


def learned_rows(version: ModelVersion, run: Run, field: str) -> tuple[Source, str]:
    """What a version was first trained on, opened again, and its reference.

    Args:
        field: of the job, which names other data.

    Raises:
        InvalidJob: that is not known, or has changed since.
    """
    learned = version.learned_from
    if learned is None:
        raise InvalidJob(
            f"it is not known what {version.ref} has learned from: give rows of the same kind as {field}, such as "
            f"{field}='rows.csv'"
        )
    used = learned.data[0]
    instead = f"give rows of the same kind as {field}"
    source = open_again(used, "train", run, version.signature, version.ref, instead).source
    forecast = version.signature.forecast
    if forecast is not None:
        source = cut_windows(source, forecast, version.signature.inputs[0].name, run)
    return source, used.ref


def _drawn(source: Source, version: ModelVersion, run: Run) -> list[Array]:
    """So many rows, any with the same chance, in one pass over all."""
    inputs = Inputs(version.signature, version.ref)
    chances = np.random.default_rng(_SEED)
    kept: list[Array] = []
    keys = np.empty(0)
    for first, columns in _batches(source):
        obey_stop(run)
        own = chances.random(rows_of(columns))
        # Of a row that comes in, nothing is encoded.
        entering = np.flatnonzero(own < (np.partition(keys, _ROWS - 1)[_ROWS - 1] if len(keys) >= _ROWS else 1.0))
        if not len(entering):
            continue
        chosen = {name: values[entering] for name, values in columns.items()}
        rows = inputs.conform(inputs.ordered(encode(version.signature.inputs, chosen, first + entering)))
        kept = [np.concatenate(pair) for pair in zip(kept, rows, strict=True)] if kept else rows
        keys = np.concatenate([keys, own[entering]])
        best = np.argsort(keys)[:_ROWS]
        kept, keys = [array[best] for array in kept], keys[best]
    if not kept:
        raise InvalidJob(f"there are no rows to calibrate {version.ref} by; give some as calibration")
    return kept


def _batches(source: Source) -> Iterator[tuple[int, Mapping[str, Values]]]:
    first = 0
    for columns in source.batches(_READ):
        yield first, columns
        first += rows_of(columns)
