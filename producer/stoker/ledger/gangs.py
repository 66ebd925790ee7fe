"""Several slots for one training, all or none.

Its leader is the slot that has claimed the job. It rings for members, one `stoker.join` message for each that is
missing, until it has as many as the job wants; only one gang of a queue gathers at a time, so that two never hold half
of what each needs. Members have leases of their own and belong to one attempt, by its token: when that ends, so do
they, and when one of them falls silent, the leader gives the attempt up.
"""

from dataclasses import dataclass
from typing import Literal

from ..outages import Outage
from ..redis.connection import Call
from .attempts import Attempt, read_attempt
from .keys import key
from .scripts import script

# The Celery task behind a member's doorbell; its only argument is the job's id and the seat: "<id>.<n>".
JOIN_TASK = "stoker.join"


@dataclass(frozen=True)
class Gang:
    """What a leader or a member learns when it looks at its gang.

    Attributes:
        state: "gathering"; "complete"; to a leader also "broken" (a member is lost) or "lost" (the attempt is no longer
            the job's); to a member "gone" (it is not wanted any more).
        owner: the attempt's token; to a leader "".
        addresses: those who are there, the leader first, as far as told; of a broken gang the lost member's.
        outage: what is away, if a member has left a broken gang because of that.
    """

    state: Literal["gathering", "complete", "broken", "lost", "gone"]
    owner: str
    addresses: tuple[str, ...]
    outage: Outage | None = None


def gather(attempt: Attempt, address: str, wanted: int, lease_s: float) -> Call[Gang]:
    """A leader's look at its gang: rings for missing members, and completes it when all are there.

    Args:
        wanted: how many slots, the leader's included.
    """

    def decode(answer: list[bytes | None]) -> Gang:
        state, *words = (word.decode() if word else "" for word in answer)
        addresses, outage = words, None
        if state == "broken":
            *addresses, of, reason = words
            outage = Outage(of=of, reason=reason) if of else None
        return Gang(state, "", tuple(addresses), outage)  # type: ignore[arg-type]  # the script's own words

    return Call((attempt.job_id, attempt.owner, address, wanted, round(lease_s * 1000)), decode, script("gather"))


def attend(job_id: str, owner: str, address: str, lease_s: float) -> Call[Gang]:
    """A member's sign of life.

    Args:
        owner: as told the first time; "" that time.
    """

    def decode(answer: list[bytes]) -> Gang:
        state, *rest = (word.decode() for word in answer)
        owner_there = rest[0] if rest else ""
        return Gang(state, owner_there, tuple(rest[1:]))  # type: ignore[arg-type]  # the script's own words

    return Call((job_id, owner, address, round(lease_s * 1000)), decode, script("attend"))


def depart(owner: str, address: str, *, done: bool, outage: Outage | None = None) -> Call[None]:
    """A member leaves: its part is done, or it cannot go on and the gang breaks.

    Args:
        outage: what is away, if it cannot go on because of that.
    """
    of, reason = (outage.of, outage.reason) if outage else ("", "")
    return Call((owner, "", address, int(done), of, reason), lambda _: None, script("depart"))


def disband(attempt: Attempt) -> Call[None]:
    """A leader's gang is over."""
    return Call((attempt.owner, attempt.job_id, "", 0, "", ""), lambda _: None, script("depart"))


def job_of(argument: str) -> str:
    """The job's id in the argument of a `stoker.join` message."""
    return argument.rpartition(".")[0]


def attempt_of(job_id: str, owner: str) -> Call[Attempt]:
    """The attempt that a member takes part in."""

    names = {"number": "attempt", "spec": "spec", "checkpoints": "checkpoints", "memory_bytes": "memory"}

    def decode(answer: list[bytes | None]) -> Attempt:
        return read_attempt(job_id, owner, dict(zip(names, answer, strict=True)))

    return Call(("HMGET", key("job", job_id), *names.values()), decode)
