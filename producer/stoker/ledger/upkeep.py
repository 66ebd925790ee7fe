"""What a controller does with the ledger: lead, wake what is due, ring again, forget what is old."""

from contextlib import suppress

from pydantic import ValidationError

from ..artifacts import Artifact
from ..connection import Call
from ..topology import redis_lists
from .keys import key
from .scripts import script


def lead(name: str, lease_s: float) -> Call[bool]:
    """Take or keep the lead among controllers; tells whether this one leads."""
    return Call((name, round(lease_s * 1000)), bool, script("lead"))


def resign(name: str) -> Call[None]:
    """Give the lead up."""
    return Call((name,), lambda _: None, script("resign"))


def wake(limit: int = 500) -> Call[int]:
    """Queue the jobs whose time has come; gives how many."""
    return Call((limit,), int, script("wake"))


def ring_again(patience_s: float, limit: int = 100) -> Call[list[str]]:
    """Send a new message for queued jobs whose last one must be lost; gives their ids.

    Args:
        patience_s: how long a message may be under way before its job is suspect.
        limit: how many jobs of each queue and priority at once.
    """

    def decode(answer: list[bytes]) -> list[str]:
        return [job_id.decode() for job_id in answer]

    return Call((round(patience_s * 1000), limit, *redis_lists()), decode, script("ring_again"))


def expire(keep: int, age_s: float, limit: int = 200) -> Call[int]:
    """Forget jobs that ended long ago, beyond `keep` of them or `age_s` seconds; gives how many."""
    return Call((keep, round(age_s * 1000), limit), int, script("expire"))


def discarded(limit: int = 100) -> Call[list[Artifact]]:
    """Some of the checkpoints that no job lists any more: their files are to be deleted."""

    def decode(answer: list[bytes]) -> list[Artifact]:
        found = []
        for raw in answer[1::2]:
            # What something else has written there is no file of ours to delete.
            with suppress(ValidationError):
                found.append(Artifact.model_validate_json(raw))
        return found

    return Call(("HRANDFIELD", key("discarded"), limit, "WITHVALUES"), decode)


def deleted(artifact: Artifact) -> Call[None]:
    """Note that a discarded checkpoint's file is gone."""
    return Call(("HDEL", key("discarded"), artifact.digest), lambda _: None)
