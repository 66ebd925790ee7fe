"""The artifact store: bytes named by their SHA-256, on any file system of fsspec."""

import hashlib
import os
import platform
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from ...outages import Dependency, needing, temporary_folder
from ..encryption import Locked
from ..manifest import Artifact
from .copies import Copies, Corrupt, Hashing, Missing, OnDisk, Stored, stored_files
from .stretches import Changed, Stretch

__all__ = ["Changed", "Corrupt", "Locked", "Missing", "Store", "Stored"]

# A larger copy is on disk.
_IN_MEMORY_BYTES = 8 << 20
_BLOCK_BYTES = 1 << 20


class Store(Copies):
    """Immutable artifacts under `<url>/sha256/<2 hex>/<digest>/<name>`.

    A file gets its final name only when it is complete: it is written under another name and moved. The same bytes
    are stored once, and a file that has changed is replaced. Reading checks the digest.

    With keys, artifacts are encrypted as they are written, and decrypted as they are read; those that were stored plain
    before are read as they are.

    Every method raises `DependencyUnavailable` if the store is away, full or read-only. Every method that reads raises
    `Locked` if the artifact is encrypted for none of the keys that are here.

    Args:
        place: a folder, or any fsspec URL such as "s3://bucket/stoker"; or that with how it is encrypted.
        folder: a folder within it.

    Raises:
        InvalidSettings: the URL's scheme is unknown, its package is not installed, or a key cannot be used.
    """

    def of_job(self, job_id: str) -> "Store":
        """The folder for artifacts that a job needs only while it runs; it is cleared after the job."""
        return Store(self.place, f"jobs/{job_id}")

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
        # Who has only public keys writes what others read.
        if not self._keys.ids or self._keys.own_ids:
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
        yield from stored_files(sizes)

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
        data = self._content(artifact)
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
        hashing = Hashing(OnDisk(copy, temporary_folder()))
        try:
            self._pour(artifact, hashing)
            self._verify(artifact, hashing.digest)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return copy

    def blocks(self, artifact: Artifact, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The artifact's bytes from `start` up to `stop`, or its end, block by block.

        They are verified before the first is given if the artifact is short or encrypted, and all of a long one before
        the last. Of a part of a long one they are not: who puts parts together checks the digest.

        Raises:
            Corrupt: the bytes have changed.
            Missing: the artifact is gone.
            DependencyUnavailable: the store is away, or the temporary folder is full.
        """
        stop = artifact.size if stop is None else stop
        if artifact.size > _IN_MEMORY_BYTES:
            with self._reading(artifact), self._source(artifact) as (source, file):
                if not file.keys:
                    part = _between(source, start, stop)
                    yield from self._verified(artifact, part) if stop - start == artifact.size else part
                    return
        with self.open(artifact) as copy:
            yield from _between(copy, start, stop)

    def fetch(self, artifact: Artifact, folder: Path) -> Path:
        """Copy the artifact into a local folder, verified; gives its path. A failure leaves no file.

        Raises:
            Corrupt: the bytes have changed.
            Missing: the artifact is gone.
            DependencyUnavailable: the store is away, or the folder cannot be written.
        """
        target, partial = folder / artifact.name, folder / f"{artifact.name}.{uuid.uuid4().hex}.part"
        what = f"the folder {folder} of {platform.node()}"
        with needing(Dependency.DISK, what):
            try:
                with partial.open("wb") as sink:
                    hashing = Hashing(OnDisk(sink, what))
                    self._pour(artifact, hashing)
                self._verify(artifact, hashing.digest)
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
        hashing = Hashing()
        self._pour(artifact, hashing)
        self._verify(artifact, hashing.digest)

    def has(self, artifact: Artifact) -> bool:
        """Whether the artifact is there, plain or encrypted, by its size: its bytes are not read."""
        with self._reachable():
            if self._files.size_now(self._path(artifact)) == artifact.size:
                return True
            return any(file.size > artifact.size for file in self._encrypted(artifact))

    def delete(self, artifact: Artifact) -> None:
        """Delete the artifact, if it exists."""
        with self._reachable():
            self._files.remove_folder(self._path(artifact).rpartition("/")[0])

    def _verified(self, artifact: Artifact, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """All blocks of an artifact, of which the last is given when it is known that none has changed."""
        digest, kept = hashlib.sha256(), b""
        for block in blocks:
            digest.update(block)
            if kept:
                yield kept
            kept = block
        self._verify(artifact, digest.hexdigest())
        yield kept


def _between(source: IO[bytes], start: int, stop: int) -> Iterator[bytes]:
    source.seek(start)
    while start < stop and (block := source.read(min(_BLOCK_BYTES, stop - start))):
        start += len(block)
        yield block
