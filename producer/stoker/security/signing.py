"""What a key says of something, signed; and how that is checked.

A statement is text and whole numbers, and lists of them, written as RFC 8785 has it: names in order, no spaces, no
escapes but those that JSON asks for. It says the digest of what it is about:

- of a spec, that of its text in the record, byte by byte: what is checked is what is read, and no two parsers can
  disagree;
- of a document that says so itself, in its field `signed` (a result, a model version, a schedule), that of all its
  other fields, in order: so it stays what it is where somebody else has written it into another document;
- of a file, that of its bytes;
- of a job's children, that of their ids and of the digests of their specs, in order: none may be left out.
"""

import base64
import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import Untrusted
from .keys import key_id, public_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

What = Literal["job", "result", "failure", "model", "checkpoint", "children", "schedule", "audit"]
SIGNED = "signed"
"""The field of a document that holds what a key says of it."""
# So that a signature of something else is none of ours.
_OURS = b"stoker 1\n"
# The last time that a `datetime` has.
_LATEST_S = 253_402_300_799
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Statement(BaseModel):
    """What a key says of something.

    Attributes:
        what: of what.
        by: the id of the key.
        at: when, in seconds since 1970.
        about: its id: of a result, a failure, a checkpoint or children that of the job; the exact reference of a
            model's version; the name of a schedule; the tenant of an audit; "" for jobs.
        digest: SHA-256, see above; "" for jobs.
        jobs: of jobs, the id of the first of those that share a spec, the digest of that, and how many share it: see
            `nth`.
        under: the key of the client who wanted what a worker or a controller submits; "" for the signer's own.
        spec: of what a job has made, the digest of the spec that was run; "" where an older worker has signed it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    what: What
    by: str
    at: int = Field(ge=0, le=_LATEST_S)
    about: str = ""
    digest: str = ""
    jobs: tuple[tuple[str, str, Annotated[int, Field(ge=1)]], ...] = ()
    under: str = ""
    spec: str = ""

    @property
    def authority(self) -> str:
        """The key of the client who wanted it."""
        return self.under or self.by

    def digest_of(self, job_id: str) -> str | None:
        """The digest of the spec that is signed under a job's id; None if none is."""
        for first, digest, count in self.jobs:
            if job_id == first or (count > 1 and place_of(job_id, first) < count):
                return digest
        return None


def canonical(said: Mapping[str, object]) -> str:
    """Text, whole numbers and lists of them as RFC 8785 writes them: what is signed."""
    return _CANONICAL.encode(said)


class Signer:
    """Signs with a private key."""

    def __init__(self, private: "Ed25519PrivateKey") -> None:
        self._private = private
        self.id = key_id(public_bytes(private))

    def sign(self, what: What, about: str, digest: str, *, under: str = "", spec: str = "") -> str:
        """A signed statement: its signature in base64, a space, its text."""
        said = {"what": what, "about": about, "digest": digest, "under": under, "spec": spec, "by": self.id}
        present: dict[str, object] = {name: value for name, value in said.items() if value}
        return self._signed(canonical(present | {"at": int(time.time())}))

    def sign_jobs(self, jobs: Sequence[tuple[str, str, int]], *, under: str = "") -> str:
        """A signed statement about jobs: see `Statement.jobs`."""
        # What `canonical` gives, in a third of the time: who submits one job after another waits for each of these.
        listed = ",".join([f"[{_quoted(first)},{_quoted(digest)},{count}]" for first, digest, count in jobs])
        under_key = f',"under":{_quoted(under)}' if under else ""
        return self._signed(f'{{"at":{int(time.time())},"by":"{self.id}","jobs":[{listed}]{under_key},"what":"job"}}')

    def _signed(self, text: str) -> str:
        signature = self._private.sign(_OURS + text.encode())
        return f"{base64.b64encode(signature).decode()} {text}"

    def sign_document(self, what: What, about: str, document: str, *, spec: str = "") -> str:
        """A JSON object with a signed statement about it as its last field."""
        signed = self.sign(what, about, digest_of_document(document), spec=spec)
        comma = "," if document.rstrip()[-2:] != "{}" else ""
        return f"{document.rstrip()[:-1]}{comma}{json.dumps(SIGNED)}:{json.dumps(signed, ensure_ascii=False)}}}"

    def has_signed(self, document: str | bytes) -> bool:
        """Whether a document says that this key has signed it; nothing is checked."""
        try:
            return said_of(document).by == self.id
        except Untrusted:
            return False


def said_of(document: str | bytes) -> Statement:
    """What a document says of itself; nothing is checked.

    Raises:
        Untrusted: it cannot be read, or says nothing.
    """
    signed = fields_of(document).get(SIGNED)
    if not isinstance(signed, str):
        raise Untrusted("it is not signed")
    return read_statement(signed)[0]


def read_statement(signed: str) -> tuple[Statement, bytes, bytes]:
    """A statement, its signature, and what was signed; nothing is checked.

    Raises:
        Untrusted: it is none.
    """
    signature, _, text = signed.partition(" ")
    try:
        said, raw = Statement.model_validate_json(text), base64.b64decode(signature, validate=True)
    except (ValidationError, ValueError):
        raise Untrusted("its signature cannot be read") from None
    if base64.b64encode(raw).decode() != signature:
        raise Untrusted("its signature is not written as it was")
    return said, raw, _OURS + text.encode()


def digest_of_text(text: str) -> str:
    """The digest of a spec's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_document(document: str | bytes) -> str:
    """The digest of a JSON object without what is said of it; raises what `fields_of` does."""
    fields = fields_of(document)
    fields.pop(SIGNED, None)
    return digest_of_fields(fields)


def digest_of_fields(fields: dict[str, Any]) -> str:
    """The digest of a document's fields."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def digest_of_children(children: Iterable[tuple[str, str]]) -> str:
    """The digest of children's ids and the digests of their specs."""
    return digest_of_text("\n".join(map(" ".join, children)))


def fields_of(document: str | bytes) -> dict[str, Any]:
    """The fields of a JSON object.

    Raises:
        Untrusted: it is none, or a name is in it twice: others might read the other one.
    """
    try:
        fields = json.loads(document, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Untrusted("it cannot be read") from None
    if not isinstance(fields, dict):
        raise Untrusted("it cannot be read")
    return fields


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name is there twice")
    return fields


def nth(first: str, number: int) -> str:
    """The id of a job of those that share a spec: its first eight digits count on from those of the first one."""
    return f"{(int(first[:8], 16) + number) % 2**32:08x}{first[8:]}"


def place_of(job_id: str, first: str) -> int:
    """Which of the jobs that share a spec has an id; a number beyond all of them if none has."""
    try:
        place = (int(job_id[:8], 16) - int(first[:8], 16)) % 2**32
    except ValueError:
        return 2**32
    return place if nth(first, place) == job_id else 2**32
