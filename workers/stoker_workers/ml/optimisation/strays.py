"""What a process leaves behind that has forked, or that is killed: it is ended, in whatever session it is."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_END_S = 10.0
_LOOK_S = 0.01


def die_with(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere a broken pipe ends it at its next event."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


class Strays:
    """The processes that come to this one until their end, as orphans of those that it starts. Linux alone can.

    Whatever starts processes beside it in this one does so before.
    """

    def __init__(self) -> None:
        _take_orphans(1)
        self._before = set(_children())

    def end(self) -> None:
        """End them, and what they have started; for at most 10 seconds, after which they are left."""
        deadline = time.monotonic() + _END_S
        while (strays := set(_children()) - self._before) and time.monotonic() < deadline:
            for stray in strays:
                with suppress(ProcessLookupError, ChildProcessError):
                    os.kill(stray, signal.SIGKILL)
                    # Their own come to this process as they end.
                    os.waitpid(stray, os.WNOHANG)
            time.sleep(_LOOK_S)
        # Those of others, for whose ends nobody here asks, would stay as zombies.
        _take_orphans(0)


def _take_orphans(takes: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, takes, 0, 0, 0)


def _children() -> Iterator[int]:
    """The processes whose parent this one is; none where the system does not tell."""
    for listed in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # of a thread that has ended
            yield from map(int, listed.read_text().split())
