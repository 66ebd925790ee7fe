"""What apps have uploaded, and how long it is kept: as long as a record names it, and else for its own time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, Field

from ..models.described import Described
from ..redis.calls import Call, Steps
from .keys import key
from .readable import readable
from .scripts import script

KEEP_DAYS = 30.0
"""For how long an upload is kept after its last use, where nothing is said."""
LONGEST_DAYS = 100 * 366.0
# So many uploads keep the server busy for about a millisecond.
_PAGE = 500
_LAST_MS = datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1000


class Upload(Described):
    """What an app has put into the store.

    Attributes:
        ref: the reference that jobs take.
        size: bytes, of all files of a folder.
        files: how many there are.
        created_at: when it was uploaded, UTC.
        keep_s: for how many seconds it is kept after its last use.
        expires_at: until when it is kept at least, UTC; longer where a job or a version names it.
    """

    ref: str
    size: int = Field(ge=0)
    files: int = Field(ge=0)
    created_at: AwareDatetime
    keep_s: float = Field(ge=0, le=LONGEST_DAYS * 86_400)
    expires_at: datetime


def new_upload(ref: str, size: int, files: int, keep_days: float) -> Upload:
    """An upload of this moment."""
    now = datetime.now(UTC)
    keep = timedelta(days=keep_days)
    return Upload(ref=ref, size=size, files=files, created_at=now, keep_s=keep.total_seconds(), expires_at=now + keep)


def keep(upload: Upload) -> Call[None]:
    """Note an upload; one that is there already is kept for as long as either says."""
    record = upload.model_dump_json(exclude={"expires_at"})
    return Call((upload.ref, record, round(upload.keep_s * 1000)), lambda _: None, script("keep_upload"))


def use(ref: str) -> Call[Upload | None]:
    """An upload, whose time begins anew; None if there is none."""
    return Call(
        (ref,), lambda answer: _upload(answer[0], answer[1]) if answer is not None else None, script("use_upload")
    )


def listed() -> Steps[list[Upload]]:
    """All uploads that can be read, the newest first; page by page."""
    found = [_upload(entry.record, entry.until_ms) for entry in (yield from _entries()).values()]
    return sorted(filter(None, found), key=lambda upload: upload.created_at, reverse=True)


def count() -> Call[int]:
    """How many uploads there are."""
    return Call(("HLEN", key("uploads")), int)


def lifetimes() -> Steps[dict[str, datetime | None]]:
    """Until when each upload is kept, by its reference; None where that was lost. Also those that cannot be read."""
    entries = yield from _entries()
    return {ref: _moment(entry.until_ms) if entry.until_ms else None for ref, entry in entries.items()}


def forget(ref: str, *, before: datetime | None = None) -> Call[bool]:
    """Forget an upload; gives whether it was there. What it was made of goes when nothing else names it.

    Args:
        before: only if its time was over then.
    """
    before_ms = "" if before is None else round(before.timestamp() * 1000)
    return Call((ref, before_ms), bool, script("forget_upload"))


@dataclass(frozen=True)
class _Entry:
    """An upload as the ledger has it; `until_ms` is empty where that was lost."""

    record: bytes
    until_ms: bytes


def _entries() -> Steps[dict[str, _Entry]]:
    """All uploads, also those that cannot be read, by reference."""
    entries: dict[str, _Entry] = {}
    cursor = ""
    while cursor != "0":
        cursor, page = yield _page(cursor or "0")
        entries |= page
    return entries


def _page(cursor: str) -> Call[tuple[str, dict[str, _Entry]]]:
    def decode(answer: list[Any]) -> tuple[str, dict[str, _Entry]]:
        following, entries = answer
        return following.decode(), {
            ref.decode(errors="replace"): _Entry(record, until_ms) for ref, record, until_ms in entries
        }

    return Call((cursor, _PAGE), decode, script("list_uploads"))


def _upload(record: bytes, until_ms: bytes) -> Upload | None:
    upload = readable(_Record, record)
    if upload is None:
        return None
    expires_at = _moment(until_ms) if until_ms else datetime.now(UTC) + timedelta(seconds=upload.keep_s)
    return upload.model_copy(update={"expires_at": expires_at})


def _moment(until_ms: bytes) -> datetime:
    # Lua writes large numbers with an exponent.
    return datetime.fromtimestamp(min(max(float(until_ms), 0.0), _LAST_MS) / 1000, UTC)


class _Record(Upload):
    """An upload as its record has it."""

    expires_at: datetime = datetime.max.replace(tzinfo=UTC)
