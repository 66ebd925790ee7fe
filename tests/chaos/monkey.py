"""What goes wrong in a chaos run: a seeded sequence of faults, each undone after a while."""

import platform
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil
import redis

from .capacity import Capacity
from .deployment import Deployment, Party
from .workload import VICTIM

# Longer than the time in which a busy machine stands still by itself, which is no fault of ours.
LEASE_S = 6.0
# Longer than a lease: the attempts of a worker that goes on after it are stale.
_PAUSE_S = LEASE_S + 4
_CUTS_S = (1.5, LEASE_S + 5)
_REDIS_IS_AWAY_S = (0.0, 3.0)
_ORPHANS_LIVE_S = 4.0
# How long the results' server, the disks and Redis as a whole refuse what is asked of them.
_REFUSES_S = (1.0, 5.0)
# How long a worker takes to be back at work after its start, or to drain and start again.
_COMES_BACK_S = 10.0
_NOBODY = "nobody's"
# Attempts that run there cannot survive it.
_KILLS = frozenset({"kill runner", "kill slot", "kill parent", "kill worker"})
# What may be torn out of the record of a job that runs.
_LIFELINES = ("owner", "lease_until", "attempt", "sequence")
# Keys of all jobs together, of which one is replaced by nonsense.
_SHARED = ("running", "load", "queued", "seats", "finished", "tallies")


@dataclass(frozen=True)
class Fault:
    """Something that was broken.

    Attributes:
        at_ms: when, by the clock that the server's stream ids are made of too.
        victims: ids of the jobs that ran there.
        kills: whether their attempts cannot have survived it.
    """

    kind: str
    at_ms: int
    victims: tuple[str, ...]
    kills: bool


class Monkey:
    """Breaks one thing after the other, each kind about as often as any other. It prefers what is at work.

    Args:
        interval_s: the shortest and the longest time between two faults.

    Attributes:
        faults: what was broken so far.
        capacity: how many slots were free, twice a second.
    """

    def __init__(self, deployment: Deployment, seed: int, interval_s: tuple[float, float]) -> None:
        self.faults: list[Fault] = []
        self.capacity = Capacity(deployment)
        self._deployment = deployment
        self._random = random.Random(seed)
        self._interval_s = interval_s
        self._next_at = 0.0
        self._bag: list[str] = []
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self._broken: set[str] = set()
        self._redis = deployment.connect()

    def counts(self) -> "Counter[str]":
        """Faults by kind."""
        return Counter(fault.kind for fault in self.faults)

    def act(self) -> None:
        """Break something if it is time to; mend what has been broken for long enough. To be called often."""
        self._mend(time.monotonic())
        self._deployment.supervise()
        self.capacity.look()
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + self._random.uniform(*self._interval_s)
            self._break_one()

    def rest(self) -> None:
        """Mend everything."""
        self._mend(float("inf"))

    def _mend(self, now: float) -> None:
        due = [undo for at, undo in self._undo if at <= now]
        self._undo = [(at, undo) for at, undo in self._undo if at > now]
        for undo in due:
            undo()

    def _break_one(self) -> None:
        """Break the first kind of thing in the bag that there is to break now; the others stay in it."""
        kinds = sorted({**_OF_PARTIES, **_OF_THINGS})
        if len(self._bag) < len(kinds):
            self._bag += self._random.sample(kinds, len(kinds))
        running = self._running()
        for kind in self._bag:
            owner = self._break(kind, running)
            if owner is not None:
                self._bag.remove(kind)
                victims = tuple(job_id for job_id, name in running.items() if name.startswith(owner))
                # Not before it is done: on a busy machine that takes seconds, in which its victims still work.
                self.faults.append(Fault(kind, time.time_ns() // 1_000_000, victims, kind in _KILLS))
                return

    def _break(self, kind: str, running: dict[str, str]) -> str | None:
        """Break this, if it can be: what the owners of the attempts that it hits begin with."""
        if kind in _OF_PARTIES:
            party = self._choose(kind, running)
            return _OF_PARTIES[kind](self, party) if party else None
        # What is broken already, by this fault or by another, is left in peace.
        thing = kind.rpartition(" ")[-1]
        if thing in self._broken:
            return None
        with suppress(redis.RedisError):
            return _OF_THINGS[kind](self)
        return None

    def _choose(self, kind: str, running: dict[str, str]) -> Party | None:
        """A whole party for this kind of fault, but never the last whole worker: somebody must do the work."""
        what = kind.rpartition(" ")[-1]
        fixed = {
            "redis": [self._deployment.redis],
            "results": self._deployment.servers[1:],
            "controller": self._deployment.controllers,
        }
        parties = fixed.get(what, self._deployment.workers)
        whole = [party for party in parties if party.main and time.monotonic() >= party.busy_until]
        if what in ("parent", "worker") and len(whole) < 2:
            return None
        busy = [party for party in whole if any(name.startswith(_owner(party)) for name in running.values())]
        return self._random.choice(busy or whole) if whole else None

    def _running(self) -> dict[str, str]:
        """The owner of each running job; none while Redis cannot tell."""
        with suppress(redis.ConnectionError, redis.TimeoutError):
            ids = self._redis.scored("stoker:leases")
            return {job_id: self._redis.fields(f"stoker:job:{job_id}").get("owner", "") for job_id in ids}
        return {}

    # --- kinds of faults; each gives what the owners of its victims' attempts begin with, or None if it could not

    def _kill_runner(self, party: Party) -> str | None:
        runners = party.runners()
        with suppress(psutil.NoSuchProcess):
            if runners:
                runner = self._random.choice(runners)
                # Beside a predictor, nobody can tell which of the two does the slot's job.
                is_alone = sum(other.ppid() == runner.ppid() for other in runners) == 1
                owner = f"{_owner(party)}{runner.ppid()}/" if is_alone else _NOBODY
                runner.kill()
                return owner
        return None

    def _kill_slot(self, party: Party) -> str | None:
        with suppress(psutil.NoSuchProcess):
            slots = [slot for slot in party.slots() if slot.children()]
            if slots:
                slot = self._random.choice(slots)
                slot.kill()
                return f"{_owner(party)}{slot.pid}/"
        return None

    def _kill_parent(self, party: Party) -> str | None:
        """Only the worker's parent; its slots live on for a while."""
        owner = _owner(party)
        with suppress(psutil.NoSuchProcess):
            if party.main:
                party.restart_at = time.monotonic() + _ORPHANS_LIVE_S
                party.busy_until = party.restart_at + _COMES_BACK_S
                party.main.kill()
                return owner
        return None

    def _kill_all(self, party: Party) -> str | None:
        owner = _owner(party)
        party.signal_all(signal.SIGKILL)
        party.busy_until = time.monotonic() + _COMES_BACK_S
        return owner

    def _kill_redis(self, party: Party) -> str | None:
        party.restart_at = time.monotonic() + self._random.uniform(*_REDIS_IS_AWAY_S)
        party.signal_all(signal.SIGKILL)
        return ""

    def _drain(self, party: Party) -> str | None:
        owner = _owner(party)
        with suppress(psutil.NoSuchProcess):
            if party.main:
                party.main.terminate()
                party.busy_until = time.monotonic() + 2 * _COMES_BACK_S
                return owner
        return None

    def _pause(self, party: Party) -> str | None:
        party.signal_all(signal.SIGSTOP)
        self._until(party, _PAUSE_S, lambda: party.signal_all(signal.SIGCONT))
        return _owner(party)

    def _cut(self, party: Party) -> str | None:
        network = self._deployment.network
        network.cut(party.name)
        self._until(party, self._random.choice(_CUTS_S), lambda: network.heal(party.name))
        return _owner(party)

    def _kill_results(self, party: Party) -> str | None:
        party.restart_at = time.monotonic() + self._random.uniform(*_REFUSES_S)
        party.busy_until = party.restart_at
        party.signal_all(signal.SIGKILL)
        return _NOBODY

    # --- faults of things that are no process; what they give is the same

    def _demote_redis(self) -> str | None:
        """Redis is told to follow a master, as an operator or a sentinel does in good order; this one never answers."""
        self._redis.send("REPLICAOF", "127.0.0.1", 1)
        self._for_a_while("redis", lambda: self._redis.send("REPLICAOF", "NO", "ONE"))
        return ""

    def _fill_redis(self) -> str | None:
        """Redis has no memory for writes."""
        self._redis.send("CONFIG", "SET", "maxmemory", 1)
        self._for_a_while("redis", lambda: self._redis.send("CONFIG", "SET", "maxmemory", 0))
        return ""

    def _lock_store(self) -> str | None:
        disk = self._deployment.store_disk
        if disk is None or not disk.lock():
            return None
        self._for_a_while("store", disk.unlock)
        return ""

    def _fill_store(self) -> str | None:
        disk = self._deployment.store_disk
        if disk is None:
            return None
        disk.fill()
        self._for_a_while("store", disk.clear)
        return ""

    def _freeze_store(self) -> str | None:
        disk = self._deployment.store_disk
        if disk is None:
            return None
        disk.freeze()
        self._for_a_while("store", disk.thaw)
        return ""

    def _fill_scratch(self) -> str | None:
        disk = self._deployment.scratch_disk
        if disk is None:
            return None
        disk.fill()
        self._for_a_while("scratch", disk.clear)
        return ""

    def _tear_record(self) -> str | None:
        """Take something out of the record of a job that runs, as no script would leave it."""
        running = sorted(self._running())
        for job_id in self._random.sample(running, len(running)):
            record = self._redis.fields(f"stoker:job:{job_id}")
            if VICTIM in record.get("tags", "") and record.get("state") == "RUNNING":
                self._redis.send("HDEL", f"stoker:job:{job_id}", self._random.choice(_LIFELINES))
                return _NOBODY
        return None

    def _spoil_key(self) -> str | None:
        """Put nonsense in the place of a key that all jobs share."""
        self._redis.send("SET", f"stoker:{self._random.choice(_SHARED)}", "nonsense")
        return _NOBODY

    def _for_a_while(self, thing: str, mend: Callable[[], object]) -> None:
        def undo() -> None:
            while True:
                # The server may have been killed meanwhile, and be starting.
                with suppress(redis.ConnectionError, redis.TimeoutError):
                    mend()
                    break
                self._deployment.supervise()
                time.sleep(0.1)
            self._broken.discard(thing)

        self._broken.add(thing)
        self._undo.append((time.monotonic() + self._random.uniform(*_REFUSES_S), undo))

    def _until(self, party: Party, seconds: float, undo: Callable[[], None]) -> None:
        party.busy_until = time.monotonic() + seconds
        self._undo.append((party.busy_until, undo))


def _owner(party: Party) -> str:
    """What the owners of a worker's attempts begin with."""
    main = party.main
    return f"cpu-{main.pid}@{platform.node()}/" if main else _NOBODY


_OF_PARTIES: dict[str, Callable[[Monkey, Party], str | None]] = {
    "kill runner": Monkey._kill_runner,
    "kill slot": Monkey._kill_slot,
    "kill parent": Monkey._kill_parent,
    "kill worker": Monkey._kill_all,
    "kill controller": Monkey._kill_all,
    "kill redis": Monkey._kill_redis,
    "drain worker": Monkey._drain,
    "pause worker": Monkey._pause,
    "pause controller": Monkey._pause,
    "cut worker": Monkey._cut,
    "cut controller": Monkey._cut,
    "kill results": Monkey._kill_results,
    "cut results": Monkey._cut,
}
_OF_THINGS: dict[str, Callable[[Monkey], str | None]] = {
    "demote redis": Monkey._demote_redis,
    "fill redis": Monkey._fill_redis,
    "lock store": Monkey._lock_store,
    "fill store": Monkey._fill_store,
    "freeze store": Monkey._freeze_store,
    "fill scratch": Monkey._fill_scratch,
    "tear record": Monkey._tear_record,
    "spoil key": Monkey._spoil_key,
}
