"""How an artifact lies in a store: as a plain file, or encrypted for keys whose ids its name has."""

import hashlib
import io
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO

from ...errors import StokerError
from ...outages import Dependency, needing
from ...urls import masked
from ..encryption import Locked, NotDecrypted, Readable, StorePlace, Writable
from ..manifest import Artifact
from .files import Files

_CHUNK = 1 << 20
_RENEWED_AFTER = timedelta(hours=12)
_FILE = re.compile(
    r"/sha256/[0-9a-f]{2}/(?P<digest>[0-9a-f]{64})/(?P<name>[^/~]+?)"
    r"(~(?P<keys>[0-9a-f]{8}(-[0-9a-f]{8})*)~(?P<stored>[0-9a-f]{64})\.age|(?P<partial>\.[0-9a-f]{32}\.part))?$"
)


class Corrupt(StokerError):
    """The stored bytes do not match the artifact's digest or size."""


class Missing(StokerError):
    """The store does not have the artifact."""


@dataclass(frozen=True)
class Stored:
    """A file of the store.

    Attributes:
        path: as the file system has it.
        digest: SHA-256 of what is inside: its artifact's.
        name: its artifact's.
        size: of the file in bytes; an encrypted one is a little longer than its artifact.
        is_partial: whether its write has not finished, or never will.
        keys: the ids of the keys that it is encrypted for; none for a plain one.
        stored_digest: SHA-256 of the file itself.
    """

    path: str
    digest: str
    name: str
    size: int
    is_partial: bool
    keys: frozenset[str]
    stored_digest: str


def stored_files(sizes: dict[str, int]) -> Iterator[Stored]:
    """The files of artifacts among all files of a folder."""
    for path, size in sizes.items():
        if match := _FILE.search(path):
            keys = frozenset((match["keys"] or "").split("-")) - {""}
            stored = match["stored"] or match["digest"]
            yield Stored(path, match["digest"], match["name"], size, bool(match["partial"]), keys, stored)


class Hashing:
    """A sink that hashes what passes through it.

    Args:
        sink: where it goes; None for nowhere.
    """

    def __init__(self, sink: Writable | None = None) -> None:
        self._sink, self._digest = sink, hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        if self._sink:
            self._sink.write(data)

    @property
    def digest(self) -> str:
        """The SHA-256 of all of it, in hex."""
        return self._digest.hexdigest()


class OnDisk:
    """A sink on this machine, whose errors are no outage of the store.

    Args:
        what: its name in reasons.
    """

    def __init__(self, sink: Writable, what: str) -> None:
        self._sink, self._what = sink, what

    def write(self, data: bytes) -> None:
        with needing(Dependency.DISK, self._what):
            self._sink.write(data)


class Copies:
    """The files of artifacts: `<url>/sha256/<2 hex>/<digest>/<name>`, encrypted `…/<name>~<key ids>~<SHA-256>.age`.

    The digest in the path is that of the artifact, so that it is found by its content, however it is stored; the one in
    the name is that of the file, by which whoever has no key can check it.

    Attributes:
        place: where it is, and how its files are encrypted.
        url: where it is.
    """

    def __init__(self, place: str | StorePlace, folder: str = "") -> None:
        self.place = StorePlace(place) if isinstance(place, str) else place
        self.url = self.place.url
        self._keys = self.place.encryption.keys()
        self._files = Files(self.url)
        self._root = f"{self._files.root}/{folder}" if folder else self._files.root

    def location(self, artifact: Artifact) -> str:
        """The path of the artifact's file, or its URL if the store is not a local folder."""
        with self._reachable():
            encrypted = self._encrypted(artifact) if self._keys.ids else []
        return self._files.location(encrypted[0].path if encrypted else self._path(artifact))

    def _path(self, artifact: Artifact) -> str:
        """Where it is if it is plain."""
        return f"{self._root}/sha256/{artifact.digest[:2]}/{artifact.digest}/{artifact.name}"

    def _encrypted(self, artifact: Artifact) -> list[Stored]:
        """Its encrypted files: several that were written at the same moment, or for other keys."""
        return [file for file in self._encrypted_beside(artifact) if file.name == artifact.name]

    def _encrypted_beside(self, artifact: Artifact) -> list[Stored]:
        """The encrypted files of the same digest, whatever their names."""
        folder = self._path(artifact).rpartition("/")[0]
        return [file for file in stored_files(self._files.sizes(folder)) if file.keys]

    def _as_written(self, artifact: Artifact) -> list[Stored]:
        """Its files as this store writes them, by their sizes: plain, or encrypted for all its keys and no other."""
        if self._keys.ids:
            files = self._encrypted(artifact)
            return [file for file in files if file.keys == self._keys.ids and file.size > artifact.size]
        plain = self._plain_file(artifact)
        return [plain] if self._files.size_now(plain.path) == artifact.size else []

    def _write(self, artifact: Artifact, source: Readable) -> None:
        if not self._has(artifact):
            self._put(artifact, source)

    def _put(self, artifact: Artifact, source: Readable) -> None:
        path = self._path(artifact)
        if not self._keys.ids:
            self._files.write(path, source)
            return
        before = [file for file in self._encrypted(artifact) if file.keys == self._keys.ids]

        def encrypt(sink: IO[bytes]) -> str:
            hashing = Hashing(sink)
            self._keys.encrypt(source, hashing)
            return f"{path}~{'-'.join(sorted(self._keys.ids))}~{hashing.digest}.age"

        self._files.write_named(path, encrypt)
        # Each is random, and so has another name.
        for file in before:
            self._files.remove(file.path)

    def _has(self, artifact: Artifact) -> bool:
        """Whether the file exists as it would be written, has the right content, and is recent."""
        with suppress(FileNotFoundError):
            return any(self._files.sha256(file.path) == file.stored_digest for file in self._recent(artifact))
        return False

    def _recent(self, artifact: Artifact) -> list[Stored]:
        """Its files as this store writes them, by their sizes, that are recent."""
        with suppress(FileNotFoundError):
            # The time comes first: what answers in place of a bucket has none, and then says so.
            if self._keys.ids or self._is_recent(self._plain_file(artifact)):
                return list(filter(self._is_recent, self._as_written(artifact)))
        return []

    def _is_recent(self, file: Stored) -> bool:
        """Whether a file need not be written again.

        An older one is, because only old files can be leftovers, and this one is about to be used.
        """
        written_at = self._files.written_at(file.path)
        return written_at is not None and datetime.now(UTC) - written_at <= _RENEWED_AFTER

    def _plain_file(self, artifact: Artifact) -> Stored:
        """The file that it has where it is plain, whether it is there or not."""
        path, digest = self._path(artifact), artifact.digest
        return Stored(path, digest, artifact.name, artifact.size, False, frozenset(), digest)  # noqa: FBT003

    def _encrypted_for_us(self, artifact: Artifact) -> Stored | None:
        """An encrypted file that these keys can decrypt."""
        if not self._keys.own_ids:
            return None
        return next((file for file in self._encrypted(artifact) if file.keys & self._keys.own_ids), None)

    def _readable(self, artifact: Artifact) -> Stored:
        """The file to be read."""
        return self._encrypted_for_us(artifact) or self._plain_file(artifact)

    def _pour(self, artifact: Artifact, sink: Writable) -> None:
        """Write the artifact's bytes, unverified, into a sink."""
        with self._reading(artifact):
            self._pour_found(artifact, sink)

    def _content(self, artifact: Artifact) -> bytes:
        """The artifact's bytes, unverified."""
        with self._reading(artifact):
            return self._found(artifact)

    def _found(self, artifact: Artifact) -> bytes:
        """The same; FileNotFoundError where there is none that can be read."""
        if not self._keys.own_ids:
            return self._files.read(self._path(artifact))
        content = io.BytesIO()
        self._pour_found(artifact, content)
        return content.getvalue()

    def _pour_found(self, artifact: Artifact, sink: Writable) -> None:
        with self._source(artifact) as (source, file):
            self._decrypt(source, file, sink)

    def _decrypt(self, source: IO[bytes], file: Stored, sink: Writable) -> None:
        """Write what is inside a file, unverified, into a sink."""
        if not file.keys:
            shutil.copyfileobj(source, sink, _CHUNK)
            return
        try:
            self._keys.decrypt(source, sink)
        except NotDecrypted:
            raise self._undecrypted(file) from None

    @contextmanager
    def _source(self, artifact: Artifact) -> Iterator[tuple[IO[bytes], Stored]]:
        """The file to be read, opened."""
        file = self._readable(artifact)
        try:
            source = self._files.open(file.path)
        except FileNotFoundError:
            # It has been encrypted again since it was looked for.
            file = self._readable(artifact)
            source = self._files.open(file.path)
        with source:
            yield source, file

    def _undecrypted(self, file: Stored) -> Corrupt:
        where, stored = self._files.location(file.path), self._files.sha256(file.path)
        if stored != file.stored_digest:
            return Corrupt(
                f"{where} is corrupt: the SHA-256 of what is stored is {stored[:12]}…, not {file.stored_digest[:12]}…; "
                "restore the file from a backup or make it again"
            )
        return Corrupt(
            f"{where} is corrupt: it is as it was stored, but no key that its name has can decrypt it; "
            "restore the file from a backup or make it again"
        )

    def _verify(self, artifact: Artifact, digest: str) -> None:
        if digest != artifact.digest:
            raise Corrupt(
                f"{self.location(artifact)} is corrupt: its SHA-256 is {digest[:12]}…, not {artifact.digest[:12]}…; "
                "restore the file from a backup or make it again"
            )

    @contextmanager
    def _reading(self, artifact: Artifact) -> Iterator[None]:
        with self._reachable():
            try:
                yield
            except FileNotFoundError as error:
                # A store that is away, such as a folder that is not mounted, has no root either.
                if not self._files.root_exists():
                    raise
                if encrypted := self._encrypted_beside(artifact):
                    raise self._locked(encrypted[0]) from None
                where = self._files.location(self._path(artifact))
                raise Missing(f"{where} is gone from the artifact store; restore it from a backup") from error

    def _locked(self, file: Stored) -> Locked:
        own = ", ".join(sorted(self._keys.own_ids))
        here = f"STOKER_ENCRYPTION_KEY has {own}" if own else "STOKER_ENCRYPTION_KEY is not set"
        return Locked(
            f"{self._files.location(file.path)} is encrypted for the keys {', '.join(sorted(file.keys))}, and {here}: "
            "give it a file with the identity of one of them"
        )

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        with needing(Dependency.STORE, f"the artifact store {masked(self.url)}"):
            yield
