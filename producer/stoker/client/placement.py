"""Where a job runs: its resources, compared with those of the live workers and of the fleets that may still grow."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import InvalidJob
from ..fleet.topology import WorkDevice, queue_for
from ..kinds import Spec, kind_of, needs_of
from ..kinds.needs import lacking
from ..ledger import autoscaling, presence
from ..ledger.presence import Worker
from ..models.manifest import ModelVersion
from ..redis.calls import Steps

# A client that submits again so soon takes the workers to be those that it has just seen.
_FRESH_S = 0.25
# So many versions of models are remembered.
_MOST_VERSIONS = 1000


@dataclass(frozen=True)
class Offer:
    """The resources for jobs.

    Attributes:
        workers: the live workers.
        reach: how many slots the fleets may grow to, by device.
    """

    workers: Sequence[Worker] = ()
    reach: Mapping[WorkDevice, int] = field(default_factory=dict)


class Seen:
    """The live workers and the models as a client saw them last, so that it need not look for each of many jobs."""

    def __init__(self) -> None:
        self._last: tuple[float, Offer] | None = None
        self._versions: dict[str, ModelVersion] = {}

    def fresh(self) -> Offer | None:
        """What it saw a moment ago; None if that is longer ago."""
        return self._last[1] if self._last and time.monotonic() < self._last[0] + _FRESH_S else None

    def note(self, live: Offer) -> None:
        """Note what it sees now."""
        self._last = time.monotonic(), live

    def versions(self) -> Mapping[str, ModelVersion]:
        """The versions that references of models led to; whether they still do is to be checked."""
        return self._versions

    def note_versions(self, versions: Mapping[str, ModelVersion]) -> None:
        """Note what references lead to now."""
        kept = {} if len(self._versions) > _MOST_VERSIONS else self._versions
        self._versions = {**kept, **versions}


def offer(specs: Collection[Spec], seen: Seen | None = None) -> Steps[Offer]:
    """The live workers: as they were seen a moment ago, if that is enough, else as they are now.

    The limits of the fleets are read only if some job fits no live worker.

    Args:
        seen: what the client has seen, and sees.
    """
    if seen and (before := seen.fresh()) and _suffices(before, specs):
        return before
    workers: list[Worker] = yield presence.workers()
    live = Offer(workers)
    if seen:
        seen.note(live)
    if _suffices(live, specs):
        return live
    reach: dict[WorkDevice, int] = yield autoscaling.reach()
    return Offer(workers, reach)


def _suffices(live: Offer, specs: Iterable[Spec]) -> bool:
    """Whether nothing more needs to be known to place these jobs: nobody lives, or each fits somebody."""
    return not live.workers or all(
        any(_lack_with_trials(spec, device, live, live) is None for device in _devices(spec)) for spec in specs
    )


def place(spec: Spec, offered: Offer) -> WorkDevice:
    """The device of a job: the one that it names, or for "auto" the best one of a live worker, else of a fleet.

    Without any live worker nothing is refused: the job waits for the device that it names, or for a CPU.

    Raises:
        InvalidJob: no worker could run it; says what is missing.
    """
    if not offered.workers:
        return ("gpu" if spec.gpu_memory else "cpu") if spec.device == "auto" else spec.device
    lacks: dict[WorkDevice, str | None] = {}
    words = needs_of(spec)
    # Where none has the words, the job waits for one that has: that is no reason to refuse it.
    able = [worker for worker in offered.workers if not lacking(words, worker.offers)] if words else []
    for resources in (*([Offer(able)] if able else []), Offer(offered.workers), offered):
        lacks = {device: _lack_with_trials(spec, device, resources, offered) for device in _devices(spec)}
        fitting = next((device for device, lack in lacks.items() if lack is None), None)
        if fitting:
            return fitting
    missing = "; ".join(lack for lack in lacks.values() if lack)
    raise InvalidJob(f"no live worker could run this job: {missing}. Start one that can, or ask for less")


def fits(spec: Spec, worker: Worker) -> bool:
    """Whether a worker has the resources that a job asks for; a resource that it does not report counts as enough."""
    return not any(True for _ in _short(spec, worker))


def _devices(spec: Spec) -> tuple[WorkDevice, ...]:
    """The devices that a job may run on, the best first."""
    if spec.device != "auto":
        return (spec.device,)
    if spec.gpu_memory is not None:
        return ("gpu",)
    return ("gpu", "cpu") if kind_of(spec).gains_by_gpu else ("cpu", "gpu")


def _lack_with_trials(spec: Spec, device: WorkDevice, own: Offer, offered: Offer) -> str | None:
    """Why a job, or one that it asks for as a trial, cannot run; None if both can.

    Args:
        device: where the job is to run; so do its trials, if they name no other one.
        own: the workers for the job itself.
    """
    lack, trial = _lack(spec, device, own), kind_of(spec).trial(spec)
    if lack is not None or trial is None:
        return lack
    devices = _devices(trial)
    return _lack(trial, device if device in devices else devices[0], offered)


def _lack(spec: Spec, device: WorkDevice, offered: Offer) -> str | None:
    """Why a job cannot run on a device; None if it can.

    Of nodes that a fleet may still start, only their slots are known: they are taken to be like the running ones.
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
    # The worker that comes closest shows best what is missing.
    least = min((list(_short(spec, worker)) for worker in serving), key=len)
    return f"on {queue}, {' and '.join(least)}"


def _short(spec: Spec, worker: Worker) -> Iterator[str]:
    """The resources that a worker has too little of."""
    for name, wished, offered in (
        ("memory", spec.memory, worker.memory_bytes),
        ("cpus", spec.cpus, worker.cpus),
        ("gpu_memory", spec.gpu_memory, worker.gpu_memory_bytes),
    ):
        if wished is not None and offered is not None and wished > offered:
            yield f"it asks for {name}={wished:,} and {worker.name} has {offered:,}"
