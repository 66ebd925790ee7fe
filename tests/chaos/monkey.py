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

from .fleet import Fleet, Party

# Longer than a lease: the attempts of a worker that goes on after it are stale.
_PAUSE_S = 7.0
_CUTS_S = (1.5, 8.0)
_REDIS_IS_AWAY_S = (0.0, 3.0)
_ORPHANS_LIVE_S = 4.0
# How long a worker takes to be back at work after its start, or to drain and start again.
_COMES_BACK_S = 10.0
_NOBODY = "nobody's"


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
    """

    def __init__(self, fleet: Fleet, seed: int, interval_s: tuple[float, float]) -> None:
        self.faults: list[Fault] = []
        self._fleet = fleet
        self._random = random.Random(seed)
        self._interval_s = interval_s
        self._next_at = 0.0
        self._bag: list[str] = []
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self._redis = fleet.connect()

    def counts(self) -> "Counter[str]":
        """Faults by kind."""
        return Counter(fault.kind for fault in self.faults)

    def act(self) -> None:
        """Break something if it is time to; mend what has been broken for long enough. To be called often."""
        self._mend(time.monotonic())
        self._fleet.supervise()
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
        if len(self._bag) < len(_KINDS):
            self._bag += self._random.sample(sorted(_KINDS), len(_KINDS))
        at_ms, running = time.time_ns() // 1_000_000, self._running()
        for kind in self._bag:
            party = self._choose(kind, running)
            owner = _KINDS[kind](self, party) if party else None
            if owner is not None:
                self._bag.remove(kind)
                victims = tuple(job_id for job_id, name in running.items() if name.startswith(owner))
                kills = kind.startswith("kill") and kind != "kill redis"
                self.faults.append(Fault(kind, at_ms, victims, kills))
                return

    def _choose(self, kind: str, running: dict[str, str]) -> Party | None:
        """A whole party for this kind of fault, but never the last whole worker: somebody must do the work."""
        what = kind.rpartition(" ")[-1]
        parties = {"redis": [self._fleet.redis], "controller": self._fleet.controllers}.get(what, self._fleet.workers)
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
                owner = f"{_owner(party)}{runner.ppid()}/"
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
        network = self._fleet.network
        network.cut(party.name)
        self._until(party, self._random.choice(_CUTS_S), lambda: network.heal(party.name))
        return _owner(party)

    def _until(self, party: Party, seconds: float, undo: Callable[[], None]) -> None:
        party.busy_until = time.monotonic() + seconds
        self._undo.append((party.busy_until, undo))


def _owner(party: Party) -> str:
    """What the owners of a worker's attempts begin with."""
    main = party.main
    return f"cpu-{main.pid}@{platform.node()}/" if main else _NOBODY


_KINDS: dict[str, Callable[[Monkey, Party], str | None]] = {
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
}
