"""How the queues and those who look after them are, in one look that changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..connection import Call
from ..topology import KOMBU_SEPARATOR, PRIORITY_STEPS, queues
from .scripts import script


@dataclass(frozen=True)
class QueueHealth:
    """A Celery queue, all its priorities together.

    Attributes:
        messages: how many wait on it.
        jobs: how many jobs are QUEUED there; some of their messages may be under way, or be lost and rung again.
        oldest_s: for how long the job that waits longest has been QUEUED there; 0 if none waits.
        blocked_by: keys of the queue that hold something else than a list.
    """

    queue: str
    messages: int
    jobs: int
    oldest_s: float
    blocked_by: tuple[str, ...]


@dataclass(frozen=True)
class Health:
    """The ledger at one moment.

    Attributes:
        leader: the controller that leads; None if none does.
        overdue: how many running jobs' leases ran out longer ago than a controller takes to notice.
    """

    leader: str | None
    overdue: int
    queues: tuple[QueueHealth, ...]


def health(overdue_after_s: float = 10) -> Call[Health]:
    """Look at everything."""
    lists = [f"{queue}{KOMBU_SEPARATOR}{step}" if step else queue for queue in queues() for step in PRIORITY_STEPS]

    def decode(answer: list[Any]) -> Health:
        leader, overdue, *measured = answer
        steps = len(PRIORITY_STEPS)
        found = tuple(
            _queue(queue, lists[n * steps : (n + 1) * steps], measured[n * steps : (n + 1) * steps])
            for n, queue in enumerate(queues())
        )
        return Health(leader.decode() if leader else None, overdue, found)

    return Call((round(overdue_after_s * 1000), *lists), decode, script("health"))


def _queue(queue: str, lists: Sequence[str], measured: Sequence[tuple[int, int, int]]) -> QueueHealth:
    return QueueHealth(
        queue,
        messages=sum(max(0, messages) for messages, _, _ in measured),
        jobs=sum(jobs for _, jobs, _ in measured),
        oldest_s=max(waited_ms for _, _, waited_ms in measured) / 1000,
        blocked_by=tuple(name for name, (messages, _, _) in zip(lists, measured, strict=True) if messages < 0),
    )
