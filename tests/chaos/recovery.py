"""How long it took until a fault was noticed, and until work that it had hit went on."""

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


@dataclass(frozen=True)
class Recovery:
    """One job that a fault has hit.

    Attributes:
        noticed_s: seconds until something was told of the job.
        resumed_s: seconds until it was at work again: with the wait after a repeated loss, and for a free slot.
        occupied_s: of these, how many seconds it was queued while all slots were busy.
    """

    kind: str
    noticed_s: float
    resumed_s: float
    occupied_s: float

    @property
    def delay_s(self) -> float:
        """Seconds until it was at work again, where a slot was free for it."""
        return self.resumed_s - self.occupied_s


def recoveries(client: Redis, faults: Sequence[Fault], capacity: Capacity) -> Iterator[Recovery]:
    """What became of each victim of each fault."""
    ids = [name.removeprefix("stoker:job:") for name in client.names("stoker:job:*")]
    told = {job_id: [(at, _kind(event)) for at, event in client.events(job_id)] for job_id in ids}
    starts_ms = sorted(at for events in told.values() for at, kind in events if kind == "started")
    for fault in faults:
        alive = () if fault.kills else _SIGNS_OF_LIFE
        for job_id in fault.victims:
            after = [(at, kind) for at, kind in told.get(job_id, ()) if at > fault.at_ms]
            noticed = [at for at, kind in after if kind in _NEWS + alive]
            resumed = [at for at, kind in after if kind in _WORK + alive]
            if resumed:
                queued = [at for at, kind in after if kind == "queued" and at < resumed[0]]
                waited_ms = resumed[0] - queued[-1] if queued else 0
                free_ms = capacity.free_ms(queued[-1], resumed[0], starts_ms) if queued else 0
                yield Recovery(
                    fault.kind,
                    noticed_s=(noticed[0] - fault.at_ms) / 1000,
                    resumed_s=(resumed[0] - fault.at_ms) / 1000,
                    occupied_s=(waited_ms - free_ms) / 1000,
                )


def _kind(event: Mapping[str, Any]) -> str:
    """An event's type; a bulk job that waits for its children has done its own work."""
    return "asked" if (event.get("reason") or "").endswith("jobs that it has asked for") else str(event["type"])


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that so many of all do not exceed; 0 if there is none."""
    return sorted(values)[ceil(share * len(values)) - 1] if values else 0.0
