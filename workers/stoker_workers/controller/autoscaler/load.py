"""What a fleet has to do at one moment, and how long that takes: foreseen job by job, or by the mean of each kind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from stoker.foresight.estimates import Estimate
from stoker.kinds import KINDS

# Seconds that a job of a kind which this version does not know is taken to run before any has ended.
_UNKNOWN_S = 20.0


@dataclass(frozen=True)
class KindLoad:
    """Jobs of one kind.

    Attributes:
        jobs: how many are queued.
        queued: slots that those of them need which may start.
        started: how many ever did.
        service_s: how long one runs, as measured; 0 if no job has ended yet.
        foreseen: of queued ones that stand for all, how many slots are needed, and what each takes in seconds; nothing
            where that is unknown.
        lately: what jobs took that ended lately; None where that is unknown.
    """

    jobs: int
    queued: int
    started: int
    service_s: float
    foreseen: tuple[tuple[int, Estimate], ...] = ()
    lately: Estimate | None = None


class Running(NamedTuple):
    """A job that runs: its kind, seconds since its start, and what it takes in all; None where that is unknown."""

    kind: str
    elapsed_s: float
    takes: Estimate | None = None


@dataclass(frozen=True)
class Load:
    """What a fleet has to do, and has to do it with, at one moment.

    Attributes:
        at_s: by any clock that never goes back.
        running: how many slots jobs run on.
        seen: some of the jobs that run; they stand for all.
        drainers: how many slots the lanes need.
        slots: how many there are, those included that were asked for.
        busy: how many of them have something in hand.
        oldest_s: for how long the first of the jobs that may start has been queued.
        widest: how many slots one job needs at once.
        paused: how many jobs are held because their queue or tenant is paused.
        outage: what is away without which no job can run, in words; "" if nothing is.
    """

    at_s: float
    kinds: Mapping[str, KindLoad]
    running: int
    seen: tuple[Running, ...]
    drainers: int
    slots: int
    busy: int
    oldest_s: float = 0.0
    widest: int = 0
    paused: int = 0
    outage: str = ""

    @property
    def queued(self) -> int:
        """Slots that queued jobs need which may start."""
        return sum(kind.queued for kind in self.kinds.values())

    @property
    def is_foreseen(self) -> bool:
        """Whether queued jobs are foreseen each for itself."""
        return any(kind.foreseen for kind in self.kinds.values())

    @property
    def foreseen_s(self) -> float:
        """Seconds that the queued jobs are foreseen to take; those that are not, the mean of their kind."""
        return sum(
            kind.queued
            * sum(slots * takes.mean for slots, takes in kind.foreseen)
            / sum(slots for slots, _ in kind.foreseen)
            if kind.foreseen
            else kind.queued * self.service_s(name)
            for name, kind in self.kinds.items()
        )

    def service_s(self, kind: str) -> float:
        """The mean of a kind: as measured, else what is usual."""
        measured = self.kinds[kind].service_s if kind in self.kinds else 0.0
        return measured or (KINDS[kind].usual_s if kind in KINDS else _UNKNOWN_S)

    def work(self, limit_s: float) -> Iterator["Work"]:
        """All that is queued or runs, counting so many seconds of each job at most."""
        for name, kind in self.kinds.items():
            looked_at = sum(slots for slots, _ in kind.foreseen)
            for slots, takes in kind.foreseen:
                rest_s = takes.mean_within(limit_s)
                yield Work(name, kind.queued * slots / looked_at, rest_s, takes.mean, is_queued=True)
            if kind.queued and not kind.foreseen:
                mean_s = self.service_s(name)
                yield Work(name, kind.queued, min(mean_s, limit_s), 0.0, is_queued=True)
        for job in self.seen:
            share = self.running / len(self.seen)
            if job.takes:
                rest_s = job.takes.mean_within(limit_s, job.elapsed_s)
                yield Work(job.kind, share, rest_s, max(job.elapsed_s, job.takes.mean))
            else:
                # Up to the mean; one that has come further goes on for as long again.
                rest_s = max(self.service_s(job.kind) - job.elapsed_s, job.elapsed_s)
                yield Work(job.kind, share, min(rest_s, limit_s), 0.0)

    def arriving_s(self, kind: str, ahead_s: float) -> float:
        """How many of the next seconds a job of a kind that is known runs, on average, that comes at any of them."""
        lately = self.kinds[kind].lately
        return lately.mean_of(lambda took_s: _within(took_s, ahead_s)) if lately else 0.0


class Work(NamedTuple):
    """Jobs that stand for others.

    Attributes:
        slots: how many they have or need.
        rest_s: how long each still runs, as far as it counts.
        whole_s: how long each runs in all; 0 where it is not foreseen.
    """

    kind: str
    slots: float
    rest_s: float
    whole_s: float
    is_queued: bool = False


def _within(took_s: float, ahead_s: float) -> float:
    """The mean of min(took, left) over what is left at its start: evenly from nothing to all of the time ahead."""
    return took_s - took_s**2 / (2 * ahead_s) if took_s < ahead_s else ahead_s / 2
