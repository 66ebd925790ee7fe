"""How long it took until a fault was noticed, and until work that it had hit went on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from .capacity import Capacity
from .monkey import Fault
from .plain import Redis

# What is told of a job that is taken from a lost worker, or that a worker takes.
_NEWS = ("waiting", "queued", "started", "finished")
_WORK = ("started", "finished")
# What only a job at work tells; worth nothing after a kill, where it may be from just before.
_SIGNS_OF_LIFE = ("epoch", "progress", "checkpoint", "log", "asked")

# How long a job waits after the first of several losses, at most.
_FIRST_HOLD_MS = 1500


@dataclass(frozen=True)
class Recovery:
    """One job that a fault has hit.

    Attributes:
        noticed_s: seconds until something was told of the job.
        resumed_s: seconds until it was at work again: with the wait after a repeated loss, and for a free slot.
        occupied_s: of these, how many seconds it was queued while all slots were busy.
        held_s: and how many seconds it had to wait because it had been lost before, and had not got further since.
        job_id: whose recovery it was.
        steps: what was told of the job meanwhile, and from just before the fault: each time in seconds from it.
    """

    kind: str
    noticed_s: float
    resumed_s: float
    occupied_s: float
    held_s: float
    job_id: str
    steps: tuple[str, ...]

    @property
    def delay_s(self) -> float:
        """Seconds until it was at work again, where a slot was free for it and it was allowed one.

        A job that is lost again and again is not waited for: it may be what kills its workers, and is held off for
        longer each time on purpose. So that wait is left out, as is the one for a slot.
        """
        return self.resumed_s - self.occupied_s - self.held_s


def recoveries(client: Redis, faults: Sequence[Fault], capacity: Capacity) -> Iterator[Recovery]:
    """What became of each victim of each fault.

    Left out is one that neither a kill nor anything after it has interrupted, and that tells nothing between its start
    and its end, as an evaluation: when it went on after the fault nobody can say, and how long it takes is its own. Nor
    is one told of that had asked for children just before: it waits for these, and no attempt of its own was hit.
    """
    ids = [name.removeprefix("stoker:job:") for name in client.names("stoker:job:*")]
    events = {job_id: client.events(job_id) for job_id in ids}
    told = {job_id: [(at, _kind(event)) for at, event in events[job_id]] for job_id in ids}
    losses = {job_id: _losses(client, job_id) for job_id in ids}
    starts_ms = sorted(at for events in told.values() for at, kind in events if kind == "started")
    for fault in faults:
        alive = () if fault.kills else _SIGNS_OF_LIFE
        for job_id in fault.victims:
            after = [(at, kind) for at, kind in told.get(job_id, ()) if at > fault.at_ms]
            noticed = [at for at, kind in after if kind in _NEWS + alive]
            resumed = [at for at, kind in after if kind in _WORK + alive]
            if resumed and _was_hit(told[job_id], fault):
                queued = [at for at, kind in after if kind == "queued" and at < resumed[0]]
                held_ms = _held_ms(events[job_id], losses[job_id], fault.at_ms, resumed[0])
                waited_ms = resumed[0] - queued[-1] if queued else 0
                free_ms = capacity.free_ms(queued[-1], resumed[0], starts_ms) if queued else 0
                yield Recovery(
                    fault.kind,
                    noticed_s=(noticed[0] - fault.at_ms) / 1000,
                    resumed_s=(resumed[0] - fault.at_ms) / 1000,
                    occupied_s=(waited_ms - free_ms) / 1000,
                    held_s=held_ms / 1000,
                    job_id=job_id,
                    steps=_steps(events[job_id], fault.at_ms, resumed[0]),
                )


def _was_hit(told: Sequence[tuple[int, str]], fault: Fault) -> bool:
    """Whether a fault can have interrupted a job, as far as the job told."""
    before = [kind for at, kind in told if at <= fault.at_ms]
    after = [kind for at, kind in told if at > fault.at_ms]
    waits_for_children = before[-1:] == ["asked"]
    is_silent = before[-1:] == ["started"] and after[:1] == ["finished"]
    return not waits_for_children and (fault.kills or not is_silent)


def _losses(client: Redis, job_id: str) -> frozenset[str]:
    """The reasons for which a job was lost."""
    history = [json.loads(attempt) for attempt in client.listed(f"stoker:history:{job_id}")]
    return frozenset(attempt["reason"] for attempt in history if attempt["how"] == "lost")


def _held_ms(
    events: Sequence[tuple[int, Mapping[str, Any]]], losses: frozenset[str], since_ms: int, until_ms: int
) -> float:
    """For how much of a time a job was held off because of a loss that was not the first of several in a row."""
    waits = [
        (at, float(event["not_before"]))
        for at, event in events
        if event["type"] == "waiting" and event.get("reason") in losses and event.get("not_before")
    ]
    return sum(max(0.0, min(until, until_ms) - max(at, since_ms)) for at, until in waits if until - at > _FIRST_HOLD_MS)


def _steps(events: Sequence[tuple[int, Mapping[str, Any]]], since_ms: int, until_ms: int) -> tuple[str, ...]:
    """The last event before a time, and those from then until another."""
    first = max((n for n, (at, _) in enumerate(events) if at <= since_ms), default=0)
    return tuple(
        f"{(at - since_ms) / 1000:+.1f} {_kind(event)} {event.get('reason') or event.get('worker') or ''}".rstrip()
        for at, event in events[first:]
        if at <= until_ms
    )


def _kind(event: Mapping[str, Any]) -> str:
    """An event's type; a bulk job that waits for its children has done its own work."""
    return "asked" if (event.get("reason") or "").endswith("jobs that it has asked for") else str(event["type"])


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that so many of all do not exceed; 0 if there is none."""
    return sorted(values)[ceil(share * len(values)) - 1] if values else 0.0
