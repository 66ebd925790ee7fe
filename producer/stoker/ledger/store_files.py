"""What the ledger knows of files in the store: which it names, and those that nothing names."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..events import JobState
from ..redis.calls import Call
from .keys import key
from .readable import readable
from .scripts import script


@dataclass(frozen=True)
class Named:
    """A page of the ledger.

    Attributes:
        cursor: of the next page; 0 behind the last one.
        digests: of the artifacts that the page names.
        unfinished_since: when the oldest job was submitted that has not ended for good; None if all have.
    """

    cursor: int
    digests: frozenset[bytes]
    unfinished_since: datetime | None


class Leftovers(BaseModel):
    """Files in the store that nothing names, as of the last look through it.

    Attributes:
        at: when the look ended.
        files: how many there were.
        size: bytes of all of them.
        removed: whether they were removed, and not only counted.
        examples: some of their paths.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    files: int
    size: int
    removed: bool
    examples: tuple[str, ...] = ()


def named(cursor: int, count: int = 1000) -> Call[Named]:
    """One page of what the ledger names; a whole look begins and ends with cursor 0."""

    def decode(answer: list[Any]) -> Named:
        following, oldest_ms, digests = answer
        since = datetime.fromtimestamp(oldest_ms / 1000, UTC) if oldest_ms else None
        return Named(int(following), frozenset(digests), since)

    return Call((cursor, count), decode, script("named"))


def has_ended(job_id: str) -> Call[bool]:
    """Whether a job has ended for good, or is not known: it needs its part of the store no more."""
    ended = {None, *(state.encode() for state in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED))}
    return Call(("HGET", key("job", job_id), "state"), lambda state: state in ended)


def note_leftovers(leftovers: Leftovers) -> Call[None]:
    """Keep the outcome of a look, for metrics and `stoker doctor`."""
    return Call(("SET", key("leftovers"), leftovers.model_dump_json()), lambda _: None)


def leftovers() -> Call[Leftovers | None]:
    """The outcome of the last look; None if there was none yet."""
    return Call(("GET", key("leftovers")), partial(readable, Leftovers))
