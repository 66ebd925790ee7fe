"""The artifact store: bytes named by their SHA-256, on any file system of fsspec."""

import hashlib
import os
import platform
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from ...errors import StokerError
from ...outages import Dependency, needing, temporary_folder
from ...urls import masked
from ..manifest import Artifact
from .files import Files, Readable
from .stretches import Changed, Stretch

__all__ = ["Changed", "Corrupt", "Missing", "Store", "Stored"]

_RENEWED_AFTER = timedelta(hours=12)
# A larger copy is on disk.
_IN_MEMORY_BYTES = 8 << 20
_STORED = re.compile(r"/sha256/[0-9a-f]{2}/(?P<digest>[0-9a-f]{64})/[^/]+?(?P<partial>\.[0-9a-f]{32}\.part)?$")


class Corrupt(StokerError):
    """The stored bytes do not match the artifact's digest or size."""


@dataclass(frozen=True)
class Stored:
    """A file of the store.

    Attributes:
        digest: of its artifact.
        is_partial: whether its write has not finished, or never will.
    """

    path: str
    digest: str
    size: int
    is_partial: bool


class Missing(StokerError):
    """The store does not have the artifact."""


class Store:
    """Immutable artifacts under `<url>/sha256/<2 hex>/<digest>/<name>`.

    A file gets its final name only when it is complete: it is written under another name and moved. The same bytes
    are stored once, and a file that has changed is replaced. Reading checks the digest.

    Every method raises `DependencyUnavailable` if the store is away, full or read-only.

    Args:
        url: a folder, or any fsspec URL such as "s3://bucket/stoker".
        folder: a folder within it.

    Raises:
        InvalidSettings: the URL's scheme is unknown, or its package is not installed.
    """

    def __init__(self, url: str, folder: str = "") -> None:
        self.url = url
        self._files = Files(url)
        self._root = f"{self._files.root}/{folder}" if folder else self._files.root

    def of_job(self, job_id: str) -> "Store":
        """The folder for artifacts that a job needs only while it runs; it is cleared after the job."""
        return Store(self.url, f"jobs/{job_id}")

    @property
    def folder(self) -> Path | None:
        """The store's local folder; None for any other file system."""
        return Path(self._root) if self._files.local else None

    def is_empty_folder(self) -> bool:
        """Whether it is a local folder without an artifact, or one that is not there."""
        return self.folder is not None and not any(files for _, _, files in os.walk(self.folder / "sha256"))

    def probe(self) -> None:
        """Write, read and delete a few bytes; does not create a bucket.

        Raises:
            Corrupt: what was read is not what was written.
            DependencyUnavailable: the store is away, full or read-only.
        """
        written = self.put_bytes(uuid.uuid4().bytes, "probe")
        self.read(written)
        self.delete(written)

    def clear(self) -> None:
        """Delete everything in this folder of the store."""
        with self._reachable():
            self._files.remove_folder(self._root)

    def stored(self, folder: str) -> Iterator[Stored]:
        """The files of artifacts in `sha256/<folder>`: two hex digits, or "" for all. Other files are left out.

        Raises:
            Unavailable: the store cannot be read.
        """
        with self._reachable():
            sizes = self._files.sizes(f"{self._root}/sha256/{folder}".rstrip("/"))
        for path, size in sizes.items():
            if match := _STORED.search(path):
                yield Stored(path, match["digest"], size, is_partial=bool(match["partial"]))

    def jobs(self) -> list[str]:
        """Ids of the jobs that have a folder in the store, see `of_job`.

        Raises:
            Unavailable: the store cannot be read.
        """
        with self._reachable():
            return self._files.names(f"{self._root}/jobs")

    def is_older(self, file: Stored, than: datetime) -> bool:
        """Whether a file was written before `than`; False if it is gone, or its file system has no times."""
        with self._reachable(), suppress(FileNotFoundError):
            written_at = self._files.written_at(file.path)
            return written_at is not None and written_at < than
        return False

    def remove(self, file: Stored) -> None:
        """Delete a file, if it exists."""
        with self._reachable():
            self._files.remove(file.path)

    def location(self, artifact: Artifact) -> str:
        """The artifact's path, or its URL if the store is not a local folder."""
        return self._files.location(self._path(artifact))

    def put_file(self, path: Path, name: str | None = None) -> Artifact:
        """Store a file's bytes under `name` (its own name if None).

        Raises:
            Changed: another wrote to it meanwhile.
            DependencyUnavailable: the store is away, full or read-only.
        """
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            artifact = Artifact(name=name or path.name, digest=digest, size=file.tell())
        with self._reachable(), path.open("rb") as source:
            self._write(artifact, Stretch(source, artifact, str(path)))
        return artifact

    def put_bytes(self, data: bytes, name: str) -> Artifact:
        """Store bytes under `name`.

        Raises:
            DependencyUnavailable: the store is away, full or read-only.
        """
        artifact = Artifact(name=name, digest=hashlib.sha256(data).hexdigest(), size=len(data))
        with self._reachable(), tempfile.SpooledTemporaryFile(max_size=len(data) + 1) as source:
            source.write(data)
            source.seek(0)
            self._write(artifact, source)
        return artifact

    def read(self, artifact: Artifact) -> bytes:
        """The artifact's bytes, verified.

        Raises:
            Corrupt: the bytes have changed.
            Missing: the artifact is gone.
            DependencyUnavailable: the store is away.
        """
        with self._reading(artifact):
            data = self._files.read(self._path(artifact))
        self._verify(artifact, hashlib.sha256(data).hexdigest())
        return data

    def open(self, artifact: Artifact) -> IO[bytes]:
        """The artifact's bytes as a file, verified; a copy, on this machine's disk if it is large.

        Raises:
            Corrupt: the bytes have changed.
            Missing: the artifact is gone.
            DependencyUnavailable: the store is away, or the temporary folder is full.
        """
        copy: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115  # the caller's
        digest = hashlib.sha256()
        with needing(Dependency.DISK, temporary_folder()):
            for block in self._blocks(artifact):
                digest.update(block)
                copy.write(block)
        self._verify(artifact, digest.hexdigest())
        copy.seek(0)
        return copy

    def fetch(self, artifact: Artifact, folder: Path) -> Path:
        """Copy the artifact into a local folder, verified; gives its path. A failure leaves no file.

        Raises:
            Corrupt: the bytes have changed.
            Missing: the artifact is gone.
            DependencyUnavailable: the store is away, or the folder cannot be written.
        """
        target, partial = folder / artifact.name, folder / f"{artifact.name}.{uuid.uuid4().hex}.part"
        digest = hashlib.sha256()
        with needing(Dependency.DISK, f"the folder {folder} of {platform.node()}"):
            try:
                with partial.open("wb") as sink:
                    for block in self._blocks(artifact):
                        digest.update(block)
                        sink.write(block)
                self._verify(artifact, digest.hexdigest())
                partial.replace(target)
            except BaseException:
                with suppress(OSError):
                    partial.unlink()
                raise
        return target

    def verify(self, artifact: Artifact) -> None:
        """Read and verify the artifact.

        Raises:
            Corrupt: the bytes have changed.
            Missing: the artifact is gone.
            DependencyUnavailable: the store is away.
        """
        with self._reading(artifact):
            digest = self._files.sha256(self._path(artifact))
        self._verify(artifact, digest)

    def has(self, artifact: Artifact) -> bool:
        """Whether the artifact is there, by its size: its bytes are not read."""
        with self._reachable():
            return self._files.size_now(self._path(artifact)) == artifact.size

    def delete(self, artifact: Artifact) -> None:
        """Delete the artifact, if it exists."""
        with self._reachable():
            self._files.remove_folder(self._path(artifact).rpartition("/")[0])

    def _path(self, artifact: Artifact) -> str:
        return f"{self._root}/sha256/{artifact.digest[:2]}/{artifact.digest}/{artifact.name}"

    def _write(self, artifact: Artifact, source: Readable) -> None:
        if not self._has(artifact):
            self._files.write(self._path(artifact), source)

    def _has(self, artifact: Artifact) -> bool:
        """Whether the file exists, has the right content, and is recent."""
        try:
            return self._has_recent(artifact) and self._files.sha256(self._path(artifact)) == artifact.digest
        except FileNotFoundError:
            return False

    def _has_recent(self, artifact: Artifact) -> bool:
        """Whether the file exists, has the right size, and is recent.

        An older one is written again, because only old files can be leftovers, and this one is about to be used.
        """
        path = self._path(artifact)
        try:
            written_at = self._files.written_at(path)
            is_old = written_at is None or datetime.now(UTC) - written_at > _RENEWED_AFTER
            return not is_old and self._files.size(path) == artifact.size
        except FileNotFoundError:
            return False

    def _verify(self, artifact: Artifact, digest: str) -> None:
        if digest != artifact.digest:
            raise Corrupt(
                f"{self.location(artifact)} is corrupt: its SHA-256 is {digest[:12]}…, not {artifact.digest[:12]}…; "
                "restore the file from a backup or make it again"
            )

    def _blocks(self, artifact: Artifact) -> Iterator[bytes]:
        """The artifact's bytes, unverified."""
        with self._reading(artifact):
            yield from self._files.blocks(self._path(artifact))

    @contextmanager
    def _reading(self, artifact: Artifact) -> Iterator[None]:
        with self._reachable():
            try:
                yield
            except FileNotFoundError as error:
                # A store that is away, such as a folder that is not mounted, has no root either.
                if not self._files.root_exists():
                    raise
                where = self.location(artifact)
                raise Missing(f"{where} is gone from the artifact store; restore it from a backup") from error

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        with needing(Dependency.STORE, f"the artifact store {masked(self.url)}"):
            yield
