"""Fleets: their load, their bounds, and what the autoscaler has decided about them."""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel

from ..errors import InvalidArgument
from ..fleet.bounds import Bounds, Decision
from ..fleet.topology import DEVICES, WorkDevice, queues_of
from ..kinds.needs import modules_in
from ..kinds.problems import short
from ..ledger import autoscaling, monitoring, presence
from ..redis.calls import Steps
from .calls import AsyncCalls, Calls

_DECISIONS = 5


class QueueStatus(BaseModel):
    """A queue's QUEUED jobs, and how long the oldest has waited."""

    queue: str
    jobs: int
    oldest_s: float


class Environment(BaseModel):
    """What some workers have in common: what they offer to jobs, and the versions of packages."""

    workers: list[str]
    labels: dict[str, str]
    functions: list[str]
    custom_objects: list[str]
    packages: dict[str, str]


class FleetStatus(BaseModel):
    """One fleet: its workers, queues, bounds set by hand, and the newest decisions, the current one first."""

    device: WorkDevice
    workers: int
    slots: int
    busy: int
    offered: int
    queues: list[QueueStatus]
    environments: list[Environment]
    bounds: Bounds | None
    decisions: list[Decision]


class FleetCalls(Calls):
    """A part of the blocking client."""

    def fleets(self) -> list[FleetStatus]:
        """All fleets that have workers, jobs, bounds or decisions: their load, and why they have so many slots."""
        return self._drive(_statuses())

    def scale(self, device: WorkDevice, bounds: Bounds | None) -> None:
        """Set how many slots a fleet has at least and at most; it follows within seconds, and needs a controller.

        Args:
            device: which fleet: "cpu", "gpu" or "tpu".
            bounds: beat the settings of the controller until they are taken away; None takes them away.

        Raises:
            InvalidArgument: there is no such fleet, or these are no bounds.
            Unauthorized: the client's user may not, as config/users.acl has it.
        """
        self._drive(_scaled(device, bounds))


class AsyncFleetCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def fleets(self) -> list[FleetStatus]:
        """See `Client.fleets`."""
        return await self._drive(_statuses())

    async def scale(self, device: WorkDevice, bounds: Bounds | None) -> None:
        """See `Client.scale`."""
        await self._drive(_scaled(device, bounds))


def _statuses() -> Steps[list[FleetStatus]]:
    health: monitoring.Health = yield monitoring.health()
    workers: list[presence.Worker] = yield presence.workers()
    found = []
    for device in DEVICES:
        bounds: Bounds | None = yield autoscaling.bounds(device)
        decisions: list[Decision] = yield autoscaling.decisions(device, _DECISIONS)
        ours = [worker for worker in workers if worker.device == device]
        queues = [
            QueueStatus(queue=queue.queue, jobs=queue.jobs, oldest_s=queue.oldest_s)
            for queue in health.queues
            if queue.queue in queues_of(device)
        ]
        if ours or decisions or bounds or any(queue.jobs for queue in queues):
            found.append(_status(device, ours, queues, bounds, decisions))
    return found


def _status(
    device: WorkDevice,
    workers: Sequence[presence.Worker],
    queues: list[QueueStatus],
    bounds: Bounds | None,
    decisions: list[Decision],
) -> FleetStatus:
    return FleetStatus(
        device=device,
        workers=len(workers),
        slots=sum(worker.slots for worker in workers),
        busy=sum(worker.busy for worker in workers),
        offered=sum(worker.most_slots for worker in workers),
        queues=queues,
        environments=_environments(workers),
        bounds=bounds,
        decisions=decisions,
    )


def _scaled(device: object, bounds: object) -> Steps[None]:
    known = next((known for known in DEVICES if known == device), None)
    if known is None:
        raise InvalidArgument(f"a fleet is one of {', '.join(DEVICES)}, got {short(device)}")
    if not (bounds is None or isinstance(bounds, Bounds)):
        raise InvalidArgument(f"bounds are stoker.Bounds or None, got {short(bounds)}")
    yield autoscaling.clear_bounds(known) if bounds is None else autoscaling.set_bounds(known, bounds)


def _environments(workers: Iterable[presence.Worker]) -> list[Environment]:
    """What the workers have, once for all that have the same."""
    alike: dict[str, Environment] = {}
    for worker in workers:
        environment = Environment(
            workers=[],
            labels=worker.labels,
            functions=list(worker.functions),
            custom_objects=list(modules_in(worker.offers)),
            packages=worker.packages,
        )
        alike.setdefault(environment.model_dump_json(), environment).workers.append(worker.name)
    return list(alike.values())
