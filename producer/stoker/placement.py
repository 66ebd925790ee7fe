"""Where a job runs: what it asks for, against what the live workers offer."""

from collections.abc import Iterator, Sequence

from .errors import InvalidJob
from .jobs import Spec
from .ledger import Worker
from .topology import WorkDevice, gains_by_gpu, queue_for


def place(spec: Spec, workers: Sequence[Worker]) -> WorkDevice:
    """The device of a job: what it names, or for "auto" the best that a live worker has.

    As long as no worker is there at all, nothing is refused: a job waits for the device it names, or for a CPU.

    Args:
        workers: those that are live.

    Raises:
        InvalidJob: none of them could run it; says what is missing.
    """
    if not workers:
        return ("gpu" if spec.gpu_memory else "cpu") if spec.device == "auto" else spec.device
    missing = []
    for device in _devices(spec):
        lack = _lack(spec, device, workers)
        if lack is None:
            return device
        missing.append(lack)
    raise InvalidJob(f"no live worker could run this job: {'; '.join(missing)}. Start one that can, or ask for less")


def fits(spec: Spec, worker: Worker) -> bool:
    """Whether a worker has what a job asks for; what it does not know of itself, it is taken to have."""
    return not any(True for _ in _short(spec, worker))


def _devices(spec: Spec) -> tuple[WorkDevice, ...]:
    """Where it may run, the best first."""
    if spec.device != "auto":
        return (spec.device,)
    if spec.gpu_memory is not None:
        return ("gpu",)
    return ("gpu", "cpu") if gains_by_gpu(spec.kind) else ("cpu", "gpu")


def _lack(spec: Spec, device: WorkDevice, workers: Sequence[Worker]) -> str | None:
    """Why it cannot run on a device; None if it can."""
    queue = queue_for(spec.kind, device)
    serving = [worker for worker in workers if queue in worker.queues]
    if not serving:
        return f"none serves {queue}"
    if any(fits(spec, worker) for worker in serving):
        return None
    # The one that comes closest tells what to look for.
    least = min((list(_short(spec, worker)) for worker in serving), key=len)
    return f"on {queue}, {' and '.join(least)}"


def _short(spec: Spec, worker: Worker) -> Iterator[str]:
    """What a worker has too little of."""
    for name, wished, offered in (
        ("memory", spec.memory, worker.memory_bytes),
        ("cpus", spec.cpus, worker.cpus),
        ("gpu_memory", spec.gpu_memory, worker.gpu_memory_bytes),
    ):
        if wished is not None and offered is not None and wished > offered:
            yield f"it asks for {name}={wished:,} and {worker.name} has {offered:,}"
