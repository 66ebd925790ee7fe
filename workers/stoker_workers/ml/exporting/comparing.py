"""Whether an export computes what its version does: both compute the same rows, in a process of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from stoker.errors import InvalidJob
from stoker.kinds import Export
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature
from stoker.models.tensors import Array

from ..optimisation.apart import Crashed, apart
from ..prediction.loading import first_line, load_saved
from ..prediction.opening import Model, Staged, load_exported, open_version, reference_engine
from ..prediction.runtime import LiteRTFile, ModelFailed, OnnxFile, TensorFlowEngine
from ..prediction.runtime.engine import Engine, listed_outputs
from ..run import Run
from .built import Built
from .named_graph import SERVING
from .sample_rows import sample_rows

_CALL_ROWS = 256


@dataclass(frozen=True)
class Compared:
    """Rows that an export and its version have computed alike.

    Attributes:
        rows: how many, and `rows_of` which.
        difference: the largest difference of an output between both, as a share of the output's largest value.
    """

    rows: int
    rows_of: str
    difference: float


def compare(spec: Export, version: ModelVersion, built: Built, run: Run) -> Compared:
    """Compute some rows by both.

    Raises:
        InvalidJob: the export cannot be loaded, or computes something else; or the version fails on the rows.
        Stopped: a stop was asked for.
    """
    try:
        return apart(lambda own: _compared(spec, version, built, own), run)
    except Crashed as crash:
        raise InvalidJob(f"{version.ref} as {spec.format} cannot be loaded: the process that tried {crash}") from crash


def _compared(spec: Export, version: ModelVersion, built: Built, run: Run) -> Compared:
    rows, words = sample_rows(spec, version, run)
    own = open_version(version, run.store, run.scratch, run.custom_objects)
    largest = 0.0
    try:
        expected = _computed(reference_engine(own, version.signature, len(rows[0])), rows, version.signature)
    except ModelFailed as error:
        raise InvalidJob(
            f"{version.ref} fails on rows {words}, so that nothing can be compared: {first_line(error)}; give data "
            "with rows that it takes"
        ) from error
    try:
        actual = _computed(_engine(built, own, run), rows, version.signature)
    except (ModelFailed, ValueError, RuntimeError) as error:
        raise InvalidJob(f"{version.ref} as {spec.format} fails on rows {words}: {first_line(error)}") from error
    for name, one, other in zip(version.signature.each, expected, actual, strict=True):
        difference = _difference(one, other)
        if not difference <= spec.tolerance:
            raise InvalidJob(
                f"{version.ref} as {spec.format} computes something else: its output {name!r} differs by "
                f"{difference:.3g} of the largest value on {len(rows[0])} rows {words}, and tolerance is "
                f"{spec.tolerance:g}; export another format, or allow more"
            )
        largest = max(largest, difference)
    return Compared(len(rows[0]), words, largest)


def _computed(engine: Engine, rows: Sequence[Array], signature: Signature) -> list[Array]:
    """The outputs of all rows, call by call."""
    at_once = signature.batch or _CALL_ROWS
    last = len(rows[0]) - (len(rows[0]) % signature.batch if signature.batch else 0)
    calls = [
        listed_outputs(engine.run([array[start : min(start + at_once, last)] for array in rows]))
        for start in range(0, last, at_once)
    ]
    return [np.concatenate(arrays) for arrays in zip(*calls, strict=True)]


def _difference(expected: Array, actual: Array) -> float:
    """The largest difference, as a share of the largest value; infinite where shapes differ, or gaps."""
    if expected.shape != actual.shape:
        return float("inf")
    one, other = expected.astype(np.float64), actual.astype(np.float64)
    if not np.array_equal(np.isnan(one), np.isnan(other)):
        return float("inf")
    same = np.equal(one, other) | np.isnan(one)
    if same.all():
        return 0.0
    scale = np.nanmax(np.abs(one[np.isfinite(one)]), initial=0.0)
    differs = float(np.max(np.abs(one[~same] - other[~same])))
    return differs / float(scale) if scale else float("inf")


def _engine(built: Built, own: Model, run: Run) -> Engine:
    """What computes rows by the export's files."""
    if built.is_copy and isinstance(own, Staged):
        return reference_engine(own, built.signature, _CALL_ROWS)
    network = _network(built, run)
    if built.front is None:
        return network
    front = load_saved(built.front, built.front.name, run.custom_objects)
    return _Behind(TensorFlowEngine(front, built.front_signature, _CALL_ROWS), network)


def _network(built: Built, run: Run) -> Engine:
    match built.format:
        case "savedmodel":
            return TensorFlowEngine(load_exported(built.path, SERVING), built.signature, _CALL_ROWS)
        case "onnx":
            return OnnxFile(built.path.read_bytes(), 1, built.signature)
        case "litert":
            content = built.path.read_bytes()
            return LiteRTFile(content, 1, built.signature) if built.is_copy else _Signed(content, built.signature)
    return TensorFlowEngine(load_saved(built.path, built.path.name, run.custom_objects), built.signature, _CALL_ROWS)


class _Signed:
    """A file of LiteRT that is called by the names of its function, as its own documentation says to."""

    name, threads, size_bytes = "litert", 1, 0

    def __init__(self, content: bytes, signature: Signature) -> None:
        self._content = content
        self._runner: Any = Interpreter(model_content=content, num_threads=1).get_signature_runner(SERVING)
        self._signature = signature

    def run(self, columns: Sequence[Array]) -> Any:
        """See `Engine`."""
        inputs = {spec.own_name: array for spec, array in zip(self._signature.inputs, columns, strict=True)}
        outputs = self._runner(**inputs)
        arrays = [outputs[spec.own_name] for spec in self._signature.outputs]
        return dict(zip(self._signature.parts, arrays, strict=True)) if self._signature.parts else arrays[0]


class _Behind:
    """A network behind what prepares its rows."""

    name, threads, size_bytes = "network", 1, 0

    def __init__(self, front: Engine, network: Engine) -> None:
        self._front = front
        self._network = network

    def run(self, columns: Sequence[Array]) -> Any:
        """See `Engine`."""
        return self._network.run(listed_outputs(self._front.run(columns)))
