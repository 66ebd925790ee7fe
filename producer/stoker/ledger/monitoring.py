"""How the queues and those who look after them are, in one look.

It moves no job; as every script does, it takes away what lies under a key of the ledger and is of a wrong type, with a
note for `repairs`. Whoever wants to see that asks for `misplaced` first.
"""

import itertools
import json
from dataclasses import dataclass

from ..fleet.topology import KOMBU_SEPARATOR, PRIORITY_STEPS, queues
from ..redis.calls import Call
from .scripts import script


@dataclass(frozen=True)
class QueueHealth:
    """A Celery queue, all its priorities together.

    Attributes:
        messages: how many wait on it. Only some of the jobs have one at a time; some messages may be under way, or be
            lost and sent again.
        jobs: how many jobs are QUEUED there.
        paused: how many of them are held because the queue or their tenants are paused.
        over_quota: how many of them are held because their tenants have as many running as they may.
        oldest_s: for how long the job that waits longest has been QUEUED there, not counting those; 0 if none waits.
        blocked_by: keys of the queue that hold something else than a list.
    """

    queue: str
    messages: int
    jobs: int
    paused: int
    over_quota: int
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


@dataclass(frozen=True)
class SilentJob:
    """A running job that sends no events; its slot renews the lease all the same.

    Attributes:
        silent_s: for how long, since its start or its last event.
    """

    job_id: str
    silent_s: float
    worker: str


@dataclass(frozen=True)
class SilentJobs:
    """The running jobs that have sent no event for so long.

    Attributes:
        count: of all of them.
        longest: some of them, the longest silent first.
    """

    count: int
    longest: tuple[SilentJob, ...]


def silent(for_s: float = 0, limit: int = 1) -> Call[SilentJobs]:
    """The running jobs that have sent no event for so long, at most `limit` of them by name."""

    def decode(answer: tuple[int, list[tuple[bytes, int, bytes]]]) -> SilentJobs:
        count, rows = answer
        return SilentJobs(
            count,
            tuple(SilentJob(job_id.decode(), silent_ms / 1000, worker.decode()) for job_id, silent_ms, worker in rows),
        )

    return Call((round(for_s * 1000), limit), decode, script("silent"))


@dataclass(frozen=True)
class Unmet:
    """What some waiting jobs of a queue need of a worker.

    Attributes:
        jobs: how many of them wait for it.
        workers: how many live workers have all of it; their slots are busy.
        needs: what it takes, for a sentence on a worker; if no worker has it, only what none has.
    """

    queue: str
    jobs: int
    workers: int
    needs: str


def unmet(limit: int = 20) -> Call[list[Unmet]]:
    """What waiting jobs need of a worker, at most `limit` different needs, the most wanted first."""

    def decode(rows: list[tuple[bytes, int, int, bytes]]) -> list[Unmet]:
        found = [Unmet(queue.decode(), jobs, workers, needs.decode()) for queue, jobs, workers, needs in rows]
        return sorted(found, key=lambda each: (-each.jobs, each.queue, each.needs))

    return Call((limit,), decode, script("unmet"))


def health(overdue_after_s: float = 10) -> Call[Health]:
    """The leader, the leases and the queues."""
    lists = {
        queue: [f"{queue}{KOMBU_SEPARATOR}{step}" if step else queue for step in PRIORITY_STEPS] for queue in queues()
    }

    def decode(answer: bytes) -> Health:
        read = json.loads(answer)
        messages: dict[str, int] = read["messages"]
        return Health(
            read.get("leader"),
            read["overdue"],
            tuple(
                QueueHealth(
                    queue,
                    messages=sum(max(0, messages[name]) for name in lists[queue]),
                    jobs=read["queues"][queue]["jobs"],
                    paused=read["queues"][queue]["paused"],
                    over_quota=read["queues"][queue]["over_quota"],
                    oldest_s=read["queues"][queue]["oldest_ms"] / 1000,
                    blocked_by=tuple(name for name in lists[queue] if messages[name] < 0),
                )
                for queue in lists
            ),
        )

    names = (*lists, *itertools.chain.from_iterable(lists.values()))
    return Call((round(overdue_after_s * 1000), len(lists), *names), decode, script("health"))
