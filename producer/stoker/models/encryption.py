"""Encryption in the age format: who may read what a store keeps, and how bytes are encrypted as they pass."""

import hashlib
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from ..errors import InvalidSettings, StokerError

MOST_RECIPIENTS = 4
"""So that their ids, an artifact's name and a digest are the name of one file."""
_IDENTITY = "AGE-SECRET-KEY-1"
_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_INSTALL = "pip install 'stoker[secure]'"


class Readable(Protocol):
    """What is written: a file, or what reads like one."""

    def read(self, size: int = ..., /) -> bytes: ...


class Writable(Protocol):
    """What takes bytes: a file, or what is written to like one."""

    def write(self, data: bytes, /) -> object: ...


class Locked(StokerError):
    """The stored bytes are encrypted for other keys than those that are here."""


class NotDecrypted(Exception):
    """Bytes are not what was encrypted for these keys."""


def checked_recipient(text: str) -> str:
    """Check a value of `encryption_recipients`.

    Raises:
        ValueError: it is none.
    """
    if not _RECIPIENT.fullmatch(text):
        raise ValueError("expected age1… with 62 characters in all, the public key that `stoker files new-key` prints")
    return text


def checked_key(text: str) -> str:
    """Check a value of `encryption_key`: the absolute path of a file of identities, or identities as they are."""
    return text.strip() if _IDENTITY in text else str(Path(text).expanduser().absolute())


def key_id(recipient: str) -> str:
    """How a public key is called in names of files and in messages: 8 hex digits."""
    return hashlib.sha256(recipient.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Keys:
    """Keys that are ready for use.

    Attributes:
        recipients: what is written is encrypted for these; none for a store that is written plain.
        ids: theirs.
        identities: with these it is decrypted.
        own_ids: theirs.
    """

    recipients: tuple[Any, ...] = field(default=(), repr=False)
    ids: frozenset[str] = frozenset()
    identities: tuple[Any, ...] = field(default=(), repr=False)
    own_ids: frozenset[str] = frozenset()

    def encrypt(self, source: Readable, sink: Writable) -> None:
        """Encrypt what a source has left, in pieces of 64 KiB; errors of source and sink are raised as they are."""
        import pyrage  # of the extra `secure`

        stream = _Stream(source, sink)
        try:
            pyrage.encrypt_io(stream, stream, list(self.recipients))
        finally:
            stream.raise_own()

    def decrypt(self, source: Readable, sink: Writable) -> None:
        """Decrypt what a source has; the sink may have got some of it when an error is raised.

        Raises:
            NotDecrypted: it is not as it was encrypted, or was encrypted for others.
        """
        import pyrage

        stream = _Stream(source, sink)
        try:
            pyrage.decrypt_io(stream, stream, list(self.identities))
        except (pyrage.DecryptError, OSError) as error:
            stream.raise_own()
            raise NotDecrypted(str(error)) from None
        finally:
            stream.raise_own()


class _Stream:
    """Source and sink as pyrage takes them. It turns their errors into its own, or drops them: so they are kept."""

    def __init__(self, source: Readable, sink: Writable) -> None:
        self._source, self._sink = source, sink
        self._error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._source.read(size)
        except BaseException as error:
            self._error = error
            raise

    def write(self, data: bytes) -> int:
        try:
            self._sink.write(data)
        except BaseException as error:
            self._error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing: whoever has opened the sink flushes it."""

    def raise_own(self) -> None:
        """Raise the error of source or sink, if there was one."""
        if self._error is not None:
            raise self._error


@dataclass(frozen=True)
class Encryption:
    """How a deployment encrypts: its settings `encryption_key` and `encryption_recipients`.

    Attributes:
        key: the path of a file of age identities, or identities as they are; None to decrypt nothing.
        recipients: the public keys that what is written is encrypted for; none for those of `key`.
    """

    key: str | None = field(default=None, repr=False)
    recipients: tuple[str, ...] = ()

    def keys(self) -> Keys:
        """The keys; none if there are no settings.

        Raises:
            InvalidSettings: pyrage is not installed, or a key cannot be read, is malformed, or open to others.
        """
        if self.key is None and not self.recipients:
            return Keys()
        if self.key is None:
            return _keys("encryption_recipients", None, self.recipients)
        if _IDENTITY in self.key:
            return _keys("STOKER_ENCRYPTION_KEY", self.key, self.recipients)
        return _keys(self.key, _content(Path(self.key)), self.recipients)


@dataclass(frozen=True)
class StorePlace:
    """Where a store is, and how its files are encrypted."""

    url: str
    encryption: Encryption = Encryption()


@lru_cache(maxsize=8)
def _keys(where: str, text: str | None, recipients: Sequence[str]) -> Keys:
    """Keys of a text of identities; None for public keys alone."""
    try:
        from pyrage import IdentityError, RecipientError, x25519
    except ImportError:
        raise InvalidSettings(f"STOKER_ENCRYPTION_KEY needs a package that is not installed: {_INSTALL}") from None
    lines = [line for line in map(str.strip, (text or "").splitlines()) if line and not line.startswith("#")]
    if text is not None and not (lines and all(line.startswith(_IDENTITY) for line in lines)):
        raise InvalidSettings(
            f"{where} is no file of age identities: expected lines {_IDENTITY}…, as `stoker files new-key` writes them"
        )
    try:
        identities = tuple(map(x25519.Identity.from_str, lines))
        own = [str(identity.to_public()) for identity in identities]
        public = tuple(map(x25519.Recipient.from_str, recipients or own))
    except (IdentityError, RecipientError):
        raise InvalidSettings(
            f"a key of {where} or of encryption_recipients is damaged: copy it again, whole"
        ) from None
    ids, own_ids = frozenset(map(key_id, recipients or own)), frozenset(map(key_id, own))
    if len(ids) > MOST_RECIPIENTS:
        raise InvalidSettings(
            f"artifacts cannot be encrypted for {len(ids)} keys, at most {MOST_RECIPIENTS}: name those to be used in "
            "encryption_recipients, or remove old identities once `stoker files reencrypt` is through"
        )
    if identities and not ids & own_ids:
        raise InvalidSettings(
            f"what is written would be encrypted for the keys {', '.join(sorted(ids))}, and {where} has only "
            f"{', '.join(sorted(own_ids))}, so that it could not be read again: add {own[0]} to encryption_recipients"
        )
    return Keys(public, ids, identities, own_ids)


def _content(path: Path) -> str:
    """The content of a file that only its owner may read."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise InvalidSettings(f"{path} is open to others (its mode is {mode:04o}): chmod 600 {path}")
            return file.read(1 << 20).decode(errors="replace")
    except OSError as error:
        raise InvalidSettings(
            f"{path} cannot be read: {error.strerror}; STOKER_ENCRYPTION_KEY is the path of a file of age identities, "
            "which `stoker files new-key` writes"
        ) from None


def new_key(path: Path) -> str:
    """Write a new identity to a file that does not exist yet, for its owner alone; gives its public key.

    Raises:
        InvalidSettings: pyrage is not installed.
        OSError: the file exists, or cannot be written.
    """
    try:
        from pyrage import x25519
    except ImportError:
        raise InvalidSettings(f"age keys need a package that is not installed: {_INSTALL}") from None
    identity = x25519.Identity.generate()
    public = str(identity.to_public())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(f"# public key: {public}\n# id: {key_id(public)}\n{identity}\n")
    return public
