"""Folders for temporary files, one a process; what a killed one has left, the next to start on this machine removes."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from stoker.local.lock import lock

_PREFIX = "stoker-"
_LOCK = "lock"
_FILES = "files"


class Scratch:
    """A folder for temporary files, in the machine's folder for them.

    A worker has one, and in it each process that its slots fork. Whoever makes it, and whatever that forks, holds
    a lock in it for life. So a folder whose lock is free is one that everybody who could use it has left behind,
    whichever way they ended, and in whichever container.

    Attributes:
        folder: where the files go.
    """

    def __init__(self) -> None:
        _restore()
        self._outer = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.folder = self._outer / _FILES
        unnamed = self._outer / "unnamed"
        try:
            # It has its name only once it is locked: nobody ever finds it free.
            self._lock = lock(unnamed)
            unnamed.rename(self._outer / _LOCK)
            self.folder.mkdir()
        except OSError:
            # Nobody would ever find it free. Nothing is opened for it, for that may be what failed.
            for path in (unnamed, self._outer / _LOCK):
                path.unlink(missing_ok=True)
            self._outer.rmdir()
            raise

    def adopt(self) -> None:
        """Have every library of this process, and what it starts, put temporary files here."""
        os.environ["TMPDIR"] = str(self.folder)
        tempfile.tempdir = str(self.folder)

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        shutil.rmtree(self._outer, ignore_errors=True)
        if self._lock:
            self._lock.close()


def _restore() -> None:
    """Make the folder that this process, or its parent, has adopted again if a cleaner of old files has deleted it."""
    folder = Path(tempfile.gettempdir())
    if folder.name == _FILES and folder.parent.name.startswith(_PREFIX):
        for gone in (folder.parent, folder):
            gone.mkdir(mode=0o700, exist_ok=True)


def held_bytes(folder: str) -> int:
    """How much of a disk the files in and below a folder take."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                size += os.lstat(os.path.join(place, name)).st_blocks * 512  # noqa: PTH118  # os.walk gives texts
    return size


def remove_abandoned() -> list[Path]:
    """Delete the folders of processes that were killed; gives which.

    What a process still uses, what belongs to another user and what is no folder of ours stays.
    """
    folders = Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")
    return [folder for folder in folders if _is_ours(folder) and _removed(folder)]


def _is_ours(folder: Path) -> bool:
    try:
        return folder.lstat().st_uid == os.geteuid() and folder.is_dir() and not folder.is_symlink()
    except OSError:
        return False


def _removed(folder: Path) -> bool:
    # Asked first, because taking a lock makes its file.
    if not (folder / _LOCK).is_file():
        return False
    try:
        free = lock(folder / _LOCK)
    except OSError:
        # Another process removes it at this moment.
        return False
    if free is None:
        return False
    with free:
        shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
