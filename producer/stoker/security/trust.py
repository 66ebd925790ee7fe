"""Whose signatures are believed, of what."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidSettings, Untrusted
from ..kinds import Spec
from ..ledger.children import is_child
from .keys import Role, TrustedKey, changes_of, read_public, read_trusted
from .roles import check_role, check_scope
from .signing import SIGNED, Statement, What, digest_of_fields, digest_of_text, fields_of, read_statement

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_log = logging.getLogger(__name__)
# What to do about what is not signed.
_HOW: Mapping[What, str] = {
    "job": "submit it with STOKER_SIGNING_KEY set to a key that is trusted here",
    "children": "the worker that asked for them needs a STOKER_SIGNING_KEY of the role worker; submit the job again",
    "schedule": "add it again with STOKER_SIGNING_KEY set to a key that is trusted here",
    "result": "its worker needs a STOKER_SIGNING_KEY of the role worker",
    "failure": "its worker needs a STOKER_SIGNING_KEY of the role worker",
    "model": "its worker needs a STOKER_SIGNING_KEY of the role worker; train or import it again",
    "checkpoint": "its worker needs a STOKER_SIGNING_KEY of the role worker",
    "audit": "its controller needs a STOKER_SIGNING_KEY of the role controller",
}

_CHANGED: Mapping[What, str] = {
    "children": "the results are more, fewer or others than were asked for, or in another order",
}

# Which roles sign what.
_MAY_SIGN: Mapping[What, tuple[Role, ...]] = {
    "job": ("client", "worker", "controller"),
    "schedule": ("client",),
    "result": ("worker",),
    "failure": ("worker",),
    "model": ("worker",),
    "checkpoint": ("worker",),
    "children": ("worker",),
    "audit": ("controller",),
}
_MADE: tuple[What, ...] = ("result", "failure", "model", "checkpoint", "children", "audit")


class RevokedKey(Untrusted):
    """It is signed by a key that was trusted once."""


@dataclass(frozen=True)
class Admission:
    """A job whose signature is believed; what its keys may have is yet to be held against its spec.

    Attributes:
        statement: what was signed.
        keys: of all who answer for it, the signer first.
        is_child: whether a worker has signed it as a child of another job.
        losses: how many workers were lost to it.
    """

    statement: Statement
    keys: tuple[TrustedKey, ...]
    is_child: bool = False
    losses: int = 0

    def check(self, spec: Spec, device: str) -> None:
        """Check that the keys may have the job run.

        Raises:
            Untrusted: one of them may not, or it has lost more workers than it may.
        """
        if self.losses >= spec.max_attempts:
            raise Untrusted(f"it has lost {self.losses} workers, and {spec.max_attempts} attempts are signed")
        check_role(self.keys[0], spec, device)
        for authority in self.keys[1:]:
            check_role(authority, spec, device, whatever_kind=self.is_child)

    def check_made(self, ref: str) -> None:
        """Check that the keys may have a model which the spec names by the job that has made or chosen it.

        Raises:
            Untrusted: one of them may not.
        """
        for key in self.keys:
            check_scope(key, "models", ref.partition("@")[0])


class Trust:
    """The keys that a process believes; those of files that change are read anew.

    Raises:
        InvalidSettings: they cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes = changes_of(path)
        self._keys = read_trusted(path)

    @property
    def keys(self) -> Mapping[str, TrustedKey]:
        """The keys by id. While the files cannot be read, it is those that were read last."""
        try:
            if (changes := changes_of(self._path)) != self._changes:
                self._keys, self._changes = read_trusted(self._path), changes
        except InvalidSettings as error:
            _log.error("the keys that were read before still hold: %s", error.message)
        return self._keys

    def admit(self, job_id: str, spec: str, signed: str, losses: int = 0) -> Admission:
        """Check who has signed a job, before anything reads its spec.

        Args:
            spec: its text.
            signed: the statement in its record; "" for none.
            losses: how many workers were lost to it.

        Raises:
            Untrusted: it is not signed, by no key that is trusted for that, or something else was.
        """
        said, key = self._believed("job", signed)
        if not said.jobs:
            raise Untrusted(f"it is signed as a former version did, which is believed no more: {_HOW['job']}")
        digest = said.digest_of(job_id)
        if digest is None:
            first = said.jobs[0][0]
            raise Untrusted(f"what is signed is job {first}, and its statement was put to another job")
        if digest != digest_of_text(spec):
            raise Untrusted("its spec was altered after it was signed")
        keys = (key, *self._authority(job_id, said, key))
        return Admission(said, keys, key.signs("worker") and is_child(job_id), losses)

    def _authority(self, job_id: str, said: Statement, key: TrustedKey) -> tuple[TrustedKey, ...]:
        """The client's key, where it is not the signer's."""
        if is_child(job_id) and not key.signs("worker"):
            raise Untrusted(f"key {key.id} ({key.name}) is a {key.role}'s, and it is a child, which workers sign")
        if key.signs("client") and not said.under:
            return ()
        if key.role == "worker" and not is_child(job_id):
            raise Untrusted(f"key {key.id} ({key.name}) is a worker's, which signs children of its jobs alone")
        client = self._key(said.under)
        if not client.signs("client"):
            raise Untrusted(f"key {client.id} ({client.name}) is no client's, and this was submitted for it")
        self._check_time(client, time.time())
        return (client,)

    def check_document(self, what: What, about: str, document: str | bytes) -> Statement:
        """Check a document that says itself who has signed it.

        Raises:
            Untrusted: it was signed by no key that is trusted for that, or is not what was signed; the sentence begins
                with what it is.
        """
        try:
            fields = fields_of(document)
        except Untrusted as error:
            raise _refusal(what, about, error) from None
        return self.check_fields(what, about, fields)

    def check_fields(self, what: What, about: str, fields: dict[str, Any]) -> Statement:
        """The same, of its fields."""
        own = {name: value for name, value in fields.items() if name != SIGNED}
        return self._check(what, about, digest_of_fields(own), str(fields.get(SIGNED) or ""))

    def check_file(self, what: What, about: str, digest: str, signed: str) -> Statement:
        """The same, of a file or of children by their digest."""
        return self._check(what, about, digest, signed)

    def _check(self, what: What, about: str, digest: str, signed: str) -> Statement:
        try:
            said, _ = self._believed(what, signed)
            if said.about != about:
                raise Untrusted(f"what is signed is {what} {said.about}")
            if said.digest != digest:
                raise Untrusted(_CHANGED.get(what, "it was altered after it was signed"))
        except Untrusted as error:
            raise _refusal(what, about, error) from None
        return said

    def _believed(self, what: What, signed: str) -> tuple[Statement, TrustedKey]:
        """A statement whose signature is right, and its key, which is trusted for such."""
        if not signed:
            raise Untrusted(f"it is not signed: {_HOW[what]}")
        said, signature, text = read_statement(signed)
        key = self._key(said.by)
        if not _is_right(key, signature, text):
            raise Untrusted(f"its signature by key {key.id} ({key.name}) is wrong: it was altered, or forged")
        if said.what != what:
            raise Untrusted(f"what is signed is a {said.what}")
        if not any(map(key.signs, _MAY_SIGN[what])):
            raise Untrusted(f"key {key.id} ({key.name}) has the role {key.role}, which signs no {what}s")
        # What is made lasts longer than the key it was signed with; who may still ask for work is another question.
        self._check_time(key, said.at if what in _MADE else time.time())
        return said, key

    def _key(self, key_id: str) -> TrustedKey:
        key = self.keys.get(key_id)
        if key is None:
            raise Untrusted(
                f"key {key_id[:64] or 'of nobody'} is not trusted here: `stoker keys list` shows those that are"
            )
        if key.revoked:
            raise RevokedKey(f"key {key.id} ({key.name}) was revoked at {key.revoked:%Y-%m-%d %H:%M} UTC")
        return key

    @staticmethod
    def _check_time(key: TrustedKey, at: float) -> None:
        if key.has_expired(datetime.fromtimestamp(at, UTC)):
            raise Untrusted(f"key {key.id} ({key.name}) expired at {key.expires:%Y-%m-%d %H:%M} UTC")


def _is_right(key: TrustedKey, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        _verify(key.public, signature, text)
    except InvalidSignature:
        return False
    return True


# Jobs of a list share statements. Only what is right is remembered, so nobody else fills it.
@lru_cache(maxsize=256)
def _verify(public: str, signature: bytes, text: bytes) -> None:
    """Check a signature, which takes 150 µs; raises InvalidSignature."""
    _public_key(public).verify(signature, text)


@lru_cache(maxsize=256)
def _public_key(public: str) -> "Ed25519PublicKey":
    return read_public(public)


def check_spec(said: Statement, spec: str) -> None:
    """Check that what a job has made is of the spec with a digest; "" for any.

    Raises:
        Untrusted: it is of another one.
    """
    if spec and said.spec != spec:
        why = "it is of a job with another spec than was asked for"
        former = "its worker has signed it as a former version did, which does not say of which spec it is"
        raise _refusal(said.what, said.about, Untrusted(why if said.spec else former))


def _refusal(what: str, about: str, error: Untrusted) -> Untrusted:
    subject = f"what job {about} has asked for" if what == "children" else f"{what} {about}"
    return type(error)(f"{subject} is refused: {error.message}")
