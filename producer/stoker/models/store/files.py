"""The files of a store, on any file system of fsspec; writes are atomic."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from ...errors import InvalidSettings
from ...urls import masked
from ..access import BUCKETS
from ..encryption import Readable

_CHUNK = 1 << 20


class Files:
    """The file system of a URL; its methods raise that file system's errors.

    Attributes:
        root: the URL's path.
        local: whether the files are on this machine.

    Raises:
        InvalidSettings: the URL's scheme is unknown, or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened, root = _opened(url)
        self._opened_by = os.getpid()
        self.root: str = root.rstrip("/")
        self.local = isinstance(self._system, LocalFileSystem)
        protocols = {self._system.protocol} if isinstance(self._system.protocol, str) else {*self._system.protocol}
        # A bucket has no folders, and fsspec would create a bucket for one.
        self._has_folders = not protocols & BUCKETS

    @property
    def _system(self) -> AbstractFileSystem:
        """The file system, opened anew after a fork: connections and threads of a parent are not for its children."""
        if self._opened_by != os.getpid():
            self._opened, _ = _opened(self._url)
            self._opened_by = os.getpid()
        return self._opened

    def root_exists(self) -> bool:
        """Whether the root exists; it does not if the file system is not mounted."""
        return bool(self._system.exists(self.root))

    def location(self, path: str) -> str:
        """A local path as it is, any other as a URL."""
        return path if self.local else str(self._system.unstrip_protocol(path))

    def sizes(self, folder: str) -> dict[str, int]:
        """All files in and below a folder, with their sizes in bytes."""
        self._system.invalidate_cache()
        files = self._system.find(folder, detail=True)
        return {path: int(info["size"] or 0) for path, info in files.items()}

    def names(self, folder: str) -> list[str]:
        """The names in a folder; empty if it does not exist."""
        self._system.invalidate_cache()
        with suppress(FileNotFoundError):
            return [path.rstrip("/").rpartition("/")[2] for path in self._system.ls(folder, detail=False)]
        return []

    def size(self, path: str) -> int | None:
        """A file's size in bytes; None if its file system has none."""
        try:
            size: int | None = self._system.size(path)
        except KeyError as error:
            raise _strange(f"no {error}") from error
        return size

    def size_now(self, path: str) -> int | None:
        """A file's size in bytes, whatever was known of it before; None if it does not exist."""
        self._system.invalidate_cache(path.rpartition("/")[0])
        with suppress(FileNotFoundError):
            return self.size(path)
        return None

    def written_at(self, path: str) -> datetime | None:
        """When a file was written; None if its file system has no times."""
        try:
            written: object = self._system.modified(path)
        except NotImplementedError:
            return None
        except KeyError as error:
            raise _strange(f"no {error}") from error
        if not isinstance(written, datetime):
            raise _strange("no time at which a file was written")
        return written if written.tzinfo else written.replace(tzinfo=UTC)

    def read(self, path: str) -> bytes:
        """A file's content."""
        content: bytes = self._system.cat_file(path)
        return content

    def blocks(self, path: str) -> Iterator[bytes]:
        """A file's content, block by block."""
        with self.open(path) as source:
            while block := source.read(_CHUNK):
                yield block

    def sha256(self, path: str) -> str:
        """A file's SHA-256, in hex."""
        digest = hashlib.sha256()
        for block in self.blocks(path):
            digest.update(block)
        return digest.hexdigest()

    def open(self, path: str) -> IO[bytes]:
        """A file, opened to be read from its start."""
        source: IO[bytes] = self._system.open(path, "rb")
        return source

    def write(self, path: str, source: Readable) -> None:
        """Write a file under another name, then move it to `path`."""

        def copy(sink: IO[bytes]) -> str:
            shutil.copyfileobj(source, sink, _CHUNK)
            return path

        self.write_named(path, copy)

    def write_named(self, path: str, pour: Callable[[IO[bytes]], str]) -> None:
        """Write a file under a name that begins with `path`, then move it to the path that `pour` gives.

        Args:
            pour: writes the content.
        """
        if self._has_folders:
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
        partial = f"{path}.{uuid.uuid4().hex}.part"
        try:
            with self._system.open(partial, "wb") as sink:
                final = pour(sink)
                if self.local:
                    sink.flush()
                    os.fsync(sink.fileno())
            self._system.mv(partial, final)
        except BaseException:
            if self._system.exists(partial):
                self._system.rm(partial)
            raise

    def remove(self, path: str) -> None:
        """Delete a file, if it exists, and its local folder if that is empty then."""
        with suppress(FileNotFoundError):
            self._system.rm_file(path)
        if self.local:
            with suppress(OSError):
                Path(path).parent.rmdir()

    def remove_folder(self, folder: str) -> None:
        """Delete a folder and its content, if it exists."""
        # `exists` would be False for a file system that is away, and hide the outage.
        with suppress(FileNotFoundError):
            self._system.rm(folder, recursive=True)


def _strange(lacks: str) -> OSError:
    """What is raised for an answer without the headers of a bucket's, such as the page of a proxy before it."""
    return OSError(f"what answers there is no store: its answer has {lacks}")


def _opened(url: str) -> tuple[AbstractFileSystem, str]:
    try:
        system, root = fsspec.core.url_to_fs(url)
        return system, root
    except ImportError as error:
        extra = "pip install 'stoker[s3]', or " if url.startswith("s3") else ""
        raise InvalidSettings(f"{masked(url)} cannot be opened: {error}; {extra}check STOKER_STORE_URL") from None
    except ValueError as error:
        raise InvalidSettings(f"{masked(url)} cannot be opened: {error}; check STOKER_STORE_URL") from None
