"""How many slots a fleet shall have: a pure function of what there is to do, what there is, and what was seen before.

Three things are computed, in slots, and the largest counts:

- to drain: what is queued, and what is left of what runs, must fit into the time that the oldest job may still wait. A
  job that runs longer than that takes one slot, however long it runs.
- to sustain: by Little's law, arrivals a second times seconds of service are the slots that are busy on average. On top
  comes headroom for chance: what lets five jobs in a hundred wait longer than the target (Poisson arrivals).
- what may not go: slots with a job in hand, and, for the cooldown, as many as were needed a while ago.

So a fleet grows at once and shrinks late, by a quarter at a time. Slots that were asked for and are not there yet count
as there. A fleet whose jobs miss what all of them need does not grow for them: more slots would start nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from stoker.kinds import KINDS

# Seconds that a job of a kind which this version does not know is taken to run before any has ended.
_UNKNOWN_S = 20.0
# How few arrivals keep no slot by themselves, in slots that they would keep busy.
_NEGLIGIBLE = 0.1
# Rates follow what arrived within about a quarter of the cooldown.
_RATE_SHARE = 4
_SHORTEST_RATE_S = 15.0
# Of 100 jobs, 5 may wait longer than the target: exp(-3) = 0.05, and 5 % of a normal distribution lie above 1.6 sigma.
_EXPONENTIAL_TAIL, _NORMAL_TAIL = 3.0, 1.6
# A fleet shrinks by at most a quarter a time, and not for less than a twentieth.
_LARGEST_STEP, _SMALLEST_STEP = 4, 20


@dataclass(frozen=True)
class Target:
    """What a fleet shall do.

    Attributes:
        least, most: bounds of its slots.
        start_s: how long a new slot takes to serve, where a node has to start first; 0 otherwise.
    """

    least: int
    most: int
    target_wait_s: float
    cooldown_s: float
    start_s: float = 0.0


@dataclass(frozen=True)
class KindLoad:
    """Jobs of one kind.

    Attributes:
        jobs: how many are queued.
        queued: slots that those of them need which may start.
        started: how many ever did.
        service_s: how long one runs, as measured; 0 if no job has ended yet.
    """

    jobs: int
    queued: int
    started: int
    service_s: float


@dataclass(frozen=True)
class Load:
    """What a fleet has to do, and has to do it with, at one moment.

    Attributes:
        at_s: by any clock that never goes back.
        running: how many slots jobs run on.
        seen: kind and seconds since the start of some of them; they stand for all.
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
    seen: tuple[tuple[str, float], ...]
    drainers: int
    slots: int
    busy: int
    oldest_s: float = 0.0
    widest: int = 0
    paused: int = 0
    outage: str = ""


@dataclass(frozen=True)
class Memory:
    """What one decision leaves for the next; the first one needs none.

    Attributes:
        arrived: jobs by kind that had come by `at_s`.
        rates: arrivals a second by kind.
        peaks: slots that were needed, with their times; each larger than those after it, none older than the cooldown.
    """

    at_s: float
    arrived: Mapping[str, int]
    rates: Mapping[str, float] = field(default_factory=dict)
    peaks: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class Wish:
    """How many slots there shall be, and why: the deciding reason first."""

    slots: int
    reasons: tuple[str, ...]


def decide(target: Target, load: Load, memory: Memory | None) -> tuple[Wish, Memory]:
    """Decide about a fleet; gives what to remember for the next time."""
    if memory is None or not 0 < load.at_s - memory.at_s <= max(60.0, target.cooldown_s):
        # Nothing is known of the time before: what is there stays for one cooldown.
        memory = Memory(load.at_s, _arrived(load), peaks=((load.at_s, load.slots),))
    rates = _rates(target, load, memory)
    drain, why_drain = _to_drain(target, load)
    sustain, why_sustain = _to_sustain(target, load, rates)
    needs = sorted([(drain, why_drain), (sustain, why_sustain)], reverse=True)
    needed = needs[0][0]
    peaks = _peaks(target, load, memory, needed)
    remembered = Memory(load.at_s, _arrived(load), rates, peaks)
    reasons = tuple(why for slots, why in needs if slots and why)
    if load.paused:
        reasons = (*(reasons or ("nothing to do",)), f"{load.paused} jobs of what is paused are not counted")
    if load.outage and needed > load.slots:
        held = (f"held, because {load.outage}", _would_be_needed(needed), *reasons)
        return _bounded(target, load.slots, held), remembered
    if needed >= load.slots:
        return _bounded(target, needed, reasons or ("nothing to do",)), remembered
    since_s, peak = peaks[0]
    floors = ((needed, ""), (peak, _kept(load.at_s - since_s, peak)), (load.busy, f"{load.busy} slots are busy"))
    kept = max(floors, key=lambda floor: floor[0])
    return _bounded(target, *_shrunk(load.slots, kept, reasons or ("nothing to do",))), remembered


def _shrunk(slots: int, kept: tuple[int, str], reasons: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """How far down a fleet goes that could go down to what is kept."""
    lowest, why = kept
    reasons = (why, *reasons) if why else reasons
    if slots - lowest < max(1, slots // _SMALLEST_STEP):
        return slots, reasons
    step = max(1, slots // _LARGEST_STEP)
    if slots - lowest > step:
        return slots - step, (f"{lowest} would do; a step down takes at most {step}", *reasons)
    return lowest, reasons


def _kept(since_s: float, peak: int) -> str:
    return f"{_slots(peak)} needed {since_s:.0f} s ago, and kept for the cooldown"


def _bounded(target: Target, slots: int, reasons: tuple[str, ...]) -> Wish:
    if slots > target.most:
        return Wish(target.most, (f"at most {target.most}", _would_be_needed(slots), *reasons))
    if slots < target.least:
        return Wish(target.least, (f"at least {target.least}", *reasons))
    return Wish(slots, reasons)


def _service_s(kind: str, load: Load) -> float:
    measured = load.kinds[kind].service_s if kind in load.kinds else 0.0
    return measured or (KINDS[kind].usual_s if kind in KINDS else _UNKNOWN_S)


def _to_drain(target: Target, load: Load) -> tuple[int, str]:
    """Slots that start every queued job in time."""
    # A fleet that is late anyway is not helped by slots that come even later.
    horizon_s = max(target.target_wait_s - load.oldest_s, target.target_wait_s / 2, 2 * target.start_s)
    queued = sum(kind.queued for kind in load.kinds.values())
    backlog_s = sum(kind.queued * min(_service_s(name, load), horizon_s) for name, kind in load.kinds.items())
    rest_s = sum(min(_rest_s(_service_s(kind, load), elapsed_s), horizon_s) for kind, elapsed_s in load.seen)
    rest_s *= load.running / max(1, len(load.seen))
    slots = (backlog_s + rest_s) / horizon_s
    present = max(0, load.slots - load.drainers)
    if slots > present and target.start_s:
        slots = present + (slots - present) * horizon_s / (horizon_s - target.start_s)
    # A training by several workers starts when all of them are free, and not before.
    needed = max(min(math.ceil(slots - 1e-6), queued + load.running), load.widest) + load.drainers
    terms = []
    if queued:
        terms.append(f"{queued} queued jobs of {backlog_s / queued:.1f} s within {horizon_s:.1f} s")
    if load.running:
        terms.append(f"{load.running} running")
    if load.widest > 1:
        terms.append(f"{load.widest} at once for one")
    if load.drainers:
        terms.append(f"{load.drainers} for lanes")
    return needed, f"{', '.join(terms)} -> {_slots(needed)}"


def _rest_s(service_s: float, elapsed_s: float) -> float:
    """How much longer a job runs: up to the mean, or, having come so far, for as long again."""
    return max(service_s - elapsed_s, elapsed_s)


def _to_sustain(target: Target, load: Load, rates: Mapping[str, float]) -> tuple[int, str]:
    """Slots that keep up with what arrives."""
    arrivals = sum(rates.values())
    busy = sum(rate * _service_s(kind, load) for kind, rate in rates.items())
    if busy < _NEGLIGIBLE:
        return 0, ""
    service_s = busy / arrivals
    # So many are busy only once arrivals have gone on for as long as a job runs; a burst of long jobs is no rate yet.
    busy = min(busy, load.running + sum(kind.queued for kind in load.kinds.values()))
    headroom = min(_NORMAL_TAIL * math.sqrt(busy), _EXPONENTIAL_TAIL * service_s / target.target_wait_s)
    needed = math.ceil(busy + headroom + load.drainers - 1e-6)
    return needed, f"{arrivals:.2g} jobs/s of {service_s:.1f} s and headroom -> {_slots(needed)}"


def _would_be_needed(slots: int) -> str:
    return f"{slots} would be needed"


def _slots(count: int) -> str:
    return f"{count} slot{'s' * (count != 1)}"


def _arrived(load: Load) -> dict[str, int]:
    return {name: kind.started + kind.jobs for name, kind in load.kinds.items()}


def _rates(target: Target, load: Load, memory: Memory) -> dict[str, float]:
    passed_s = load.at_s - memory.at_s
    if not passed_s:
        return dict(memory.rates)
    share = 1 - math.exp(-passed_s / max(_SHORTEST_RATE_S, target.cooldown_s / _RATE_SHARE))
    rates = {}
    for kind, arrived in _arrived(load).items():
        now = max(0, arrived - memory.arrived.get(kind, 0)) / passed_s
        rates[kind] = memory.rates.get(kind, 0.0) * (1 - share) + now * share
    return rates


def _peaks(target: Target, load: Load, memory: Memory, needed: int) -> tuple[tuple[float, int], ...]:
    """The needs of the cooldown, this one included, as far as they are larger than all that came later."""
    needed = min(needed, target.most)
    oldest = load.at_s - target.cooldown_s
    earlier = (peak for peak in memory.peaks if peak[0] > oldest and peak[1] > needed)
    return (*earlier, (load.at_s, needed))
