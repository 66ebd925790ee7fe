"""Pausing: a job, a queue, or all jobs of a tenant.

A paused job is WAITING, and its record says since when. One that runs is asked to stop at its next step, as by a
drain: it saves a checkpoint, leaves its slot and goes on from there when it is resumed, on whichever worker. It keeps
its place among the jobs of its priority, and it costs no attempt. A paused queue or tenant hands out nothing; what
runs goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ..errors import InvalidJob, JobNotFound
from ..events import FINAL, JobState
from ..redis.calls import Call
from .keys import key
from .scripts import script


@dataclass(frozen=True)
class Paused:
    """What is paused.

    Attributes:
        jobs: how many jobs are.
        longest: ids of some of them by since when, those paused longest first.
        queues, tenants: since when each is that is.
    """

    jobs: int
    longest: Mapping[str, datetime]
    queues: Mapping[str, datetime]
    tenants: Mapping[str, datetime]

    def over(self, queue: str, tenant: str) -> str:
        """What holds a job of this queue and tenant, in a few words; "" if nothing does."""
        if queue in self.queues:
            return f"queue {queue} is paused since {_moment(self.queues[queue])}"
        if tenant in self.tenants:
            return f"tenant {tenant!r} is paused since {_moment(self.tenants[tenant])}"
        return ""


def pause(job_id: str) -> Call[JobState]:
    """Pause a job, and its children; gives the state it had. One that is paused stays so.

    Raises:
        JobNotFound: no job has this id.
        InvalidJob: it has ended, or it runs and keeps no checkpoint.
    """

    def decode(answer: bytes | None) -> JobState:
        if answer == b"unsaved":
            raise InvalidJob(
                f"job {job_id} runs and keeps no checkpoint, so that a pause would throw its work away: let it end, or "
                "cancel it and submit it again; before it starts, it can be paused"
            )
        return _state(job_id, answer, "pause")

    return Call((job_id,), decode, script("pause"))


def resume(job_id: str) -> Call[JobState]:
    """Let a paused job go on, and its children; gives the state it had. One that is not paused stays as it is.

    Raises:
        JobNotFound: no job has this id.
        InvalidJob: it has ended.
    """
    return Call((job_id,), lambda answer: _state(job_id, answer, "resume"), script("resume"))


def set_paused(what: Literal["queue", "tenant"], name: str, paused: bool) -> Call[bool]:
    """Pause a queue or a tenant, or let it go on; returns whether that has changed anything."""
    return Call((what, name, int(paused)), bool, script("pauses"))


def paused(limit: int = 10) -> Call[Paused]:
    """What is paused; names so many jobs at most."""

    def decode(answer: tuple[int, list[bytes], list[bytes]]) -> Paused:
        count, jobs, named = answer
        since = {name: at for name, at in _pairs(named).items() if at}
        return Paused(
            count,
            {job_id: at for job_id, at in _pairs(jobs).items() if at},
            *(
                {name.partition(" ")[2]: at for name, at in since.items() if name.startswith(f"{what} ")}
                for what in ("queue", "tenant")
            ),
        )

    return Call((limit,), decode, script("paused"))


def _pairs(words: list[bytes]) -> dict[str, datetime | None]:
    return {name.decode(): _time(value) for name, value in zip(words[::2], words[1::2], strict=True)}


def _time(value: bytes) -> datetime | None:
    """When something was paused; None for what something else has written there."""
    try:
        return datetime.fromtimestamp(float(value) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _state(job_id: str, answer: bytes | None, what: str) -> JobState:
    if answer is None:
        raise JobNotFound(f"no job has the id {job_id!r}: it never existed or its record has expired")
    if answer == b"damaged":
        raise InvalidJob(
            f"the record of job {job_id} is damaged, or of a newer version of Stoker: look at {key('job', job_id)}; "
            "a controller mends it"
        )
    state = JobState(answer.decode())
    if state in FINAL:
        raise InvalidJob(f"job {job_id} is {state}: it has ended, and there is nothing to {what}")
    return state
