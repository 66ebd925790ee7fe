"""Where a job runs: what it asks for, against what the live workers offer and what scaled fleets may grow to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .. import ledger
from ..errors import InvalidJob
from ..fleet.topology import WorkDevice, queue_for
from ..kinds import Spec, kind_of
from ..ledger import Worker
from ..redis.connection import Steps


@dataclass(frozen=True)
class Offer:
    """What there is to run jobs on.

    Attributes:
        workers: those that are live.
        reach: how many slots scaled fleets may grow to.
    """

    workers: Sequence[Worker] = ()
    reach: Mapping[WorkDevice, int] = field(default_factory=dict)


def offer(specs: Iterable[Spec]) -> Steps[Offer]:
    """Look at the live workers, and at what fleets may grow to only if some job needs more than those have."""
    workers: list[Worker] = yield ledger.workers()
    live = Offer(workers)
    if not workers or all(any(_lack(spec, device, live) is None for device in _devices(spec)) for spec in specs):
        return live
    reach: dict[WorkDevice, int] = yield ledger.reach()
    return Offer(workers, reach)


def place(spec: Spec, offered: Offer) -> WorkDevice:
    """The device of a job: what it names, or for "auto" the best that a live worker has, else the best to come.

    As long as no worker is there at all, nothing is refused: a job waits for the device it names, or for a CPU.

    Raises:
        InvalidJob: nothing could run it; says what is missing.
    """
    if not offered.workers:
        return ("gpu" if spec.gpu_memory else "cpu") if spec.device == "auto" else spec.device
    lacks: dict[WorkDevice, str | None] = {}
    for there in (Offer(offered.workers), offered):
        lacks = {device: _lack(spec, device, there) for device in _devices(spec)}
        found = next((device for device, lack in lacks.items() if lack is None), None)
        if found:
            return found
    missing = "; ".join(lack for lack in lacks.values() if lack)
    raise InvalidJob(f"no live worker could run this job: {missing}. Start one that can, or ask for less")


def fits(spec: Spec, worker: Worker) -> bool:
    """Whether a worker has what a job asks for; what it does not know of itself, it is taken to have."""
    return not any(True for _ in _short(spec, worker))


def _devices(spec: Spec) -> tuple[WorkDevice, ...]:
    """Where it may run, the best first."""
    if spec.device != "auto":
        return (spec.device,)
    if spec.gpu_memory is not None:
        return ("gpu",)
    return ("gpu", "cpu") if kind_of(spec).gains_by_gpu else ("cpu", "gpu")


def _lack(spec: Spec, device: WorkDevice, offered: Offer) -> str | None:
    """Why it cannot run on a device; None if it can.

    What nodes have that do not run yet is not known, but for how many slots they make: they are like those that run.
    """
    queue = queue_for(spec.kind, device)
    serving = [worker for worker in offered.workers if queue in worker.queues]
    reach = offered.reach.get(device, 0)
    if not serving and not reach:
        return f"none serves {queue}"
    fitting = [worker for worker in serving if fits(spec, worker)]
    if fitting or not serving:
        wanted = kind_of(spec).slots(spec)
        slots = max(reach, sum(worker.most_slots for worker in fitting))
        return (
            None if wanted <= slots else f"on {queue}, it asks for workers={wanted} and there are at most {slots} slots"
        )
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
