"""The records of jobs in memory, as the ledger's scripts would write them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ..events import JobState
from ..ledger.registry import JOB_MODEL
from .outcomes import Planned

Fields = dict[bytes, bytes]
# An id and an event as JSON.
Entry = tuple[tuple[int, int], bytes]
_FINAL = {state.encode() for state in JobState if state.final}


def now_ms() -> int:
    """The ledger's clock."""
    return time.time_ns() // 1_000_000


def as_bytes(value: Any) -> bytes:
    """A word as Redis keeps it."""
    return value if isinstance(value, bytes) else str(value).encode()


@dataclass
class Record:
    """A job.

    Attributes:
        fields: those of its hash.
        events: its stream: ids and events as JSON.
        after: ids of the jobs that must succeed first.
        planned: what comes of it, once it has started.
    """

    fields: Fields
    events: list[Entry] = field(default_factory=list)
    after: tuple[str, ...] = ()
    planned: Planned | None = None

    def text(self, name: str) -> str:
        """A field; "" if there is none."""
        return self.fields.get(name.encode(), b"").decode()

    def set(self, **values: object) -> None:
        """Set fields."""
        self.fields |= {name.encode(): as_bytes(value) for name, value in values.items()}

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.fields[b"state"] in _FINAL

    @property
    def is_paused(self) -> bool:
        """Whether it is paused."""
        return b"paused" in self.fields


class Ids:
    """Ids of stream entries: each is greater than the one before."""

    def __init__(self) -> None:
        self._count = count(1)

    def next(self) -> tuple[int, int]:
        """The next id."""
        return now_ms(), next(self._count)


class Uploads:
    """What has been uploaded: until when each is kept goes anew with each use."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, int, int]] = {}

    def keep(self, ref: str, record: str, keep_ms: int) -> None:
        """Note one; of two records the one that is kept longer stays."""
        if ref in self._kept and self._kept[ref][1] > keep_ms:
            record, keep_ms, _ = self._kept[ref]
        self._kept[ref] = (record, keep_ms, now_ms() + keep_ms)

    def use(self, ref: str) -> list[bytes] | None:
        """Its record and until when it is kept, ms; None if there is none."""
        if ref not in self._kept:
            return None
        record, keep_ms, _ = self._kept[ref]
        self.keep(ref, record, keep_ms)
        return [record.encode(), as_bytes(now_ms() + keep_ms)]

    def listed(self, *_: object) -> list[Any]:
        """The last page, with all: each with its record and until when it is kept, ms."""
        return [b"0", [[ref.encode(), record.encode(), as_bytes(end)] for ref, (record, _, end) in self._kept.items()]]

    def forget(self, ref: str, _: object) -> int:
        """Forget one; gives whether it was there."""
        return int(self._kept.pop(ref, None) is not None)


def id_text(entry: tuple[int, int]) -> bytes:
    """An entry's id as Redis writes it."""
    return "{}-{}".format(*entry).encode()


def id_of(text: str) -> tuple[int, int]:
    """An entry's id."""
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number or 0)


def newer_entries(words: Sequence[Any], stream: Callable[[str], list[Entry]]) -> list[Any] | None:
    """What XREAD replies: of each stream the entries behind a position; None where there are none.

    Args:
        words: the command's, without its name.
        stream: the entries of a stream, by its name.
    """
    at, most = words.index("STREAMS") + 1, int(words[words.index("COUNT") + 1])
    middle = (at + len(words)) // 2
    answer = []
    for name, position in zip(words[at:middle], words[middle:], strict=True):
        entries = [each for each in stream(name) if each[0] > id_of(position)][:most]
        if entries:
            answer.append([name.encode(), [(id_text(entry), {b"event": raw}) for entry, raw in entries]])
    return answer or None


def is_identical(record: Record, shape: Mapping[str, Any]) -> bool:
    """Whether a job has succeeded that is identical to those of a shape."""
    sought = shape.get("identity")
    return bool(sought) and record.text("identity") == sought and record.text("state") == JobState.SUCCEEDED


def is_wanted(record: Record, search: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    """Whether a list of jobs is to have this one: see query.lua.

    Args:
        tags: the job's.
    """
    submitted_at = int(record.text("submitted_at"))
    reads = record.text("model").split()
    refs = record.text("makes").split() or reads
    if search.get("reads"):
        refs = refs + reads
    model = search.get("model")
    # Of what another job makes, the caller looks up which model that is.
    wanted = (f"{model}@", JOB_MODEL) if search.get("reads") else (f"{model}@",)
    is_of_model = any(ref == model or ref.startswith(wanted) for ref in refs)
    return (
        (not search["kinds"] or record.text("kind") in search["kinds"])
        and record.text("state") in search["states"]
        and (model is None or is_of_model)
        and all(tags.get(name) == value for name, value in dict(search["tags"] or {}).items())
        and (record.text("parent") or None) == search.get("parent")
        and int(record.text("sequence")) < int(search.get("before", 2**63))
        and (not search.get("paused") or b"paused" in record.fields)
        and search.get("since_ms", 0) <= submitted_at < search.get("until_ms", 2**63)
    )


def flat(pairs: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Pairs as Redis answers them."""
    return [word for pair in pairs for word in pair]
