"""Celery's view of jobs, copied to a Redis of its own where STOKER_RESULT_URL names one.

The scripts write it beside the record in the same step. With the flag set they also note the job as pending, until its
state is copied: a copy that was missed is made up for by the next.
"""

from dataclasses import dataclass

from ..redis.calls import Call
from .keys import key
from .scripts import lone_script, script

_KEPT_S = 7 * 24 * 3600
# Longer than all copiers may be away together; states are not noted for ever once there is none any more.
_MIRRORED_S = 24 * 3600


@dataclass(frozen=True)
class PendingResult:
    """A state to copy: `value` goes to the key `name`, and to the channel of that name."""

    job_id: str
    name: str
    value: bytes


def mirror() -> Call[None]:
    """Note every state from now on as pending, for a day; whoever copies them repeats this."""
    return Call(("SET", key("mirrored"), 1, "EX", _MIRRORED_S), lambda _: None)


def pending(limit: int = 100) -> Call[list[PendingResult]]:
    """Some of the states to copy."""

    def decode(rows: list[tuple[bytes, bytes, bytes]]) -> list[PendingResult]:
        return [PendingResult(job_id.decode(), name.decode(), value) for job_id, name, value in rows]

    return Call((limit,), decode, script("pending_results"))


def copy(state: PendingResult) -> Call[None]:
    """Store a state in the results' own Redis as Celery does, unless a newer one stands there, and wake who waits."""
    return Call((state.name, state.value, _KEPT_S), lambda _: None, lone_script("copy"))


def copied(state: PendingResult) -> Call[None]:
    """Note that a state has been copied."""
    return Call((state.job_id, state.value), lambda _: None, script("copied"))
