"""The autoscaler at work: once a round, the leading controller looks at each fleet, decides, and sees to it."""

import logging
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from stoker import lanes
from stoker.errors import StokerError
from stoker.fleet.bounds import Decision, FleetSettings
from stoker.fleet.topology import DEVICES, WorkDevice
from stoker.ledger import autoscaling, presence
from stoker.ledger.autoscaling import KindTraffic, Traffic
from stoker.ledger.presence import Worker
from stoker.outages import Dependency
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .distribution import distribute
from .expectation import Expectation
from .load import KindLoad, Load, Running
from .policy import Memory, Target, Wish, decide
from .providers import Provider, provider_of

_log = logging.getLogger(__name__)
# A node that was never seen to start is taken to need this long: TensorFlow is imported, and perhaps a pod scheduled.
_NODE_START_S = 20.0
# A node that has not come for so long is not counted on any more.
_OVERDUE_S = 300.0


class FleetScaler:
    """Scales every fleet that has settings, or bounds set by hand."""

    def __init__(self, settings: Settings, connection: Connection, redis_url: str) -> None:
        self._settings = settings
        self._connection = connection
        self._redis_url = redis_url
        self._fleets: dict[WorkDevice, _Fleet] = {}

    def step(self, configured: Mapping[WorkDevice, FleetSettings]) -> bool:
        """Look at all fleets once, as they are configured now; gives whether there is any."""
        fleets = {device: fleet for device in DEVICES if (fleet := self._bounded(device, configured.get(device)))}
        for device in self._fleets.keys() - fleets.keys():
            self._forget(device)
        if not fleets:
            return False
        drainers = self._connection.run(lanes.demand())
        workers = self._connection.run(presence.workers())
        for device, settings in fleets.items():
            if device not in self._fleets:
                self._fleets[device] = _Fleet(device, self._settings, self._connection, self._redis_url)
            try:
                self._fleets[device].step(settings, [w for w in workers if w.device == device], drainers.get(device, 0))
            except StokerError as error:
                _log.warning("fleet %s stays as it is this round: %s", device, error)
        return True

    def _bounded(self, device: WorkDevice, settings: FleetSettings | None) -> FleetSettings | None:
        """A fleet's settings within its bounds set by hand; None if it has neither."""
        bounds = self._connection.run(autoscaling.bounds(device))
        return (settings or FleetSettings()).within(bounds) if bounds else settings

    def rest(self) -> None:
        """Another controller leads: what was remembered is of no use any more."""
        for device in list(self._fleets):
            self._forget(device)

    def _forget(self, device: WorkDevice) -> None:
        fleet = self._fleets.pop(device, None)
        if fleet:
            fleet.close()


class _Fleet:
    """One fleet, and what is remembered of it from round to round."""

    def __init__(self, device: WorkDevice, settings: Settings, connection: Connection, redis_url: str) -> None:
        self._device = device
        self._settings = settings
        self._connection = connection
        self._redis_url = redis_url
        self._memory: Memory | None = None
        self._provider: tuple[FleetSettings, Provider | None] | None = None
        self._last: Wish | None = None
        self._starts = _Starts()
        self._expectation = Expectation(device, connection)

    def close(self) -> None:
        """Let the provider go."""
        if self._provider and self._provider[1]:
            self._provider[1].close()

    def step(self, fleet: FleetSettings, workers: list[Worker], drainers: int) -> None:
        """Look, decide, and see to it."""
        provider = self._provider_of(fleet)
        if fleet.provider == "none" and not workers:
            self._decide_nothing()
            return
        traffic = self._connection.run(autoscaling.traffic(self._device))
        wanted = {w.name: n for w in workers if (n := self._connection.run(presence.wanted_slots(w.name))) is not None}
        nodes = _Nodes.of(fleet, provider, workers)
        coming = self._starts.coming(nodes.expected, nodes.present, traffic.at / 1000)
        to_come = self._slots_to_come(workers, wanted, coming * nodes.each)
        load = _load(traffic, workers, drainers, to_come, self._expectation.at(traffic.at / 1000))
        target = self._target(fleet, workers, load)
        wish, self._memory = decide(target, load, self._memory)
        for name, slots in distribute(workers, wish.slots, wanted).items():
            if slots != wanted.get(name):
                self._connection.run(presence.want_slots(name, slots))
        wanted_nodes = None
        if provider:
            wanted_nodes = nodes.wanted(wish.slots)
            if wanted_nodes != nodes.expected:
                provider.scale(wanted_nodes, nodes.idle)
        self._note(wish, sum(worker.slots for worker in workers), wanted_nodes, target.most)

    def _slots_to_come(self, workers: list[Worker], wanted: Mapping[str, int], coming: int) -> int:
        """How many slots there are or shall be: what was decided last, or, to begin with, what the workers have."""
        if self._last is not None:
            return self._last.slots
        return coming + sum(min(wanted.get(worker.name, worker.slots), worker.most_slots) for worker in workers)

    def _provider_of(self, fleet: FleetSettings) -> Provider | None:
        # Bounds may change at any time without a node having to end for it.
        fixed = FleetSettings(**{"max": 1} | fleet.model_dump(exclude={"min", "max", "target_wait_s", "cooldown_s"}))
        if self._provider is None or self._provider[0] != fixed:
            self.close()
            self._provider = (fixed, provider_of(fixed, self._device, self._settings, self._redis_url))
        return self._provider[1]

    def _target(self, fleet: FleetSettings, workers: list[Worker], load: Load) -> Target:
        offered = sum(worker.most_slots for worker in workers)
        most = fleet.max if fleet.max is not None else offered
        least = fleet.min
        if fleet.provider == "none":
            # A worker that lives keeps one slot.
            most = min(most, offered)
            least = max(least, len(workers))
        # Where the workers that run have room, a slot is a fork.
        start_s = 0.0 if fleet.provider == "none" or load.slots < offered else self._starts.mean_s
        return Target(min(least, most), most, fleet.target_wait_s, fleet.cooldown_s, start_s)

    def _note(self, wish: Wish, slots: int, nodes: int | None, most: int) -> None:
        notable = self._last is None or wish.slots != self._last.slots
        if notable:
            _log.info("fleet %s: %d slots -> %d: %s", self._device, slots, wish.slots, "; ".join(wish.reasons))
        self._last = wish
        decision = Decision(
            at=datetime.now(UTC), slots=slots, wanted=wish.slots, reasons=wish.reasons, nodes=nodes, most=most
        )
        self._connection.run(autoscaling.decided(self._device, decision, notable=notable))

    def _decide_nothing(self) -> None:
        """Nothing can be scaled. When a worker comes, the slots that it has are where to begin."""
        self._last = self._memory = None
        reasons = ("no worker runs, and the settings name no provider that could start one",)
        decision = Decision(at=datetime.now(UTC), slots=0, wanted=0, reasons=reasons, nodes=None, most=0)
        self._connection.run(autoscaling.decided(self._device, decision, notable=False))


@dataclass(frozen=True)
class _Nodes:
    """The nodes of a fleet's provider.

    Attributes:
        expected: how many it shall have.
        present: how many of them have announced themselves, with a worker of this fleet.
        idle: names of those that have nothing in hand.
        each: slots that one brings.
        others: slots that the workers of other nodes offer.
    """

    expected: int
    present: int
    idle: frozenset[str]
    each: int
    others: int

    @classmethod
    def of(cls, fleet: FleetSettings, provider: Provider | None, workers: list[Worker]) -> Self:
        """Look at a provider, and at what of it there is."""
        offered: Counter[str] = Counter()
        busy: Counter[str] = Counter()
        for worker in workers:
            offered[worker.node] += worker.most_slots
            busy[worker.node] += worker.busy
        owned = {node for node in offered if provider and provider.owns(node)}
        return cls(
            expected=provider.nodes() if provider else 0,
            present=len(owned),
            idle=frozenset(node for node in owned if not busy[node]),
            each=fleet.slots_per_node or max(offered.values(), default=1),
            others=sum(slots for node, slots in offered.items() if node not in owned),
        )

    def wanted(self, slots: int) -> int:
        """How many nodes it takes; as many go as have nothing to do, or are not there yet."""
        needed = math.ceil(max(0, slots - self.others) / self.each)
        absent = max(0, self.expected - self.present)
        return max(needed, self.expected - len(self.idle) - absent) if needed < self.expected else needed


class _Starts:
    """How long nodes take from being asked for to being there."""

    def __init__(self) -> None:
        self.mean_s = _NODE_START_S
        self._asked_at: list[float] = []

    def coming(self, nodes: int, there: int, now_s: float) -> int:
        """How many nodes that were asked for are still to come; to be called every round."""
        missing = max(0, nodes - there)
        while len(self._asked_at) < missing:
            self._asked_at.append(now_s)
        while len(self._asked_at) > missing:
            took_s = now_s - self._asked_at.pop(0)
            # One that was called off, or that stayed away, took no time to start.
            if there and 0 < took_s < _OVERDUE_S:
                self.mean_s += (took_s - self.mean_s) / 4
        return sum(now_s - asked_at < _OVERDUE_S for asked_at in self._asked_at)


def _load(traffic: Traffic, workers: list[Worker], drainers: int, slots: int, expectation: Expectation) -> Load:
    def kind_load(name: str, kind: KindTraffic) -> KindLoad:
        foreseen = [(slots, takes) for alike, slots in kind.alike if (takes := expectation.of(name, alike))]
        # Where some are not foreseen, those that are would not stand for all.
        known = tuple(foreseen) if len(foreseen) == len(kind.alike) else ()
        lately = expectation.of(name, None)
        return KindLoad(kind.jobs, kind.queued, kind.started, kind.service_ms / 1000, known, lately)

    return Load(
        at_s=traffic.at / 1000,
        kinds={name: kind_load(name, kind) for name, kind in traffic.kinds.items()},
        oldest_s=traffic.oldest_ms / 1000,
        running=traffic.running.count,
        widest=traffic.widest,
        paused=traffic.paused,
        seen=tuple(
            Running(kind, elapsed_ms / 1000, expectation.of(kind, alike))
            for kind, elapsed_ms, alike in traffic.running.seen
        ),
        drainers=drainers,
        slots=slots,
        busy=sum(worker.busy for worker in workers),
        outage=_outage(workers),
    )


def _outage(workers: list[Worker]) -> str:
    """Why no worker can be expected to run a job; "" if there is no such reason.

    Most workers must have met it: a single one may have lost its way to a store that others reach, and one whose slots
    are all taken has not met the outage yet.
    """
    away = [outage for worker in workers for outage in worker.outages if outage.of == Dependency.STORE]
    return away[0].reason if away and 2 * len(away) >= len(workers) else ""
