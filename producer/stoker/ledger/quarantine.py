"""Messages that are no jobs of ours: counted, and the newest kept for a look."""

import json

from ..connection import Call
from .keys import key
from .scripts import script

_KEPT = 1000
_SHOWN_BYTES = 1024


def quarantine(reason: str, queue: str, message: bytes) -> Call[None]:
    """Put a message aside; only its beginning is kept.

    Args:
        reason: one of a few words, such as "not JSON"; messages are counted by it.
    """
    told = {"reason": reason, "queue": queue, "size": len(message), "start": repr(message[:_SHOWN_BYTES])}
    return Call((reason, json.dumps(told), _KEPT), lambda _: None, script("quarantine"))


def quarantined() -> Call[dict[str, int]]:
    """How many messages were put aside, by reason."""

    def decode(answer: dict[bytes, bytes]) -> dict[str, int]:
        return {reason.decode(): int(count) for reason, count in answer.items()}

    return Call(("HGETALL", key("quarantined")), decode)
