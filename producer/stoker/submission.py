"""What happens to a spec before it is queued: everything that can be known to be wrong is refused here."""

import uuid
from collections.abc import Sequence

from . import ledger, registry, topology
from .artifacts import ModelVersion
from .connection import Steps
from .data import preflight
from .errors import InvalidJob
from .events import JobStatus
from .jobs import Deploy, Evaluate, Infer, Spec, Train
from .registry import JOB_MODEL
from .topology import WorkDevice
from .tracing import traceparent


def prepare(specs: Sequence[Spec], idempotency_key: str | None = None) -> Steps[list[ledger.NewJob]]:
    """Check specs against the registry and the headers of local files, and give each an id and a queue.

    Args:
        specs: jobs submitted together; each may name one before it as "#0", "#1", ….
        idempotency_key: for a single spec.

    Raises:
        InvalidJob: a file, column or array is missing, a reference points nowhere, or the key cannot be one.
        ModelNotFound: a spec names a model that does not exist.
    """
    if idempotency_key is not None and not (0 < len(idempotency_key) <= 256 and idempotency_key.isprintable()):
        raise InvalidJob("an idempotency key is 1 to 256 printable characters")
    prepared: list[ledger.NewJob] = []
    parent = traceparent()
    for spec in specs:
        checked = yield from _check(_with_ids(spec, [job.id for job in prepared]))
        queue = topology.queue_for(spec.kind, (yield from _device(spec)))
        prepared.append(ledger.NewJob(str(uuid.uuid4()), checked, queue, checked.after, idempotency_key, parent))
    return prepared


def _with_ids(spec: Spec, before: Sequence[str]) -> Spec:
    """The spec with ids instead of "#0"; it comes after the job whose model it takes."""

    def job_id(ref: str) -> str:
        if not ref.startswith("#"):
            return ref
        number = int(ref[1:])
        if number >= len(before):
            raise InvalidJob(f"{ref} in spec #{len(before)} names no spec before it: count from #0")
        return before[number]

    after = [job_id(ref) for ref in spec.after]
    if isinstance(spec, Train):
        return spec.model_copy(update={"after": tuple(after)})
    model = f"{JOB_MODEL}{job_id(spec.model)}" if spec.model.startswith("#") else spec.model
    if model.startswith(JOB_MODEL):
        after.append(model.removeprefix(JOB_MODEL))
    return spec.model_copy(update={"after": tuple(dict.fromkeys(after)), "model": model})


def _check(spec: Spec) -> Steps[Spec]:
    if isinstance(spec, Train):
        return _check_training_data(spec)
    version: ModelVersion | None = None
    if not spec.model.startswith(JOB_MODEL):
        version = yield registry.resolve(spec.model)
    return spec if isinstance(spec, Deploy) else _check_model_data(spec, version)


def _check_training_data(spec: Train) -> Train:
    found = {"data": preflight(spec.data, target=spec.target, features=spec.features)}
    if spec.validation_data is not None:
        found["validation_data"] = preflight(spec.validation_data, target=spec.target, features=spec.features)
    return spec.model_copy(update=found)


def _check_model_data(spec: Evaluate | Infer, version: ModelVersion | None) -> Evaluate | Infer:
    labelled = isinstance(spec, Evaluate)
    target = spec.target if isinstance(spec, Evaluate) else None
    features: tuple[str, ...] = ()
    if version:
        inputs = version.signature.inputs
        features = inputs[0].columns if len(inputs) == 1 else tuple(tensor.name for tensor in inputs)
        target = target or version.signature.target
    data = preflight(spec.data, target=target, features=features or None, labelled=labelled and version is not None)
    return spec.model_copy(update={"data": data})


def _device(spec: Spec) -> Steps[WorkDevice]:
    """Choose the device of a job, asking who is there only where it matters."""
    live: set[str] = set()
    if spec.device == "auto":
        workers: list[ledger.Worker] = yield ledger.workers()
        live = {worker.device for worker in workers}
    return topology.choose_device(spec, spec.kind, live)


def late(status: JobStatus, timeout_s: float) -> str:
    """What a caller is told who did not want to wait any longer."""
    return f"job {status.id} is {status.state} after {timeout_s:g} s of waiting; it goes on, ask again later"
