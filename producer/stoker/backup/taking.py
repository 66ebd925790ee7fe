"""Taking a backup while jobs run; one that was ended is begun again, and copies only what is missing."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from pydantic import BaseModel

from ..errors import InvalidArgument, Unavailable
from ..ledger import clock
from ..local import redis_url_of
from ..local.lock import lock
from ..models.store.files import Files
from ..outages import Dependency, needing
from ..redis.calls import Call
from ..redis.connection import Connection
from ..settings import Settings
from ..urls import masked
from ..version import VERSION
from .contents import DESCRIPTION, STORE, Backup, check_apart, sha256_of, write_sums
from .copying import StoreCopy
from .hold import Hold
from .snapshot import take_snapshot

Progress = Callable[[str, int, int | None], None]
"""Learns what is copied, how many bytes of it are there, and of how many; None where that is not known."""

_LOCK = ".lock"
_PATIENCE_S = 60.0


def take_backup(settings: Settings, folder: Path, progress: Progress) -> Backup:
    """Copy what Redis holds, and the store, into a folder of this machine, or bring the backup there up to date.

    The earlier backup stays whole until the new one is.

    Raises:
        InvalidArgument: the folder has something else, cannot be written, or is in the store.
        Unauthorized: this user of Redis may not take its snapshot.
        Unavailable: Redis or the store is away, another backup goes on, or the folder is full.
    """
    check_apart(settings.store, folder)
    with _locked(folder), closing(_connection(settings)) as connection, Hold(connection, folder) as hold:
        _remove_unnamed(folder)
        at = connection.run(clock.now())
        stamp = f"{at:%Y%m%dT%H%M%S%f}"
        snapshot = _private(folder / f"redis-{stamp}.rdb")

        def told(what: str, done: int, total: int | None) -> None:
            hold.go_on()
            progress(what, done, total)

        take_snapshot(connection, snapshot, lambda done: told("Redis", done, None))
        copy = StoreCopy(Files(settings.store), folder / STORE, lambda done, total: told("the store", done, total))
        with needing(Dependency.STORE, f"the artifact store {masked(settings.store)}"):
            copy.run()
        _check_loss(settings, copy, folder)
        sums = folder / f"files-{stamp}.sha256"
        with _writing(folder):
            copied = {f"{STORE}/{name}": each for name, each in copy.sums.items()}
            write_sums(_private(sums), {snapshot.name: sha256_of(snapshot), **copied})
        backup = Backup(
            at=at,
            stoker=VERSION,
            server=connection.run(Call(("INFO", "server"), _Server.model_validate)).words,
            snapshot=snapshot.name,
            sums=sums.name,
            sums_digest=sha256_of(sums),
            store=masked(settings.store),
            files=len(copy.sums),
            size=copy.size,
            encrypted=copy.encrypted,
            left_out=tuple(sorted(copy.left_out)),
            kept=tuple(sorted(copy.kept)),
        )
        hold.go_on()
        with _writing(folder):
            _describe(backup, folder)
        _remove_unnamed(folder)
        _remove_others(folder / STORE, frozenset(copy.sums))
    return backup


class _Server(BaseModel):
    """What INFO tells of a server."""

    redis_version: str
    valkey_version: str = ""

    @property
    def words(self) -> str:
        """Its name and version."""
        return f"Valkey {self.valkey_version}" if self.valkey_version else f"Redis {self.redis_version}"


def _connection(settings: Settings) -> Connection:
    return Connection.open(settings, redis_url_of(settings), patience_s=_PATIENCE_S)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder, made for this user alone, with no other process that writes a backup there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = {path.name for path in folder.iterdir()}
        if names and _LOCK not in names and DESCRIPTION not in names:
            raise InvalidArgument(
                f"{folder} has something else than a backup: name a folder that is empty, or not there"
            )
        held = lock(folder / _LOCK)
    except OSError as error:
        raise InvalidArgument(f"{folder} cannot be written: {error.strerror}; name another folder") from None
    if held is None:
        raise InvalidArgument(f"another process writes a backup into {folder}: wait for it, or name another folder")
    with held:
        yield


def _check_loss(settings: Settings, copy: StoreCopy, folder: Path) -> None:
    """Refuse a store without any file where an earlier backup has some, which would go."""
    if not (copy.sums or copy.left_out) and any(path.is_file() for path in (folder / STORE).rglob("*")):
        raise Unavailable(
            f"the artifact store {masked(settings.store)} has no file, and the backup in {folder} has some: see that "
            "it is mounted, and STOKER_STORE_URL; if it is empty indeed, name another folder"
        )


def _writing(folder: Path) -> AbstractContextManager[None]:
    return needing(Dependency.DISK, f"the folder {folder}")


def _describe(backup: Backup, folder: Path) -> None:
    partial = _private(folder / f"{DESCRIPTION}.part")
    with partial.open("w", encoding="utf-8") as file:
        file.write(backup.model_dump_json(indent=2))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / DESCRIPTION)


def _private(path: Path) -> Path:
    """A file that this user alone may read, if it is new."""
    path.touch(mode=0o600)
    return path


def _remove_unnamed(folder: Path) -> None:
    """Remove the files of an earlier backup alone, or of one that was never finished, but those of its store."""
    description = folder / DESCRIPTION
    described = description.read_text("utf-8", errors="replace") if description.exists() else ""
    for path in (*folder.glob("redis-*.rdb"), *folder.glob("files-*.sha256")):
        if path.name not in described:
            path.unlink()


def _remove_others(store: Path, names: frozenset[str]) -> None:
    """Remove those of its store, too."""
    for path in sorted(store.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(store).as_posix() not in names:
            path.unlink()
