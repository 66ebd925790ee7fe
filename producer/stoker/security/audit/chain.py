"""The chain of a tenant's audit: lines of JSON, each with the SHA-256 of the line before it.

So one that is changed fits its successor no longer, one that is missing or moved shows in the numbers, and whoever
knows the last line's digest knows all before it.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import Untrusted
from ..signing import Signer
from ..trust import RevokedKey, Trust
from . import AuditEntry

NOTHING = "0" * 64
"""What stands before the first line."""
_FILE = re.compile(r"(?P<first>[0-9]{12})-(?P<last>[0-9a-f]{16})\.jsonl")


class Head(BaseModel):
    """The end of a chain.

    Attributes:
        number: how many entries there are.
        digest: the SHA-256 of the last one's line.
    """

    model_config = ConfigDict(frozen=True)

    number: int = 0
    digest: str = NOTHING

    @classmethod
    def read(cls, text: str | None) -> "Head":
        """A head as Redis has it."""
        number, _, digest = (text or "").partition(" ")
        return cls(number=int(number), digest=digest) if number.isdigit() else cls()

    def __str__(self) -> str:
        return f"{self.number} {self.digest}"


class AuditFlaw(BaseModel):
    """Something in a chain that is not as it was sealed.

    Attributes:
        number: of the entry.
        flaw: what is wrong, in a few words.
    """

    model_config = ConfigDict(frozen=True)

    tenant: str
    number: int
    flaw: str


class Line(AuditEntry):
    """An entry in its chain.

    Attributes:
        before: the SHA-256 of the line before it.
        signed: what the controller has signed that has sealed it and all before it: the digest of the line without
            this; "" for all but the last line of a file, and where the controller has no key.
    """

    before: str
    signed: str = ""


@dataclass(frozen=True)
class Batch:
    """Lines that are sealed together, as a file has them."""

    lines: tuple[bytes, ...]
    head: Head

    @property
    def name(self) -> str:
        """The file's name: the first number, and the beginning of the last digest."""
        return f"{self.head.number - len(self.lines) + 1:012d}-{self.head.digest[:16]}.jsonl"


def digest(line: bytes) -> str:
    """The SHA-256 of a line without its end."""
    return hashlib.sha256(line).hexdigest()


def chained(entries: Sequence[AuditEntry], head: Head, signer: Signer | None = None) -> Batch:
    """Entries of one tenant as the next lines of its chain, the last one signed."""
    lines = []
    for entry in entries:
        fields = entry.model_dump(mode="json") | {"number": head.number + 1, "before": head.digest}
        line = _written(fields)
        if signer and entry is entries[-1]:
            line = _written(fields | {"signed": signer.sign("audit", entry.tenant, digest(line))})
        lines.append(line)
        head = Head(number=head.number + 1, digest=digest(line))
    return Batch(tuple(lines), head)


class Unsigned(Untrusted):
    """A line that no controller has signed."""


def check_signature(trust: Trust, tenant: str, raw: bytes) -> str:
    """Check who has signed a line; gives the id of the key.

    Raises:
        Unsigned: nobody has.
        RevokedKey: a key that is trusted no more.
        Untrusted: somebody who is not trusted for it, or another line was signed.
    """
    line = parsed(raw)
    if line is None or not line.signed:
        raise Unsigned("no controller has signed it")
    return trust.check_file("audit", tenant, digest(_without_signature(raw)), line.signed).by


def exported(raw: bytes) -> bytes:
    """A line that was written out and read again, byte by byte as it was sealed; others as they are."""
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    return _written(fields) if isinstance(fields, dict) else raw


def _written(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _without_signature(line: bytes) -> bytes:
    fields = json.loads(line)
    del fields["signed"]
    return _written(fields)


def continues(batch: Sequence[bytes], head: Head) -> bool:
    """Whether lines are the next ones of a chain."""
    first = parsed(batch[0]) if batch else None
    return first is not None and first.number == head.number + 1 and first.before == head.digest


def parsed(line: bytes) -> Line | None:
    """A line; None if it is none of ours."""
    try:
        return Line.model_validate_json(line)
    except ValidationError:
        return None


def first_of(name: str) -> int | None:
    """The number of a file's first entry, by its name; None if the file is none of ours."""
    match = _FILE.fullmatch(name)
    return int(match["first"]) if match else None


@dataclass
class Check:
    """Walks along a chain and notes where it is not as it was sealed.

    Attributes:
        trust: whose signatures are believed; None to look at none.
        head: how far it has come.
        signed: the last entry with a signature that is believed, which vouches for all before it; 0 for none.
        flaws: by the number of the entry; only the first of each.
    """

    tenant: str
    trust: Trust | None = None
    signed: int = 0
    head: Head = field(default_factory=Head)
    flaws: dict[int, AuditFlaw] = field(default_factory=dict)

    def walk(self, name: str, lines: Sequence[bytes]) -> None:
        """Go along the lines of a file."""
        for line in lines:
            self._step(line)
        match = _FILE.fullmatch(name)
        if match and not self.head.digest.startswith(match["last"]):
            self._note(self.head.number, "was changed: it is not what its file was named after")

    def end(self, known: Head | None) -> None:
        """Compare the end with what Redis knows of it, and with what is signed."""
        if self.trust and self.signed < self.head.number:
            many = f"and those up to {self.head.number} are" if self.signed + 1 < self.head.number else "is"
            self._note(self.signed + 1, f"{many} signed by no controller that is trusted")
        if known is None or known.number < self.head.number:
            return
        if known.number > self.head.number:
            self._note_missing(self.head.number + 1, known.number, "at the end")
        elif known.digest != self.head.digest:
            self._note(known.number, "is not what was sealed last: it, or one before it, was written anew")

    def _step(self, raw: bytes) -> None:
        line, expected = parsed(raw), self.head.number + 1
        if line is None or line.number is None:
            self._note(expected, "cannot be read: its line was changed")
            self.head = Head(number=expected, digest=digest(raw))
        elif line.number < expected:
            # It was missing where it belongs.
            self.flaws.pop(line.number, None)
            self._note(line.number, f"stands behind entry {self.head.number}: it was moved, or is there twice")
        else:
            if line.number > expected:
                self._note_missing(expected, line.number - 1, f"before entry {line.number}")
            elif line.before != self.head.digest:
                self._note(self.head.number, "was changed: the entry after it was sealed upon another one")
            self.head = Head(number=line.number, digest=digest(raw))
            if self.trust:
                self._check_signature(self.trust, raw)

    def _check_signature(self, trust: Trust, raw: bytes) -> None:
        try:
            check_signature(trust, self.tenant, raw)
            self.signed = self.head.number
        except (Unsigned, RevokedKey):
            # It vouches for nothing: a later one has to, for all before it.
            return
        except Untrusted as error:
            self._note(self.head.number, f"has a wrong signature: {error.message}")

    def _note_missing(self, first: int, last: int, where: str) -> None:
        many = f" and those up to {last} are" if last > first else " is"
        self._note(first, f"{many.strip()} missing {where}")

    def _note(self, number: int, flaw: str) -> None:
        self.flaws.setdefault(number, AuditFlaw(tenant=self.tenant, number=number, flaw=flaw))


def lines_of(content: bytes) -> list[bytes]:
    """The lines of a file."""
    return content.splitlines()


def lines_to(batch: Batch) -> bytes:
    """A file's content."""
    return b"".join(line + b"\n" for line in batch.lines)


def entries_of(lines: Sequence[bytes]) -> Iterator[AuditEntry]:
    """What can be read of lines."""
    for raw in lines:
        if line := parsed(raw):
            yield AuditEntry(**{name: getattr(line, name) for name in AuditEntry.model_fields})
