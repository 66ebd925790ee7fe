"""The audit: who did what, noted by the script that does it, in the same step.

Each Redis user has a stream of its own, so that the server's rules for keys say whose entries these can be. The
controller takes them out within a second and seals them: see sealing.py. It is on where the setting `audit` is.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from ...ledger.keys import key
from ...ledger.scripts import script
from ...redis.calls import Call, Steps

LOST = "lost"
"""What an entry says that tells of entries which somebody has cut before they were sealed."""
UNVOUCHED = "unvouched"
"""What an entry says that tells of those before it that no controller vouches for which is trusted now."""
HANDED_ON = "handed on"
"""What an entry says with which a controller of another key begins to vouch for a chain."""
_LONGEST_TEXT = 1000
# Who adds an entry may say when that was: one after all times that a `datetime` has is given the last of them.
_LATEST_MS = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp() * 1000)


class _Noted(BaseModel):
    """An entry as it lies in the stream."""

    model_config = ConfigDict(frozen=True)

    what: str
    about: str = ""
    text: str = ""
    tenant: str = ""
    who: str = ""
    by: str = ""


class AuditEntry(_Noted):
    """Something that was done, or refused.

    Attributes:
        number: its place in the chain of its tenant, from 1 on; None as long as it is not sealed.
        id: its place in the stream of its Redis user.
        at: when, UTC, by the Redis server's clock.
        user: the Redis user who did it.
        by: the user of the process and its machine, as that says of itself.
        who: who asked for it, if that is not the Redis user: the id of a key.
        what: "submitted", "cancelled", "approved", "moved", "removed", "read", "refused", …
        about: to what: ids of jobs, a model or its alias, a file.
        text: more about it, in a few words.
        tenant: on whose behalf; "" for nobody.
    """

    number: int | None = None
    id: str = ""
    at: datetime
    user: str


@dataclass(frozen=True)
class Journal:
    """What of a user's stream is not sealed.

    Attributes:
        ever: how many entries were ever added to the stream; None where the server does not count them.
        is_gone: whether there is no such stream any more.
    """

    user: str
    ever: int | None
    is_gone: bool
    entries: tuple[AuditEntry, ...]


@dataclass(frozen=True)
class Unsealed:
    """What is not sealed, and up to where the rest is.

    Attributes:
        sealed: as audit_seal.lua has it.
    """

    sealed: Mapping[str, str]
    journals: tuple[Journal, ...]


def note(what: str, who: str, about: str, text: str, tenant: str = "") -> Call[None]:
    """Note an entry, which a repeat of the call does not note again; nothing where the audit is off.

    Args:
        what: what was done or, "refused", not done.
        who: who asked for it, such as the id of a key; "" where that is the Redis user of this connection.
    """
    noted = {"id": uuid.uuid4().hex, "what": what, "who": who, "about": about, "tenant": tenant}
    words = (json.dumps({name: value for name, value in noted.items() if value} | {"text": text[:_LONGEST_TEXT]}),)
    return Call(words, lambda _: None, script("audit_note"))


def look(*, is_on: bool, limit: int) -> Call[Unsealed]:
    """Switch the audit on or off, and read what is not sealed, at most so many entries of each user."""

    def decode(answer: list[list[object]]) -> Unsealed:
        fields, *journals = answer
        words = [_text(word) for word in fields]
        return Unsealed(dict(zip(words[::2], words[1::2], strict=True)), tuple(map(_journal, journals)))

    return Call((int(is_on), limit), decode, script("audit_look"))


def seal(was: Mapping[str, str], becomes: Mapping[str, str], keep: Mapping[str, str]) -> Call[bool]:
    """Note that entries are sealed, and empty the streams up to there; returns whether nobody else was first.

    Args:
        was, becomes: fields of what is sealed, before and after.
        keep: by user, the first id that stays; "" where no other can follow, and the stream is begun anew.
    """
    words = (json.dumps({"was": was, "becomes": becomes, "keep": keep}),)
    return Call(words, bool, script("audit_seal"))


def sealed() -> Call[dict[str, str]]:
    """Up to where everything is sealed: see audit_seal.lua."""

    def decode(answer: Mapping[bytes, bytes]) -> dict[str, str]:
        return {_text(field): _text(value) for field, value in answer.items()}

    return Call(("HGETALL", key("audit_heads")), decode)


def newest(limit: int) -> Steps[list[AuditEntry]]:
    """The newest entries that are not sealed, at most so many of each user, the oldest first."""
    users: list[str] = yield Call(("SMEMBERS", key("audits")), lambda answer: sorted(map(_text, answer)))
    entries: list[AuditEntry] = []
    for user in users:
        words = ("XREVRANGE", key("audit", user), "+", "-", "COUNT", limit)
        answer: list[tuple[bytes, dict[bytes, bytes]]] = yield Call(words, list)
        entries += (_entry(user, place, next(iter((fields or {}).values()), b"")) for place, fields in answer)
    return in_order(entries)


def is_on() -> Call[bool]:
    """Whether what is done is noted."""
    return Call(("EXISTS", key("auditing")), bool)


def in_order(entries: Sequence[AuditEntry]) -> list[AuditEntry]:
    """Entries of several users by their time."""
    return sorted(entries, key=lambda entry: (place_of(entry.id), entry.user))


def place_of(entry_id: str) -> tuple[int, int]:
    """The two numbers of an entry's id."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds or 0), int(number or 0)


def _journal(answer: list[object]) -> Journal:
    user, ever, entries = answer
    assert isinstance(ever, int)
    assert isinstance(entries, list)
    return Journal(_text(user), ever if ever >= 0 else None, ever == -2, tuple(_entries(_text(user), entries)))


def _entries(user: str, words: Sequence[bytes]) -> Iterator[AuditEntry]:
    for place, raw in zip(words[::2], words[1::2], strict=True):
        yield _entry(user, place, raw)


def _entry(user: str, place: bytes, raw: bytes) -> AuditEntry:
    entry_id = place.decode()
    at = datetime.fromtimestamp(min(place_of(entry_id)[0], _LATEST_MS) / 1000, UTC)
    try:
        noted = _Noted.model_validate_json(raw)
    except ValidationError:
        # Something else than Stoker has written there: that is noted, too.
        noted = _Noted(what="unreadable", text=raw.decode(errors="replace")[:_LONGEST_TEXT])
    return AuditEntry(id=entry_id, at=at, user=user, **dict(noted))


def _text(word: object) -> str:
    return word.decode(errors="replace") if isinstance(word, bytes) else str(word)
