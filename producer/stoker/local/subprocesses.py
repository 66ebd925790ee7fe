"""Subprocesses that cannot outlive this process, and their supervision."""

import logging
import math
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from . import watchdog

# Where the system does not tell that a process has ended.
_POLL_S = 0.05
# Some limit must be named where there is none.
_LONGEST_POLL_S = 3600.0
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 30.0
# One that ran this long was healthy: the delays start again from the first.
_STEADY_S = 60.0

_log = logging.getLogger(__name__)


class Subprocess:
    """A command that cannot outlive this process. It has its own session: Ctrl-C in our terminal does not reach it.

    Args:
        command: the program and its arguments.
        name: its name in messages; by default its log's name.
        log: the file for its output; None for this process' stdout and stderr.
        environment: its environment variables; None for this process' own.
        keep_open: file descriptors that it inherits.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str = "",
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        keep_open: Sequence[int] = (),
    ) -> None:
        self.log = log
        self._reaping = threading.RLock()
        self.name = name or (log.stem if log else command[0])
        with log.open("ab") if log else nullcontext() as output:
            # The watchdog kills the command when this pipe closes, see watchdog.py. Its pid is also its process group.
            self._watchdog = subprocess.Popen(
                [sys.executable, "-I", "-S", watchdog.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT if log else None,
                env=environment,
                pass_fds=keep_open,
                start_new_session=True,
            )

    def wait(self, timeout_s: float | None = None) -> int | None:
        """The exit code, once its whole process group has ended; None if it still runs after `timeout_s`."""
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while (code := self._reaped()) is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return None
            self._await_change(left_s)
        return code

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._signal(os.kill, signal.SIGTERM)

    def stop(self, grace_s: float) -> None:
        """Send SIGTERM, and kill it if it still runs after `grace_s`."""
        self.terminate()
        self.await_end(grace_s)

    def await_end(self, grace_s: float) -> None:
        """Wait for its end after SIGTERM, and kill it if it still runs after `grace_s`."""
        if self.wait(grace_s) is None:
            _log.warning("%s still ran %g s after SIGTERM and is killed", self.name, grace_s)
            self.kill()
            self.wait()

    def kill(self) -> None:
        """Kill the command and all its children."""
        self._signal(os.killpg, signal.SIGKILL)

    def last_lines(self, count: int = 10) -> str:
        """The end of its log."""
        if self.log is None:
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def _signal(self, send: Callable[[int, int], None], number: int) -> None:
        # Once the watchdog is reaped, its pid may belong to another process.
        with self._reaping:
            if self._watchdog.returncode is None:
                send(self._watchdog.pid, number)

    def _await_change(self, most_s: float) -> None:
        """Sleep until the watchdog has ended, if the system can tell; else for a moment. At most for so long."""
        if not hasattr(os, "pidfd_open"):
            time.sleep(min(_POLL_S, most_s))
            return
        with self._reaping:
            if self._watchdog.returncode is not None:
                return
            ended = os.pidfd_open(self._watchdog.pid)
        try:
            waiting = select.poll()
            waiting.register(ended, select.POLLIN)
            waiting.poll(min(most_s, _LONGEST_POLL_S) * 1000)
        finally:
            os.close(ended)

    def _reaped(self) -> int | None:
        with self._reaping:
            if self._watchdog.returncode is None and _has_ended(self._watchdog):
                with suppress(ProcessLookupError):
                    os.killpg(self._watchdog.pid, signal.SIGKILL)
                self._watchdog.wait()
                assert self._watchdog.stdin
                self._watchdog.stdin.close()
            return self._watchdog.returncode


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended; it stays a zombie, so that its pid is not used again."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    # macOS before Python 3.13 can only reap it; there, a pid is used again only after all others.
    return process.poll() is not None


class Supervised:
    """Keeps a process running for the length of a with block: restarts it whenever it ends by itself.

    Each restart waits twice as long as the one before, from 0.2 s up to 30 s.

    Args:
        process: the running process.
        restart: starts it again.
        grace_s: seconds between SIGTERM and SIGKILL at the end of the block.
        final: exit codes after which it is not restarted.
    """

    def __init__(
        self, process: Subprocess, restart: Callable[[], Subprocess], *, grace_s: float, final: Collection[int] = ()
    ) -> None:
        self._process = process
        self._start_next = restart
        self._grace_s = grace_s
        self._final = final
        self._stopping = threading.Event()
        self._restarting = threading.Lock()
        self._watch = threading.Thread(target=self._keep_running, name=f"watch {process.name}", daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._stopping.is_set():
            self.terminate()
        self._process.await_end(self._grace_s)
        self._watch.join()

    @property
    def runs(self) -> bool:
        """Whether the process runs, or will be restarted."""
        return self._watch.is_alive()

    @property
    def exit_code(self) -> int | None:
        """The process's exit code; None if it still runs."""
        return self._process.wait(0)

    def terminate(self) -> None:
        """Send the process SIGTERM, and do not restart it."""
        with self._restarting:
            self._stopping.set()
        self._process.terminate()

    def kill(self) -> None:
        """Kill the process that runs now."""
        self._process.kill()

    def _keep_running(self) -> None:
        delay_s = _FIRST_DELAY_S
        while True:
            started = time.monotonic()
            code = self._process.wait()
            if self._stopping.is_set() or code in self._final:
                return
            if time.monotonic() - started > _STEADY_S:
                delay_s = _FIRST_DELAY_S
            where = f"; see {self._process.log}" if self._process.log else ""
            _log.warning(
                "%s ended with exit code %s and starts again in %g s%s", self._process.name, code, delay_s, where
            )
            if self._stopping.wait(delay_s):
                return
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
            self._restart()

    def _restart(self) -> None:
        with self._restarting:
            if self._stopping.is_set():
                return
            try:
                self._process = self._start_next()
            except OSError as error:
                # No memory or no process left: tried again after the next delay.
                _log.warning("%s cannot be started: %s", self._process.name, error)
