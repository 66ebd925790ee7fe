"""A fleet of slots and one queue, first come first served, in simulated time.

The rule that scales is asked every `tick_s`. A slot on a node that runs serves at once; one that needs another node
serves when that has started. A slot counts from when it was asked for until it goes, and only idle ones go.
"""

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stoker.foresight.estimates import Estimate, Example, Shown
from stoker.kinds.likeness import Likeness
from stoker_workers.controller.autoscaler.load import KindLoad, Load, Running

from .loads import Floats, Jobs

Rule = Callable[[Load], int]
# As the controller does, but fewer, so that a day takes minutes.
_SEEN = 60
_STARTING = -1
# As the ledger keeps examples, and the controller looks at them.
_EXAMPLES, _LOOKED_AT_EVERY_S = 256, 60.0


@dataclass(frozen=True)
class Fleet:
    """What there is to scale: nodes, the slots of each, and how long a node takes to start."""

    nodes: int = 1000
    slots_per_node: int = 4
    node_start_s: float = 30.0
    tick_s: float = 5.0

    @property
    def most(self) -> int:
        """Slots of all nodes together."""
        return self.nodes * self.slots_per_node


@dataclass(frozen=True)
class Outcome:
    """How a load went.

    Attributes:
        waits_s: of each job, in order of arrival, from its arrival to its start.
        slots: at each tick, those that are starting included.
        slot_s: slots times seconds, until the last job has ended.
    """

    waits_s: Floats
    slots: Floats
    slot_s: float

    def wait_s(self, share: float) -> float:
        """What this share of the jobs waited at most."""
        return float(np.quantile(self.waits_s, share))

    def within(self, target_s: float) -> float:
        """The share of jobs that waited no longer."""
        return float(np.mean(self.waits_s <= target_s + 1e-9))

    @property
    def turns(self) -> int:
        """How often growing became shrinking, or shrinking growing."""
        changes = np.sign(np.diff(self.slots))
        changes = changes[changes != 0]
        return int(np.sum(changes[1:] != changes[:-1]))


def simulate(jobs: Jobs, fleet: Fleet, rule: Rule, *, slots: int = 0, tail_s: float = 0.0) -> Outcome:
    """Run jobs through a fleet that begins with so many slots, and until so long after the last job has ended."""
    return _Run(jobs, fleet, slots).go(rule, tail_s)


class _Foresight:
    """What jobs tell that have ended, as the ledger keeps it; looked at anew now and then."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._examples: list[deque[Example]] = [deque(maxlen=_EXAMPLES) for _ in names]
        self._fitted_at = -math.inf
        self._shown: dict[int, Shown] = {}
        self._estimates: dict[tuple[int, int | None], Estimate] = {}

    def learn(self, kind: int, size: int, service_s: float) -> None:
        self._examples[kind].appendleft(Example(likeness=self._likeness(kind, size), ms=1000 * service_s))

    def of(self, kind: int, size: int | None, now: float) -> Estimate | None:
        """What a job takes; of no size, what the jobs of the kind do. None before any has ended."""
        if now - self._fitted_at >= _LOOKED_AT_EVERY_S:
            self._shown, self._estimates, self._fitted_at = {}, {}, now
        if not self._examples[kind]:
            return None
        if kind not in self._shown:
            self._shown[kind] = Shown(list(self._examples[kind]), 1.0, self._names[kind])
        if (kind, size) not in self._estimates:
            job = None if size is None else self._likeness(kind, size)
            self._estimates[kind, size] = self._shown[kind].estimate(job)
        return self._estimates[kind, size]

    def _likeness(self, kind: int, size: int) -> Likeness:
        return Likeness(same=f"{kind} {size}", subject=f"{kind}")


class _Run:
    """One simulation. A slot is (when it is free, when its job started or _STARTING, that job's number)."""

    def __init__(self, jobs: Jobs, fleet: Fleet, slots: int) -> None:
        self._jobs = jobs
        self._fleet = fleet
        self._slots: list[tuple[float, float, int]] = [(0.0, _STARTING, 0)] * slots
        self._at, self._service, self._kind = jobs.at_s.tolist(), jobs.service_s.tolist(), jobs.kind.tolist()
        self._size = jobs.size.tolist()
        self._starts: list[float] = []
        self._random = random.Random(1)
        self._mean = [0.0] * len(jobs.names)
        self._ended = [0] * len(jobs.names)
        self._started = [0] * len(jobs.names)
        by_kind = [np.flatnonzero(jobs.kind == n) for n in range(len(jobs.names))]
        self._arrivals = [jobs.at_s[numbers] for numbers in by_kind]
        self._sizes = [jobs.size[numbers].tolist() for numbers in by_kind]
        self._foresight = _Foresight(jobs.names)

    def go(self, rule: Rule, tail_s: float) -> Outcome:
        now, history, slot_s, tick_s = 0.0, [], 0.0, self._fleet.tick_s
        last_s = -math.inf
        while len(self._starts) < len(self._at) or now < last_s + tail_s:
            self._resize(rule(self._load(now)), now)
            now += tick_s
            self._serve(now)
            history.append(len(self._slots))
            slot_s += len(self._slots) * tick_s
            if len(self._starts) == len(self._at) and last_s < 0:
                last_s = max(free for free, _, _ in self._slots)
        waits = np.array(self._starts) - self._jobs.at_s
        return Outcome(waits, np.array(history, dtype=float), slot_s)

    def _serve(self, until: float) -> None:
        """Start what can start before `until`."""
        slots, at, starts, number = self._slots, self._at, self._starts, len(self._starts)
        while slots and number < len(at):
            free, began, job = slots[0]
            start = max(at[number], free)
            if start >= until:
                break
            if began != _STARTING:
                self._learn(job)
            heapq.heapreplace(slots, (start + self._service[number], start, number))
            self._started[self._kind[number]] += 1
            starts.append(start)
            number += 1

    def _learn(self, job: int) -> None:
        # As learn_service does it in the ledger.
        kind = self._kind[job]
        self._ended[kind] = min(self._ended[kind] + 1, 50)
        self._mean[kind] += (self._service[job] - self._mean[kind]) / self._ended[kind]
        self._foresight.learn(kind, self._size[job], self._service[job])

    def _running(self, job: int, elapsed_s: float, now: float) -> Running:
        kind = self._kind[job]
        return Running(self._jobs.names[kind], elapsed_s, self._foresight.of(kind, self._size[job], now))

    def _queued_of(self, kind: int, arrived: int, now: float) -> tuple[tuple[int, Estimate], ...]:
        """Of queued jobs of a kind, some that stand for all."""
        places = range(self._started[kind], arrived)
        some = places if len(places) <= _SEEN else self._random.sample(places, _SEEN)
        sizes = Counter(self._sizes[kind][place] for place in some)
        found = ((count, self._foresight.of(kind, size, now)) for size, count in sizes.items())
        return tuple((count, takes) for count, takes in found if takes)

    def _resize(self, wanted: int, now: float) -> None:
        have = len(self._slots)
        wanted = min(wanted, self._fleet.most)
        room = math.ceil(have / self._fleet.slots_per_node) * self._fleet.slots_per_node
        for number in range(have, wanted):
            start_s = 0.0 if number < room else self._fleet.node_start_s
            heapq.heappush(self._slots, (now + start_s, _STARTING, 0))
        while len(self._slots) > wanted and self._slots[0][0] <= now:
            _, began, job = heapq.heappop(self._slots)
            if began != _STARTING:
                self._learn(job)

    def _load(self, now: float) -> Load:
        running = [slot for slot in self._slots if slot[0] > now and slot[1] != _STARTING]
        seen = running if len(running) <= _SEEN else self._random.sample(running, _SEEN)
        names = self._jobs.names
        kinds, oldest_s = {}, 0.0
        for n, name in enumerate(names):
            arrived = int(np.searchsorted(self._arrivals[n], now))
            queued = arrived - self._started[n]
            if queued:
                oldest_s = max(oldest_s, now - float(self._arrivals[n][self._started[n]]))
            foreseen = self._queued_of(n, arrived, now) if queued else ()
            lately = self._foresight.of(n, None, now)
            kinds[name] = KindLoad(queued, queued, self._started[n], self._mean[n], foreseen, lately)
        return Load(
            at_s=now,
            kinds=kinds,
            running=len(running),
            seen=tuple(self._running(job, now - began, now) for _, began, job in seen),
            drainers=0,
            slots=len(self._slots),
            busy=len(running),
            oldest_s=oldest_s,
        )
