"""The test of a model before it serves: that it loads here, answers, and how long that takes."""

from collections.abc import Mapping

import numpy as np

from stoker.errors import InvalidJob
from stoker.kinds import Latency
from stoker.kinds.rollout import LoadTest
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.tensors import Array, Outputs

from .evaluation.efficiency import measure
from .prediction.predictor import Predictor
from .prediction.runtime.inputs import sample
from .run import Run

_ROWS = 32
_INSTEAD = "; if made-up rows are none for it, deploy it with load_test=False"


def load_test(version: ModelVersion, before: ModelVersion | None, run: Run) -> LoadTest:
    """Load a version on this device, let it answer made-up rows, and time it in turns with the one before it.

    Raises:
        InvalidJob: it cannot be loaded, fails, or gives other shapes than it should or no finite numbers.
        Corrupt, Unavailable: the store does not give its file.
        Stopped: a stop was asked for.
    """
    new = _loaded(version, run)
    rows = _rows(version)
    _require_answers(new, rows)
    old = _usable(before, run) if before else None
    entrants: list[tuple[Predictor, Mapping[str, Array]]] = [(new, rows)]
    if old and before:
        entrants.append((old, _rows(before)))
    latencies = [efficiency.latency for efficiency in measure(entrants, run)]
    old_latency: dict[int, Latency] = latencies[1] if old else {}
    return LoadTest(device=run.device, latency=latencies[0], before=old_latency)


def _loaded(version: ModelVersion, run: Run) -> Predictor:
    predictor = Predictor.load(version, run.store, run.scratch, _ROWS, custom=run.custom_objects)
    run.say(*predictor.remarks)
    return predictor


def _rows(version: ModelVersion) -> dict[str, Array]:
    inputs = Inputs(version.signature, version.ref)
    return {spec.name: array for spec, array in zip(inputs.specs, sample(inputs, _ROWS), strict=True)}


def _usable(before: ModelVersion, run: Run) -> Predictor | None:
    """The version before, if it can be timed: what is wrong with it is no fault of the new one."""
    try:
        predictor = _loaded(before, run)
        predictor.predict(_rows(before))
    except InvalidJob as error:
        run.say(f"{before.ref} is not timed: {error.message}", level="warning")
        return None
    return predictor


def _require_answers(predictor: Predictor, rows: Mapping[str, Array]) -> None:
    """Refuse a model that fails on made-up rows, one or 32 of them."""
    version = predictor.version
    for count in (1, _ROWS):
        try:
            outputs = predictor.predict({name: array[:count] for name, array in rows.items()})
        except InvalidJob as error:
            raise InvalidJob(f"{version.ref} fails its load test: {error.message}{_INSTEAD}") from None
        for name, array in _each(outputs).items():
            _require_rows(version, name, array, count)


def _each(outputs: Outputs) -> Mapping[str, Array]:
    return outputs if isinstance(outputs, Mapping) else {"": outputs}


def _require_rows(version: ModelVersion, name: str, array: Array, count: int) -> None:
    what = f"{version.ref} fails its load test: {f'output {name!r}' if name else 'it'}"
    if len(array) != count:
        raise InvalidJob(f"{what} gives {len(array)} rows for {count}{_INSTEAD}")
    expected = next((spec.shape for spec in version.signature.outputs if spec.name == name), None)
    if not name:
        expected = version.signature.outputs[0].shape
    shape = array.shape[1:]
    if expected is not None and (
        len(shape) != len(expected) or any(size not in (None, has) for size, has in zip(expected, shape, strict=True))
    ):
        raise InvalidJob(f"{what} gives rows of shape {shape}, and should give {expected}{_INSTEAD}")
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        wrong = int((~np.isfinite(array.reshape(count, -1)).all(axis=1)).sum())
        raise InvalidJob(f"{what} gives no finite numbers for {wrong} of {count} made-up rows{_INSTEAD}")
