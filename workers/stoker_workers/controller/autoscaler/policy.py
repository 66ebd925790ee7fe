"""How many slots a fleet shall have: a pure function of what there is to do, what there is, and what was seen before.

Three things are computed, in slots, and the largest counts:

- to drain: what is queued, and what is left of what runs, must fit into the time that the oldest job may still wait. A
  job that runs longer than that takes one slot, however long it runs.
- to sustain: by Little's law, arrivals a second times seconds of service are the slots that are busy on average. Jobs
  that outlast the time until another slot could serve count as those that are there, and as what the next ones take
  until then. On top comes headroom for chance: what lets five jobs in a hundred wait longer than the target (Poisson
  arrivals).
- what may not go: slots with a job in hand, and, for the cooldown, as many as were needed a while ago.

So a fleet grows at once and shrinks late, by a quarter at a time. Slots that were asked for and are not there yet count
as there. A fleet whose jobs miss what all of them need does not grow for them: more slots would start nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from .load import Load, Work

# How few arrivals keep no slot by themselves, in slots that they would keep busy.
_NEGLIGIBLE = 0.1
# Rates follow what arrived within about a quarter of the cooldown.
_RATE_SHARE = 4
_SHORTEST_RATE_S = 15.0
# Of 100 jobs, 5 may wait longer than the target: exp(-3) = 0.05, and 5 % of a normal distribution lie above 1.6 sigma.
_EXPONENTIAL_TAIL, _NORMAL_TAIL = 3.0, 1.6
# Jobs come and go of kinds that run for less than this part of the time ahead: more slots at once serve each sooner.
_PASSING = 4
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


def _to_drain(target: Target, load: Load) -> tuple[int, str]:
    """Slots that start every queued job in time."""
    # A fleet that is late anyway is not helped by slots that come even later.
    horizon_s = max(target.target_wait_s - load.oldest_s, target.target_wait_s / 2, 2 * target.start_s)
    work = list(load.work(horizon_s))
    backlog_s = sum(each.slots * each.rest_s for each in work if each.is_queued)
    slots = sum(each.slots * each.rest_s for each in work) / horizon_s
    present = max(0, load.slots - load.drainers)
    if slots > present and target.start_s:
        slots = present + (slots - present) * horizon_s / (horizon_s - target.start_s)
    # A training by several workers starts when all of them are free, and not before.
    needed = max(min(math.ceil(slots - 1e-6), load.queued + load.running), load.widest) + load.drainers
    terms = []
    if load.queued and load.is_foreseen:
        counted = f", {backlog_s:.0f} s of that" if backlog_s < 0.99 * load.foreseen_s else ""
        terms.append(
            f"{load.queued} queued jobs foreseen to take {load.foreseen_s:.0f} s{counted} within {horizon_s:.1f} s"
        )
    elif load.queued:
        terms.append(f"{load.queued} queued jobs of {backlog_s / load.queued:.1f} s within {horizon_s:.1f} s")
    if load.running:
        terms.append(f"{load.running} running")
    if load.widest > 1:
        terms.append(f"{load.widest} at once for one")
    if load.drainers:
        terms.append(f"{load.drainers} for lanes")
    return needed, f"{', '.join(terms)} -> {_slots(needed)}"


def _to_sustain(target: Target, load: Load, rates: Mapping[str, float]) -> tuple[int, str]:
    """Slots that keep up with what arrives."""
    ahead_s = target.target_wait_s + target.start_s
    lasting = {name for name, kind in load.kinds.items() if kind.lately and kind.lately.mean > ahead_s / _PASSING}
    # Of kinds that come and go, by Little's law; but for single ones that do not, and are seen.
    passing = {kind: rate * load.service_s(kind) for kind, rate in rates.items() if kind not in lasting}
    outlasting, others = list[Work](), list[Work]()
    for each in load.work(ahead_s):
        (outlasting if each.kind in lasting or each.whole_s > ahead_s else others).append(each)
    # So many are busy only once arrivals have gone on for as long as a job runs; a burst of long jobs is no rate yet.
    come_and_go = min(sum(passing.values()), sum(each.slots for each in others))
    # Of the others, by what they do until another slot could serve: those that are there, and those that come.
    coming = {kind: load.arriving_s(kind, ahead_s) for kind in rates if kind in lasting}
    stay = sum(each.slots * each.rest_s for each in outlasting) / ahead_s
    new = come_and_go + sum(rates[kind] * each_s for kind, each_s in coming.items())
    arrivals = sum(rates.values())
    if new < _NEGLIGIBLE:
        # What is there is drained.
        return 0, ""
    arriving_s = sum(passing.values()) + sum(rates[kind] * min(load.service_s(kind), ahead_s) for kind in coming)
    variance = come_and_go + sum(2 * rates[kind] * each_s**2 / ahead_s for kind, each_s in coming.items())
    headroom = min(_NORMAL_TAIL * math.sqrt(variance), _EXPONENTIAL_TAIL * arriving_s / arrivals / target.target_wait_s)
    needed = math.ceil(new + stay + headroom + load.drainers - 1e-6)
    lasts = f", {stay:.1f} slots for jobs that outlast the next {ahead_s:.0f} s," if outlasting else ""
    return needed, f"{arrivals:.2g} jobs/s of {arriving_s / arrivals:.1f} s{lasts} and headroom -> {_slots(needed)}"


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
