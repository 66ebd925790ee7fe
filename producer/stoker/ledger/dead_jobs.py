"""Jobs that were given up: why, and what an operator does with them."""

from datetime import datetime
from functools import partial

from pydantic import BaseModel, ConfigDict

from ..errors import InvalidJob, JobNotFound, Unavailable
from ..events import JobState
from ..redis.calls import Call
from .keys import key
from .readable import all_readable
from .scripts import script


class PastAttempt(BaseModel):
    """An attempt that has ended.

    Attributes:
        how: "lost", "drained", "outage", "outgrown" (its slot, by memory), "children" (it asked for other jobs), or the
            final state.
        reason: why, in one line; None for a success.
        log: the last lines that the job logged.
    """

    model_config = ConfigDict(frozen=True)

    attempt: int
    worker: str
    how: str
    reason: str | None = None
    started_at: datetime
    ended_at: datetime
    log: str = ""


def history(job_id: str) -> Call[list[PastAttempt]]:
    """A job's ended attempts, the first one first."""
    return Call(("LRANGE", key("history", job_id), 0, -1), partial(all_readable, PastAttempt))


def requeue(job_id: str) -> Call[None]:
    """Give a dead job another `max_attempts`, from its last checkpoint.

    Raises:
        JobNotFound: there is none with this id.
        InvalidJob: it is not dead.
        Unavailable: another job with its singleton key has not ended.
    """
    return _of_dead(job_id, "requeue")


def drop(job_id: str) -> Call[None]:
    """Forget a dead job.

    Raises:
        JobNotFound: there is none with this id.
        InvalidJob: it is not dead.
    """
    return _of_dead(job_id, "drop")


def _of_dead(job_id: str, name: str) -> Call[None]:
    def decode(state: bytes | None) -> None:
        if state is None:
            raise JobNotFound(f"no job has the id {job_id!r}: it never existed or its record has expired")
        said, _, other = state.decode().partition(" ")
        if said == "busy":
            raise Unavailable(
                f"job {other}, which has the singleton key of job {job_id}, has not ended: requeue this one when it "
                "has, or cancel that"
            )
        if said != JobState.DEAD:
            raise InvalidJob(f"job {job_id} is {said}, not DEAD: there is nothing to {name}")

    return Call((job_id,), decode, script(name))
