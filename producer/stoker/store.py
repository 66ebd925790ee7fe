"""The artifact store: bytes named by their SHA-256, on any file system fsspec knows."""

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from .address import masked
from .artifacts import Artifact
from .errors import InvalidSettings, StokerError, Unavailable

_CHUNK = 1 << 20


class Corrupt(StokerError):
    """The stored bytes do not match the artifact's digest or size."""


class Store:
    """Immutable artifacts under `<url>/sha256/<2 hex>/<digest>/<name>`.

    A file appears under its final name only when whole: it is written beside it and moved. Putting the same
    bytes twice is one file. Reading checks the digest.

    Args:
        url: a folder, or any fsspec URL such as "s3://bucket/stoker".

    Raises:
        InvalidSettings: there is no such kind of URL, or what it needs is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs, root = _opened(url)
        self._root: str = root.rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)

    def of_job(self, job_id: str) -> "Store":
        """The part of the store for what one job needs only while it runs: it is cleared when the job has ended."""
        return Store(f"{self.url.rstrip('/')}/jobs/{job_id}")

    def clear(self) -> None:
        """Forget everything in this store, or in this part of it."""
        self._remove(self._root)

    def location(self, artifact: Artifact) -> str:
        """Where the artifact lies: a path in a folder store, else a URL."""
        path = self._path(artifact)
        return path if self._local else str(self._fs.unstrip_protocol(path))

    def put_file(self, path: Path, name: str | None = None) -> Artifact:
        """Store a file's bytes under `name` (its own name if None).

        Raises:
            Unavailable: the store cannot be written.
        """
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        artifact = Artifact(name=name or path.name, digest=digest, size=path.stat().st_size)
        with _reachable(self.url), path.open("rb") as source:
            self._write(artifact, source)
        return artifact

    def put_bytes(self, data: bytes, name: str) -> Artifact:
        """Store bytes under `name`.

        Raises:
            Unavailable: the store cannot be written.
        """
        artifact = Artifact(name=name, digest=hashlib.sha256(data).hexdigest(), size=len(data))
        with _reachable(self.url), tempfile.SpooledTemporaryFile(max_size=len(data) + 1) as source:
            source.write(data)
            source.seek(0)
            self._write(artifact, source)
        return artifact

    def read(self, artifact: Artifact) -> bytes:
        """The artifact's bytes, verified.

        Raises:
            Corrupt: they are not what was stored.
            Unavailable: the store cannot be read, or the artifact is gone.
        """
        with _reachable(self.url):
            data: bytes = self._fs.cat_file(self._path(artifact))
        self._verify(artifact, hashlib.sha256(data).hexdigest())
        return data

    def fetch(self, artifact: Artifact, folder: Path) -> Path:
        """Copy the artifact into a local folder, verified, and say where.

        Raises:
            Corrupt: the bytes are not what was stored.
            Unavailable: the store cannot be read, or the artifact is gone.
        """
        target = folder / artifact.name
        digest = hashlib.sha256()
        with _reachable(self.url), self._fs.open(self._path(artifact), "rb") as source, target.open("wb") as sink:
            while block := source.read(_CHUNK):
                digest.update(block)
                sink.write(block)
        self._verify(artifact, digest.hexdigest())
        return target

    def verify(self, artifact: Artifact) -> None:
        """Read the artifact, and nothing more.

        Raises:
            Corrupt: the bytes are not what was stored.
            Unavailable: the store cannot be read, or the artifact is gone.
        """
        digest = hashlib.sha256()
        with _reachable(self.url), self._fs.open(self._path(artifact), "rb") as source:
            while block := source.read(_CHUNK):
                digest.update(block)
        self._verify(artifact, digest.hexdigest())

    def delete(self, artifact: Artifact) -> None:
        """Forget the artifact; one that is gone already is no error."""
        self._remove(self._path(artifact).rsplit("/", 1)[0])

    def _remove(self, folder: str) -> None:
        # Not asked first whether it exists: a store that is away answers no to that.
        with _reachable(self.url), suppress(FileNotFoundError):
            self._fs.rm(folder, recursive=True)

    def _path(self, artifact: Artifact) -> str:
        return f"{self._root}/sha256/{artifact.digest[:2]}/{artifact.digest}/{artifact.name}"

    def _write(self, artifact: Artifact, source: BinaryIO | tempfile.SpooledTemporaryFile[bytes]) -> None:
        final = self._path(artifact)
        if self._fs.exists(final) and self._fs.size(final) == artifact.size:
            return
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

    def _verify(self, artifact: Artifact, digest: str) -> None:
        if digest != artifact.digest:
            raise Corrupt(
                f"{self.location(artifact)} is corrupt: its SHA-256 is {digest[:12]}…, not {artifact.digest[:12]}…; "
                "restore the file from a backup or make it again"
            )


@contextmanager
def _reachable(url: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the artifact store {url} cannot be used: {error}; check STOKER_STORE_URL") from error


def _opened(url: str) -> tuple[AbstractFileSystem, str]:
    try:
        file_system, root = fsspec.core.url_to_fs(url)
        return file_system, root
    except ImportError as error:
        extra = "pip install 'stoker[s3]', or " if url.startswith("s3") else ""
        raise InvalidSettings(f"{masked(url)} cannot be opened: {error}; {extra}check STOKER_STORE_URL") from None
    except ValueError as error:
        raise InvalidSettings(f"{masked(url)} cannot be opened: {error}; check STOKER_STORE_URL") from None
