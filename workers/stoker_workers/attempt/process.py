"""Forking a child from a slot: it dies with its parent, starts with clean signals and talks over a pipe."""

import logging
import multiprocessing.process
import os
import signal
import sys
import time
from contextlib import ExitStack, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol

from stoker.outages import Dependency, needing, temporary_folder

from ..ml.optimisation.strays import die_with
from .scratch import Scratch

# How long a killed child may take to end.
_END_S = 1.0
_FORK = get_context("fork")
# Between two looks whether a child has ended.
_LOOK_S = 0.01
_OF_JOBS = "%(levelname)s %(name)s: %(message)s"


class Main(Protocol):
    """What the child executes, with its end of the pipe."""

    def __call__(self, pipe: Connection, *arguments: Any) -> None: ...


class ForkedProcess:
    """A forked child at the other end of a two-way pipe, with a folder of its own for temporary files.

    It leads a group of processes: what it starts ends with it, unless that has left the group.

    Args:
        output: file descriptor that takes what the child prints; None leaves it where the parent's goes.

    Raises:
        DependencyUnavailable: there is no room for that folder.
    """

    def __init__(self, main: Main, *arguments: Any, output: int | None = None) -> None:
        self._code: int | None = None
        with ExitStack() as undo:
            # Ours, so that it goes even if the child is killed.
            with needing(Dependency.DISK, temporary_folder()):
                self._scratch = Scratch()
            undo.callback(self._scratch.remove)
            self.pipe, theirs = _FORK.Pipe()
            undo.callback(self.pipe.close)
            with theirs:
                arguments = (os.getpid(), self._scratch, theirs, output, main, arguments)
                self._process = _FORK.Process(target=_main, args=arguments)
                self._process.start()
            # Else the start of any other would reap this one once it has ended: how it did would be lost, and its id
            # might be that of a stranger.
            multiprocessing.process._children.discard(self._process)  # type: ignore[attr-defined]  # noqa: SLF001
            undo.pop_all()

    @property
    def pid(self) -> int:
        """The child's process id, which is its group's, too."""
        assert self._process.pid is not None
        return self._process.pid

    def kill(self) -> None:
        """End the child and its group at once."""
        # Once it is reaped, its id may be that of a stranger.
        if self._code is None:
            self._process.kill()
            # Until it leads a group, it has started nothing.
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def has_ended(self) -> bool:
        """Whether the child has; its pipe need not have, as long as something that it has forked holds the end."""
        if self._code is None and hasattr(os, "waitid"):
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        # macOS before Python 3.13 cannot ask without reaping; its ids come round again only after all others.
        return self._process.exitcode is not None

    def abandon(self) -> None:
        """End the child, and do not wait long for that: while its file system is away, not even a kill ends it."""
        self.kill()
        if self.join(_END_S):
            self.close()

    def join(self, timeout_s: float | None = None) -> str | None:
        """How the child ended, in words; None if it has not after `timeout_s`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self.has_ended():
            if deadline is not None and time.monotonic() > deadline:
                return None
            time.sleep(_LOOK_S)
        code = self._reap()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"

    def close(self) -> None:
        """End the child if it still runs, free the pipe and delete what the child has left in its folder."""
        self._reap()
        self._process.close()
        self.pipe.close()
        self._scratch.remove()

    def _reap(self) -> int:
        """How the child has ended, once it has been made to, with its group."""
        self.kill()
        self._process.join()
        assert self._process.exitcode is not None
        self._code = self._process.exitcode
        return self._code


def _main(
    parent: int, scratch: Scratch, pipe: Connection, output: int | None, main: Main, arguments: tuple[Any, ...]
) -> None:
    die_with(parent)
    os.setsid()
    scratch.adopt()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT):
        signal.signal(name, signal.SIG_DFL)
    if output is not None:
        for stream in (1, 2):
            os.dup2(output, stream)
        os.close(output)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    # The descriptor 2 is left to native code, whose lines are led into the log: see `stderr_logged`.
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    if output is not None:
        # A job's lines have their own form, by which they get their levels; others log as what has forked them.
        logging.basicConfig(stream=sys.stderr, format=_OF_JOBS, level=logging.INFO, force=True)
    try:
        main(pipe, *arguments)
    finally:
        scratch.remove()
