"""Lock files, which the kernel releases however their process ends."""

import fcntl
import time
from pathlib import Path
from typing import TextIO

_PAUSE_S = 0.02


def lock(path: Path, *, wait_s: float = 0.0) -> TextIO | None:
    """Open and lock a file exclusively; None if another process still has the lock after `wait_s`.

    The lock is released when the file is closed here and in every child that inherited it.
    """
    file = path.open("a+")
    deadline = time.monotonic() + wait_s
    while not _locked(file, fcntl.LOCK_EX):
        if time.monotonic() >= deadline:
            file.close()
            return None
        time.sleep(_PAUSE_S)
    return file


def is_locked(path: Path) -> bool:
    """Whether a process has the lock."""
    if not path.exists():
        return False
    with path.open() as file:
        # A shared lock, so that two simultaneous calls do not see each other.
        return not _locked(file, fcntl.LOCK_SH)


def _locked(file: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
