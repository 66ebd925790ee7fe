"""Several slots for one training, all or none.

Its chief is the slot that has claimed the job. It sends messages for members, one `stoker.join` for each that is
missing, until it has as many as the job wants; only one gang of a queue gathers at a time, so that two never hold half
of what each needs. Members have leases of their own and belong to one attempt, by its token: when that ends, so do
they, and when one of them falls silent, the chief gives the attempt up.
"""

from dataclasses import dataclass
from typing import Literal

from ..outages import Outage
from ..redis.calls import Call
from .attempt import Attempt, read_attempt
from .keys import key
from .scripts import script

# The Celery task of a member's message; its only argument is the job's id and the member's number: "<id>.<n>".
JOIN_TASK = "stoker.join"


@dataclass(frozen=True)
class Gang:
    """A gang as its chief or a member sees it.

    Attributes:
        state: "gathering"; "complete"; to the chief also "broken" (a member is lost) or "lost" (the attempt is not the
            job's any more); to a member "gone" (it is not wanted any more).
        owner: the attempt's token; to the chief "".
        addresses: of the members so far, the chief first; of a broken gang the lost member's.
        outage: what is away, if a member has left a broken gang because of that.
    """

    state: Literal["gathering", "complete", "broken", "lost", "gone"]
    owner: str
    addresses: tuple[str, ...]
    outage: Outage | None = None


def gather(attempt: Attempt, address: str, wanted: int, lease_s: float) -> Call[Gang]:
    """The chief's look at its gang: sends messages for missing members, and completes it with the last.

    Args:
        wanted: how many slots, the chief's included.
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
    """A member's heartbeat, which gives the gang.

    Args:
        owner: as the first heartbeat gave it; "" for that one.
    """

    def decode(answer: list[bytes]) -> Gang:
        state, *rest = (word.decode() for word in answer)
        return Gang(state, rest[0] if rest else "", tuple(rest[1:]))  # type: ignore[arg-type]  # the script's own words

    return Call((job_id, owner, address, round(lease_s * 1000)), decode, script("attend"))


def depart(owner: str, address: str, *, done: bool, outage: Outage | None = None) -> Call[None]:
    """A member leaves: its work is done, or it cannot go on and the gang breaks.

    Args:
        outage: what is away, if it cannot go on because of that.
    """
    of, reason = (outage.of, outage.reason) if outage else ("", "")
    return Call((owner, "", address, int(done), of, reason), lambda _: None, script("depart"))


def disband(attempt: Attempt) -> Call[None]:
    """The chief ends its gang."""
    return Call((attempt.owner, attempt.job_id, "", 0, "", ""), lambda _: None, script("depart"))


def job_of(argument: str) -> str:
    """The job's id in the argument of a `stoker.join` message."""
    return argument.rpartition(".")[0]


def attempt_of(job_id: str, owner: str) -> Call[Attempt]:
    """The attempt that a member takes part in."""

    names = {
        "number": "attempt",
        "spec": "spec",
        "checkpoints": "checkpoints",
        "memory_bytes": "memory",
        "needs": "needs_words",
        "memory_plan": "memory_plan",
        "envelope": "envelope",
        "losses": "losses",
    }

    def decode(answer: list[bytes | None]) -> Attempt:
        return read_attempt(job_id, owner, dict(zip(names, answer, strict=True)))

    return Call(("HMGET", key("job", job_id), *names.values()), decode)
