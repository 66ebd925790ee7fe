"""The artifact store: bytes named by their SHA-256, on any file system fsspec knows."""

import hashlib
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from .address import masked
from .artifacts import Artifact
from .errors import InvalidSettings, StokerError
from .outages import Dependency, needing, temporary_folder

_CHUNK = 1 << 20
_RENEWED_AFTER = timedelta(hours=12)
_STORED = re.compile(r"/sha256/[0-9a-f]{2}/(?P<digest>[0-9a-f]{64})/[^/]+?(?P<partial>\.[0-9a-f]{32}\.part)?$")


class Corrupt(StokerError):
    """The stored bytes do not match the artifact's digest or size."""


@dataclass(frozen=True)
class Stored:
    """A file of the store.

    Attributes:
        digest: of the artifact that it holds, or is part of.
        is_partial: whether it is one on its way, which got its final name never, or not yet.
    """

    path: str
    digest: str
    size: int
    is_partial: bool


class Missing(StokerError):
    """The store is there, and the artifact is not in it."""


# Where a folder is part of a name, and making one makes a bucket.
_BUCKETS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss"}


class Store:
    """Immutable artifacts under `<url>/sha256/<2 hex>/<digest>/<name>`.

    A file appears under its final name only when whole: it is written beside it and moved. Putting the same
    bytes twice is one file, and a file that is no longer what was stored is replaced. Reading checks the digest.

    Whatever cannot be written or read because the store is away, full or read-only raises `DependencyUnavailable`.

    Args:
        url: a folder, or any fsspec URL such as "s3://bucket/stoker".
        part: the folder within it that this store is about.

    Raises:
        InvalidSettings: there is no such kind of URL, or what it needs is not installed.
    """

    def __init__(self, url: str, part: str = "") -> None:
        self.url = url
        self._fs, root = _opened(url)
        self._base: str = root.rstrip("/")
        self._root = f"{self._base}/{part}" if part else self._base
        self._local = isinstance(self._fs, LocalFileSystem)
        protocols = {self._fs.protocol} if isinstance(self._fs.protocol, str) else {*self._fs.protocol}
        self._has_folders = not protocols & _BUCKETS

    def of_job(self, job_id: str) -> "Store":
        """The part of the store for what one job needs only while it runs: it is cleared when the job has ended."""
        return Store(self.url, f"jobs/{job_id}")

    @property
    def folder(self) -> Path | None:
        """The local folder that it is; None for any other file system."""
        return Path(self._root) if self._local else None

    def probe(self) -> None:
        """Write, read and delete a few bytes; no bucket is made for it.

        Raises:
            Corrupt: what was read is not what was written.
            DependencyUnavailable: the store is away, full or read-only.
        """
        written = self.put_bytes(uuid.uuid4().bytes, "probe")
        self.read(written)
        self.delete(written)

    def clear(self) -> None:
        """Forget everything in this store, or in this part of it."""
        self._remove(self._root)

    def stored(self, folder: str) -> Iterator[Stored]:
        """Every file of an artifact below `sha256/<folder>`: two hex digits, or "" for all. Other files are not ours.

        Raises:
            Unavailable: the store cannot be read.
        """
        with self._reachable():
            self._fs.invalidate_cache()
            files = self._fs.find(f"{self._root}/sha256/{folder}".rstrip("/"), detail=True)
        for path, info in files.items():
            if match := _STORED.search(path):
                yield Stored(path, match["digest"], int(info["size"] or 0), is_partial=bool(match["partial"]))

    def jobs(self) -> list[str]:
        """Ids of the jobs that have a part of the store.

        Raises:
            Unavailable: the store cannot be read.
        """
        with self._reachable(), suppress(FileNotFoundError):
            self._fs.invalidate_cache()
            return [path.rstrip("/").rpartition("/")[2] for path in self._fs.ls(f"{self._root}/jobs", detail=False)]
        return []

    def is_older(self, file: Stored, than: datetime) -> bool:
        """Whether a file was written before that; no if it is gone, or if its file system keeps no times."""
        with self._reachable(), suppress(FileNotFoundError):
            written_at = self._written_at(file.path)
            return written_at is not None and written_at < than
        return False

    def remove(self, file: Stored) -> None:
        """Delete one file; one that is gone already is no error."""
        with self._reachable(), suppress(FileNotFoundError):
            self._fs.rm_file(file.path)
        if self._local:
            # The folder goes with its last file.
            with suppress(OSError):
                Path(file.path).parent.rmdir()

    def location(self, artifact: Artifact) -> str:
        """Where the artifact lies: a path in a folder store, else a URL."""
        path = self._path(artifact)
        return path if self._local else str(self._fs.unstrip_protocol(path))

    def put_file(self, path: Path, name: str | None = None) -> Artifact:
        """Store a file's bytes under `name` (its own name if None).

        Raises:
            DependencyUnavailable: the store is away, full or read-only.
        """
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        artifact = Artifact(name=name or path.name, digest=digest, size=path.stat().st_size)
        with self._reachable(), path.open("rb") as source:
            self._write(artifact, source)
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
            Corrupt: they are not what was stored.
            Missing: the artifact is gone.
            DependencyUnavailable: the store is away.
        """
        with self._reading(artifact):
            data: bytes = self._fs.cat_file(self._path(artifact))
        self._verify(artifact, hashlib.sha256(data).hexdigest())
        return data

    def fetch(self, artifact: Artifact, folder: Path) -> Path:
        """Copy the artifact into a local folder, verified, and say where.

        Raises:
            Corrupt: the bytes are not what was stored.
            Missing: the artifact is gone.
            DependencyUnavailable: the store is away.
        """
        target = folder / artifact.name
        digest = hashlib.sha256()
        with needing(Dependency.DISK, temporary_folder()), target.open("wb") as sink:
            for block in self._blocks(artifact):
                digest.update(block)
                sink.write(block)
        self._verify(artifact, digest.hexdigest())
        return target

    def verify(self, artifact: Artifact) -> None:
        """Read the artifact, and nothing more.

        Raises:
            Corrupt: the bytes are not what was stored.
            Missing: the artifact is gone.
            DependencyUnavailable: the store is away.
        """
        with self._reading(artifact):
            digest = self._digest(artifact)
        self._verify(artifact, digest)

    def delete(self, artifact: Artifact) -> None:
        """Forget the artifact; one that is gone already is no error."""
        self._remove(self._path(artifact).rsplit("/", 1)[0])

    def _remove(self, folder: str) -> None:
        # Not asked first whether it exists: a store that is away answers no to that.
        with self._reachable(), suppress(FileNotFoundError):
            self._fs.rm(folder, recursive=True)

    def _path(self, artifact: Artifact) -> str:
        return f"{self._root}/sha256/{artifact.digest[:2]}/{artifact.digest}/{artifact.name}"

    def _write(self, artifact: Artifact, source: BinaryIO | tempfile.SpooledTemporaryFile[bytes]) -> None:
        if self._has(artifact):
            return
        final = self._path(artifact)
        if self._has_folders:
            self._fs.makedirs(final.rsplit("/", 1)[0], exist_ok=True)
        partial = f"{final}.{uuid.uuid4().hex}.part"
        try:
            with self._fs.open(partial, "wb") as sink:
                shutil.copyfileobj(source, sink, _CHUNK)
                if self._local:
                    sink.flush()
                    os.fsync(sink.fileno())
            self._fs.mv(partial, final)
        except BaseException:
            if self._fs.exists(partial):
                self._fs.rm(partial)
            raise

    def _has(self, artifact: Artifact) -> bool:
        """Whether the file is there, has the right content, and was written lately.

        One that lies there for longer is written again: only what is old and belongs to nothing is ever taken for
        left over, and whoever puts an artifact is about to need it.
        """
        path = self._path(artifact)
        try:
            written_at = self._written_at(path)
            is_old = written_at is None or datetime.now(UTC) - written_at > _RENEWED_AFTER
            return not is_old and self._fs.size(path) == artifact.size and self._digest(artifact) == artifact.digest
        except FileNotFoundError:
            return False

    def _written_at(self, path: str) -> datetime | None:
        """When a file was written; None if its file system keeps no times."""
        try:
            written: datetime = self._fs.modified(path)
        except NotImplementedError:
            return None
        return written if written.tzinfo else written.replace(tzinfo=UTC)

    def _digest(self, artifact: Artifact) -> str:
        digest = hashlib.sha256()
        with self._fs.open(self._path(artifact), "rb") as source:
            while block := source.read(_CHUNK):
                digest.update(block)
        return digest.hexdigest()

    def _verify(self, artifact: Artifact, digest: str) -> None:
        if digest != artifact.digest:
            raise Corrupt(
                f"{self.location(artifact)} is corrupt: its SHA-256 is {digest[:12]}…, not {artifact.digest[:12]}…; "
                "restore the file from a backup or make it again"
            )

    def _blocks(self, artifact: Artifact) -> Iterator[bytes]:
        """The artifact's bytes, unverified."""
        with self._reading(artifact), self._fs.open(self._path(artifact), "rb") as source:
            while block := source.read(_CHUNK):
                yield block

    @contextmanager
    def _reading(self, artifact: Artifact) -> Iterator[None]:
        with self._reachable():
            try:
                yield
            except FileNotFoundError as error:
                # A store that is away, such as a folder that is not mounted, has no artifacts either.
                if not self._fs.exists(self._base):
                    raise
                where = self.location(artifact)
                raise Missing(f"{where} is gone from the artifact store; restore it from a backup") from error

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        with needing(Dependency.STORE, f"the artifact store {masked(self.url)}"):
            yield


def _opened(url: str) -> tuple[AbstractFileSystem, str]:
    try:
        file_system, root = fsspec.core.url_to_fs(url)
        return file_system, root
    except ImportError as error:
        extra = "pip install 'stoker[s3]', or " if url.startswith("s3") else ""
        raise InvalidSettings(f"{masked(url)} cannot be opened: {error}; {extra}check STOKER_STORE_URL") from None
    except ValueError as error:
        raise InvalidSettings(f"{masked(url)} cannot be opened: {error}; check STOKER_STORE_URL") from None
