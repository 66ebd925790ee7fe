"""How long it took until a fault was noticed, and until work that it had hit went on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .monkey import Fault
from .plain import Redis

# What is told of a job that is taken from a lost worker, or that a worker takes.
_NEWS = ("waiting", "queued", "started", "finished")
_WORK = ("started", "finished")
# What only a job at work tells; worth nothing after a kill, where it may be from just before.
_SIGNS_OF_LIFE = ("epoch", "progress", "checkpoint")


@dataclass(frozen=True)
class Recovery:
    """One job that a fault has hit.

    Attributes:
        noticed_s: seconds until something was told of the job.
        resumed_s: seconds until it was at work again: with the wait after a repeated loss, and for a free slot.
    """

    kind: str
    noticed_s: float
    resumed_s: float


def recoveries(client: Redis, faults: Sequence[Fault]) -> Iterator[Recovery]:
    """What became of each victim of each fault."""
    for fault in faults:
        alive = () if fault.kills else _SIGNS_OF_LIFE
        for job_id in fault.victims:
            after = [(at - fault.at_ms, event["type"]) for at, event in client.events(job_id) if at > fault.at_ms]
            noticed = [ms for ms, told in after if told in _NEWS + alive]
            resumed = [ms for ms, told in after if told in _WORK + alive]
            if resumed:
                yield Recovery(fault.kind, noticed[0] / 1000, resumed[0] / 1000)
