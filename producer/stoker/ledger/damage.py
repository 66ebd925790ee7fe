"""Damage to the ledger: what no script can have left so is found and mended, a little at a time.

Something else than Stoker, or a restored backup, may have written to any key. Scripts delete a value of a wrong type
where they meet it and go on; `repair` goes over everything and derives what was lost from the jobs' records. A job that
cannot be mended is FAILED, with a reason. What was found is kept for `stoker doctor`.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pydantic import BaseModel, ConfigDict

from ..redis.calls import Call
from .keys import key
from .readable import all_readable
from .scripts import iso_now, script


@dataclass(frozen=True)
class Look:
    """A look at some of the ledger.

    Attributes:
        cursor: where the next look begins; "0" once everything was looked at.
        damages: what was mended, in words.
        is_damaged: whether there may be more, because not everything was looked at since the last damage.
    """

    cursor: str
    damages: tuple[str, ...]
    is_damaged: bool


class Repair(BaseModel):
    """Damage that was found and mended.

    Attributes:
        where: the key.
        was: what was wrong there.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    where: str
    was: str


@dataclass(frozen=True)
class Misplaced:
    """Something of another type than belongs there lies under a key that all jobs, or those of a queue, share.

    Attributes:
        where: the key.
        actual: the Redis type of what lies there.
        expected: the type that belongs there.
    """

    where: str
    actual: str
    expected: str


def misplaced() -> Call[list[Misplaced]]:
    """What lies where something else belongs, by key; it is left to `repair`, and to the scripts that meet it."""

    def decode(answer: list[tuple[bytes, bytes, bytes]]) -> list[Misplaced]:
        return sorted((Misplaced(*(word.decode() for word in words)) for words in answer), key=lambda each: each.where)

    return Call((), decode, script("misplaced"))


def repair(cursor: str = "0", keys: int = 200) -> Call[Look]:
    """Look at some of the ledger's keys behind `cursor`, and mend what is wrong."""

    def decode(answer: tuple[bytes, list[bytes], int]) -> Look:
        cursor_after, damages, is_damaged = answer
        return Look(cursor_after.decode(), tuple(words.decode(errors="replace") for words in damages), bool(is_damaged))

    return Call((cursor, keys, iso_now()), decode, script("repair"))


def repairs(limit: int = 100) -> Call[list[Repair]]:
    """The newest damages that were mended, the newest first."""
    return Call(("LRANGE", key("repairs"), 0, limit - 1), partial(all_readable, Repair))
