"""What the ledger tells for foreseeing: a fleet's queues at one moment, and what jobs took that have ended."""

from functools import partial

from ..fleet.topology import WorkDevice
from ..foresight.estimates import Example
from ..foresight.look import Look
from ..redis.calls import Call
from .keys import key
from .readable import all_readable
from .scripts import script

# How many jobs are read of the queues, and of those that ended last: some milliseconds of the server.
MOST_QUEUED, MOST_ENDED = 500, 64


def look(device: WorkDevice) -> Call[Look]:
    """A fleet's queues; as `health`, it moves no job."""

    def decode(answer: bytes) -> Look:
        return Look.model_validate_json(answer.decode(errors="replace"))

    return Call((device, MOST_QUEUED, MOST_ENDED), decode, script("foresee"))


def examples(device: WorkDevice, kind: str) -> Call[list[Example]]:
    """What jobs of a kind took that have succeeded, the newest first."""
    return Call(("LRANGE", key("examples", device, kind), 0, -1), partial(all_readable, Example))
