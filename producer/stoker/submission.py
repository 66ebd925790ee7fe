"""What happens to a spec before it is queued: everything that can be known to be wrong is refused here."""

import math
import uuid
from collections.abc import Generator
from typing import Any

from . import ledger, registry, topology
from .artifacts import ModelVersion
from .connection import Call
from .data import preflight
from .errors import InvalidJob
from .events import JobStatus
from .jobs import Evaluate, Infer, Spec, Train
from .topology import WorkDevice

LONGEST_BLOCK_S = 5.0


def prepare(spec: Spec, idempotency_key: str | None = None) -> Generator[Call[Any], Any, ledger.NewJob]:
    """Check a spec against the registry and the headers of local files, and give it an id and a queue.

    Raises:
        InvalidJob: a file, column or array is missing, or the key cannot be one.
        ModelNotFound: it names a model that does not exist.
    """
    if idempotency_key is not None and not (0 < len(idempotency_key) <= 256 and idempotency_key.isprintable()):
        raise InvalidJob("an idempotency key is 1 to 256 printable characters")
    if isinstance(spec, Train):
        checked: Spec = _check_training_data(spec)
    else:
        version: ModelVersion = yield registry.resolve(spec.model)
        checked = _check_model_data(spec, version)
    queue = topology.queue_for(spec.kind, (yield from _device(spec)))
    return ledger.NewJob(str(uuid.uuid4()), checked, queue, idempotency_key)


def _check_training_data(spec: Train) -> Train:
    found = {"data": preflight(spec.data, target=spec.target, features=spec.features)}
    if spec.validation_data is not None:
        found["validation_data"] = preflight(spec.validation_data, target=spec.target, features=spec.features)
    return spec.model_copy(update=found)


def _check_model_data(spec: Evaluate | Infer, version: ModelVersion) -> Evaluate | Infer:
    inputs = version.signature.inputs
    features = inputs[0].columns if len(inputs) == 1 else tuple(tensor.name for tensor in inputs)
    labelled = isinstance(spec, Evaluate)
    target = (spec.target if isinstance(spec, Evaluate) else None) or version.signature.target
    return spec.model_copy(
        update={"data": preflight(spec.data, target=target, features=features or None, labelled=labelled)}
    )


def _device(spec: Spec) -> Generator[Call[Any], Any, WorkDevice]:
    """Choose the device of a job, asking who is there only where it matters."""
    live: set[str] = set()
    if spec.device == "auto":
        workers: list[ledger.Worker] = yield ledger.workers()
        live = {worker.device for worker in workers}
    return topology.choose_device(spec, spec.kind, live)


def block_ms(left_s: float | None) -> int:
    """How long one blocking read may wait: at least 1 ms, at most `LONGEST_BLOCK_S`."""
    left = LONGEST_BLOCK_S if left_s is None else min(left_s, LONGEST_BLOCK_S)
    return max(1, math.ceil(left * 1000))


def late(status: JobStatus, timeout_s: float) -> str:
    """What a caller is told who did not want to wait any longer."""
    return f"job {status.id} is {status.state} after {timeout_s:g} s of waiting; it goes on, ask again later"
