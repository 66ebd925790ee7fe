"""Messages that are no jobs of ours: counted, and the newest kept for a look."""

import json
from collections.abc import Sequence
from enum import StrEnum

from ..redis.calls import Call
from .keys import key
from .readable import counts
from .scripts import script

_KEPT = 1000
_SHOWN_BYTES = 1024


class QuarantineReason(StrEnum):
    """Why a message was put aside; they are counted by it."""

    TOO_LARGE = "too large"
    NOT_JSON = "not JSON"
    NOT_A_MESSAGE = "not a Celery message"
    FOREIGN_CONTENT = "foreign content type"
    UNKNOWN_TASK = "unknown task"
    WRONG_ARGUMENTS = "wrong arguments"
    UNKNOWN_JOB = "unknown job"
    WRONG_TYPE = "wrong Redis type"


def put_aside(reason: QuarantineReason, queue: str, message: bytes) -> Call[None]:
    """Put a message aside; only its beginning is kept.

    Args:
        queue: where it came from.
    """
    entry = {"reason": reason, "queue": queue, "size": len(message), "start": repr(message[:_SHOWN_BYTES])}
    return Call((reason, json.dumps(entry), _KEPT), lambda _: None, script("quarantine"))


def evict(lists: Sequence[str]) -> Call[int]:
    """Put aside what lies under the key of a queue's list and is no list, so that the queue works again; how many."""
    return Call((QuarantineReason.WRONG_TYPE, _KEPT, *lists), int, script("evict"))


def quarantined() -> Call[dict[str, int]]:
    """How many messages were put aside, by reason."""
    return Call(("HGETALL", key("quarantined")), counts)
