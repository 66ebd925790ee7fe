"""What a controller does with the ledger: lead, wake what is due, hand on what is lost, forget what is old."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..events import JobState
from ..fleet.topology import PRIORITIES, queues
from ..models.manifest import Artifact
from ..redis.calls import Call
from .attempts import released
from .keys import SILENT_AFTER_S, key
from .readable import readable
from .scripts import iso_now, script

_ID = re.compile(rb"[A-Za-z0-9-]{1,64}")
_DISCARDED = re.compile(rb"(?P<id>" + _ID.pattern + rb")/[0-9a-f]{64}")


def lead(name: str, lease_s: float) -> Call[bool]:
    """Take or keep the lead among controllers; returns whether this one leads."""
    return Call((name, round(lease_s * 1000)), bool, script("lead"))


def resign(name: str) -> Call[None]:
    """Give the lead up."""
    return Call((name,), lambda _: None, script("resign"))


def look(due: Sequence[str], kept: Sequence[str]) -> Call[frozenset[str]]:
    """Look what there is to do; fails where Redis takes no writes, as `expired` does.

    Args:
        due: keys of sorted sets by the time when something is due.
        kept: keys that exist as long as there is something to do.

    Returns:
        those of the keys that hold anything to do now.
    """

    def decode(answer: list[bytes]) -> frozenset[str]:
        return frozenset(name.decode() for name in answer)

    return Call((len(due), *due, *kept), decode, script("look"))


def wake(limit: int = 500) -> Call[int]:
    """Queue the jobs whose time has come, or a worker that knows what they need; gives how many."""
    return Call((limit, iso_now()), int, script("wake"))


def resend(patience_s: float) -> Call[list[str]]:
    """Send new messages for queued jobs: where the last one must be lost, and where a job's priority has risen.

    Gives the ids of the former. Fits the number of messages to the slots, and sends those whose turn it is then.

    Args:
        patience_s: how long a message may be under way before its job is suspect.
    """

    def decode(answer: list[bytes]) -> list[str]:
        return [job_id.decode() for job_id in answer]

    lines = [word for queue in queues() for priority in PRIORITIES for word in (queue, priority)]
    return Call((round(patience_s * 1000), *lines), decode, script("resend"))


@dataclass(frozen=True)
class Expired:
    """An attempt whose worker has gone silent.

    Attributes:
        overdue_s: for how long its lease has run out.
    """

    job_id: str
    owner: str
    worker: str
    overdue_s: float


def expired(limit: int = 100) -> Call[list[Expired]]:
    """Attempts whose lease has run out, oldest first; fails where Redis takes no writes: none can be renewed."""

    def decode(rows: list[tuple[bytes, bytes, bytes, int]]) -> list[Expired]:
        return [
            Expired(job_id.decode(), owner.decode(), worker.decode(), overdue_ms / 1000)
            for job_id, owner, worker, overdue_ms in rows
        ]

    return Call((limit,), decode, script("expired"))


def reclaim(lost: Expired) -> Call[JobState | None]:
    """Take a silent worker's job from it, unless its lease was renewed meanwhile; gives what `release` does."""
    words = (lost.job_id, lost.owner, "expired", f"worker {lost.worker} went silent", iso_now(), 0, "")
    return Call(words, released, script("release"))


def reclaim_from_slot(job_id: str, owners: str, reason: str) -> Call[JobState | None]:
    """Take a job from a slot that has died, unless it is that slot's no longer; gives what `release` does.

    Args:
        owners: what the owners of that slot's attempts begin with, and no others.
    """
    return Call((job_id, owners, "died", reason, iso_now(), 0, ""), released, script("release"))


def fall_back(wait_s: float, limit: int = 100) -> Call[list[str]]:
    """Queue jobs for a CPU that have waited for a GPU for `wait_s` and do not need one; gives their ids.

    They are left where they are as long as no live worker would take them there.
    """

    def decode(answer: list[bytes]) -> list[str]:
        return [job_id.decode() for job_id in answer]

    return Call((round(wait_s * 1000), round(SILENT_AFTER_S * 1000), limit), decode, script("fall_back"))


def expire(keep: int, age_s: float, limit: int = 200) -> Call[int]:
    """Forget jobs that ended long ago, beyond `keep` of them or `age_s` seconds; gives how many."""
    return Call((keep, round(age_s * 1000), limit), int, script("expire"))


def discarded(limit: int = 100) -> Call[list[tuple[str, Artifact]]]:
    """Some of the checkpoints that no job lists any more, each behind its job's id: their files are to be deleted."""

    def decode(answer: list[bytes]) -> list[tuple[str, Artifact]]:
        artifacts = []
        for field, raw in zip(answer[::2], answer[1::2], strict=True):
            # What something else has written there is no file of ours to delete.
            match, artifact = _DISCARDED.fullmatch(field), readable(Artifact, raw)
            if match and artifact:
                artifacts.append((match["id"].decode(), artifact))
        return artifacts

    return Call(("HRANDFIELD", key("discarded"), limit, "WITHVALUES"), decode)


def deleted(job_id: str, artifact: Artifact) -> Call[None]:
    """Note that a discarded checkpoint's file is gone."""
    return Call(("HDEL", key("discarded"), f"{job_id}/{artifact.digest}"), lambda _: None)


def ended(limit: int = 100) -> Call[list[str]]:
    """Some of the trainings and bulk predictions that have ended: their parts of the store are to be cleared."""

    def decode(answer: list[bytes]) -> list[str]:
        return [job_id.decode() for job_id in answer if _ID.fullmatch(job_id)]

    return Call(("SRANDMEMBER", key("ended"), limit), decode)


def cleared(job_id: str) -> Call[None]:
    """Note that nothing is left of an ended job's part of the store."""
    return Call(("SREM", key("ended"), job_id), lambda _: None)
