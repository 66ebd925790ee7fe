"""What the ledger knows of files in the store: which it names, and those that nothing names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..events import FINAL, JobState
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
        unfinished_since: when the oldest job was submitted that has begun and not ended for good; None if all have.
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
        removed: whether files are removed that two looks have found so, and not only counted.
        examples: some of their paths.
        stored_files, stored_size: how many files there were in all, and their bytes.
        removed_files, removed_size: how many of those that nothing names this look has removed, and their bytes.
        next_at: when the next look begins, which removes the others; None if it removes none.
        is_strange: whether the ledger named no file at all: then it may not be the store's, and nothing is removed.
        uploaded_size: bytes of what apps have uploaded.
        plain_files: how many of all files are not encrypted.
        encrypted_files: how many are, by the ids of the keys that can decrypt them, with - between several.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    files: int
    size: int
    removed: bool
    examples: tuple[str, ...] = ()
    stored_files: int = 0
    stored_size: int = 0
    removed_files: int = 0
    removed_size: int = 0
    next_at: datetime | None = None
    is_strange: bool = False
    uploaded_size: int = 0
    plain_files: int = 0
    encrypted_files: dict[str, int] = Field(default_factory=dict)


def named(cursor: int, count: int = 1000) -> Call[Named]:
    """One page of what the ledger names; a whole look begins and ends with cursor 0."""

    def decode(answer: list[Any]) -> Named:
        following, oldest_ms, digests = answer
        since = datetime.fromtimestamp(oldest_ms / 1000, UTC) if oldest_ms else None
        return Named(int(following), frozenset(digests), since)

    return Call((cursor, count), decode, script("named"))


def are_known() -> Call[bool]:
    """Whether there are models or uploads, whose files are in the store."""
    return Call(("EXISTS", key("models"), key("uploads")), bool)


def has_ended(job_id: str) -> Call[bool]:
    """Whether a job has ended for good, or is not known: it needs its part of the store no more."""
    ended = {None, *(state.encode() for state in FINAL if state is not JobState.DEAD)}
    return Call(("HGET", key("job", job_id), "state"), lambda state: state in ended)


def found_before() -> Call[dict[str, datetime]]:
    """The files that earlier looks have found to be named by nothing, by path, each with when it was first found."""

    def decode(answer: list[bytes]) -> dict[str, datetime]:
        pairs = zip(answer[::2], answer[1::2], strict=True)
        return {path.decode(errors="replace"): datetime.fromtimestamp(float(ms) / 1000, UTC) for path, ms in pairs}

    return Call(("ZRANGE", key("unnamed"), 0, -1, "WITHSCORES"), decode)


def note_unnamed(paths: Sequence[str], at: datetime) -> Call[None]:
    """Note that nothing names these files; of one that was noted before, the first time stays."""
    ms = round(at.timestamp() * 1000)
    return Call(("ZADD", key("unnamed"), "NX", *(word for path in paths for word in (ms, path))), lambda _: None)


def forget_unnamed(paths: Sequence[str]) -> Call[None]:
    """Forget files that are gone, or that something names."""
    return Call(("ZREM", key("unnamed"), *paths), lambda _: None)


def count_removed(size: int) -> Call[None]:
    """Count the bytes of files that were removed."""
    return Call(("HINCRBY", key("tallies"), "removed bytes", size), lambda _: None)


def note_leftovers(leftovers: Leftovers) -> Call[None]:
    """Keep the outcome of a look, for metrics and `stoker doctor`."""
    return Call(("SET", key("leftovers"), leftovers.model_dump_json()), lambda _: None)


def leftovers() -> Call[Leftovers | None]:
    """The outcome of the last look; None if there was none yet."""
    return Call(("GET", key("leftovers")), partial(readable, Leftovers))
