"""Restoring a backup: the store's files first, then the folder that a Redis server starts from."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from ..errors import InvalidArgument
from ..local.server import data_folder, make_private
from ..local.up import exclusive
from ..models.store.copies import Hashing
from ..models.store.files import Files
from ..outages import Dependency, needing
from ..settings import Settings
from ..urls import masked
from .contents import STORE, Backup, check_apart, read_sums, sha256_of
from .snapshot import check_snapshot
from .taking import Progress

# A server with `appendonly yes` begins with this file, and makes its own of it. So does one before version 7.
_LOG = "appendonly.aof"
_BEGUN = (_LOG, "appendonlydir", "dump.rdb")
_BLOCK_BYTES = 1 << 20


def restore_backup(settings: Settings, backup: Path, server_folder: Path | None, progress: Progress) -> Backup:
    """Write a backup into the settings' store, which must be empty, and into the folder of a Redis that does not run.

    What was restored and ended in the middle is begun again, and writes only what is missing. The server's file comes
    last, so that none begins with half a store.

    Args:
        server_folder: the server's `dir`; None for that of the local server of `stoker up`.

    Raises:
        InvalidArgument: there is no whole backup, or a target has something else.
        AlreadyRunning: `stoker up` runs in this home.
        Unavailable: the store is away.
    """
    check_apart(settings.store, backup)
    described = Backup.read(backup)
    sums = dict(read_sums(backup / described.sums))
    snapshot = backup / described.snapshot
    if not snapshot.exists() or sha256_of(snapshot) != sums.pop(described.snapshot, None):
        raise InvalidArgument(f"{snapshot} is gone, or not what it was: use another backup")
    check_snapshot(snapshot)
    with ExitStack() as stack:
        folder = server_folder or stack.enter_context(_local_folder(settings))
        if not folder.is_dir():
            raise InvalidArgument(f"{folder} is no folder: make it, or name that of a server's data")
        if begun := [name for name in _BEGUN if (folder / name).exists()]:
            raise InvalidArgument(
                f"{folder} has {begun[0]} of another server: restore into a folder that is new, and never beneath a "
                "server that runs"
            )
        with needing(Dependency.STORE, f"the artifact store {masked(settings.store)}"):
            _restore_store(settings.store, backup / STORE, sums, progress)
        _copy_snapshot(snapshot, folder)
    return described


@contextmanager
def _local_folder(settings: Settings) -> Iterator[Path]:
    """The folder of the local server, which does not run meanwhile."""
    if settings.redis_url is not None:
        raise InvalidArgument(
            f"the settings name a Redis of yours ({settings.origin('redis_url')}): give the folder of its data by "
            "--redis-folder, while it does not run"
        )
    with exclusive(settings.home):
        make_private(folder := data_folder(settings.home))
        yield folder


def _restore_store(url: str, source: Path, sums: Mapping[str, str], progress: Progress) -> None:
    files = Files(url)
    names = {name.removeprefix(f"{STORE}/"): digest for name, digest in sums.items()}
    if outside := [name for name in names if not {"", ".", ".."}.isdisjoint(name.split("/"))]:
        raise InvalidArgument(f"the backup names {outside[0]!r}, which is no file of a store: use another backup")
    there = {path.removeprefix(files.root).lstrip("/"): size for path, size in files.sizes(files.root).items()}
    if others := sorted(name for name in there if name not in names and not name.endswith(".part")):
        raise InvalidArgument(
            f"the store {masked(url)} is not empty, it has {others[0]}: name an empty folder or bucket in "
            "STOKER_STORE_URL"
        )
    sizes = {name: _size(source / name) for name in names}
    done, total = 0, sum(sizes.values())
    for name, digest in names.items():
        if there.get(name) != sizes[name]:
            path = f"{files.root}/{name}"
            files.write_named(path, _pouring(source / name, digest, path))
        done += sizes[name]
        progress("the store", done, total)


def _size(path: Path) -> int:
    if not path.is_file():
        raise InvalidArgument(f"{path} is gone from the backup: use another one")
    return path.stat().st_size


def _pouring(source: Path, digest: str, path: str) -> Callable[[IO[bytes]], str]:
    """Writes a file of the backup; fails where it is not what it was, and then it gets no name."""

    def pour(sink: IO[bytes]) -> str:
        hashing = Hashing(sink)
        with source.open("rb") as file:
            shutil.copyfileobj(file, hashing, _BLOCK_BYTES)
        if hashing.digest != digest:
            raise InvalidArgument(f"{source} is not what it was when the backup was taken: use another one")
        return path

    return pour


def _copy_snapshot(snapshot: Path, folder: Path) -> None:
    """Put the snapshot where a server begins from it, whole or not at all."""
    partial = folder / f"{_LOG}.part"
    try:
        partial.touch(mode=0o600)
        with snapshot.open("rb") as source, partial.open("wb") as sink:
            shutil.copyfileobj(source, sink, _BLOCK_BYTES)
            sink.flush()
            os.fsync(sink.fileno())
        partial.replace(folder / _LOG)
    except OSError as error:
        raise InvalidArgument(f"{folder} cannot be written: {error.strerror}; name the folder of a server") from None
