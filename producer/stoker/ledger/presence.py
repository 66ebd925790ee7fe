"""Which workers are there: each says so every few seconds."""

from contextlib import suppress

from pydantic import BaseModel, ConfigDict, ValidationError

from ..connection import Call
from ..topology import WorkDevice
from .keys import key
from .scripts import script

BEAT_S = 5.0
SILENT_AFTER_S = 3 * BEAT_S


class Worker(BaseModel):
    """What a worker says of itself.

    Attributes:
        name: its Celery node name, e.g. "cpu@host".
        slots: how many jobs it runs at once.
        queues: the Celery queues it serves.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    device: WorkDevice
    slots: int
    queues: tuple[str, ...]
    host: str
    pid: int


def announce(worker: Worker) -> Call[None]:
    """Say that a worker is there, and forget those silent for long."""
    words = (worker.name, worker.model_dump_json(), round(SILENT_AFTER_S * 1000))
    return Call(words, lambda _: None, script("announce"))


def leave(name: str) -> Call[None]:
    """Say that a worker has gone."""
    return Call(("HDEL", key("workers"), name), lambda _: None)


def workers() -> Call[list[Worker]]:
    """The workers heard of lately, by name."""

    def decode(answer: list[bytes]) -> list[Worker]:
        found = []
        for raw in answer:
            # What something else has written there is no worker.
            with suppress(ValidationError):
                found.append(Worker.model_validate_json(raw))
        return sorted(found, key=lambda worker: worker.name)

    return Call((round(SILENT_AFTER_S * 1000),), decode, script("workers"))
