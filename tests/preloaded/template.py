"""The process that has imported Stoker's programs, TensorFlow included, and forks one for each command of a client.

A client's command is a module, or the code of a gateway of execnet: one of pytest's processes.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from selectors import EVENT_READ, DefaultSelector
from typing import Any

_IMPORTS = ("stoker_workers.worker.app", "stoker_workers.controller.controller", "stoker_workers.node.agent")
# Has a limit of seconds for each of a model's measurements; what tests of running programs judge takes a moment.
_MEASURES, _MOMENT_S = "stoker_workers.ml.evaluation.efficiency", 0.02
_LARGEST_COMMAND = 1 << 20
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class _Program:
    """A forked process, which leads a group, and the client that stands for it."""

    pid: int
    pid_file: int
    client: socket.socket

    def obey(self) -> bool:
        """Pass the client's signal on; gives whether there is still a client."""
        try:
            number = self.client.recv(1)
        except ConnectionError:
            number = b""
        with suppress(ProcessLookupError):
            if number:
                os.kill(self.pid, number[0])
            else:
                os.killpg(self.pid, signal.SIGKILL)
        return bool(number)

    def reap(self) -> None:
        """Once it has ended: end what is left of its group, and tell the client how it has."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        with suppress(OSError):
            self.client.send(str(os.waitstatus_to_exitcode(status)).encode())
        self.client.close()
        os.close(self.pid_file)


def main(stand_in: str, listener: socket.socket) -> None:
    """Serve clients, and in each forked process do what its client was asked to."""
    template = os.getpid()
    # Perhaps nobody ever comes.
    select.select([listener], [], [])
    gc.disable()
    for name in _IMPORTS:
        importlib.import_module(name)
    measures = importlib.import_module(_MEASURES)
    gc.freeze()
    command = _next(listener)
    # The template's files are not this process's.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    # As Python would have found it all at its start.
    os.environ.clear()
    os.environ.update(command["environment"])
    os.chdir(command["folder"])
    sys.path[:1] = [command["folder"], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    tempfile.tempdir = None
    # Those that there are take files of other kinds for the template's.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    gc.enable()
    # Nor does it outlive a template that was killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == template:
        match command["arguments"]:
            case ["-m", module, *arguments]:
                # What it starts from Python starts the stand-in.
                sys.executable = stand_in
                sys.argv[1:] = arguments
                measures._LIMIT_S = _MOMENT_S  # type: ignore[attr-defined]
                _end(_status(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True)))
            case [_, option, code]:
                sys.argv = [option]
                sys.modules["__main__"] = alone = types.ModuleType("__main__")
                _end(_status(lambda: exec(code, vars(alone))))


def _status(program: Callable[[], object]) -> int:
    """Run a program; gives its exit status."""
    try:
        program()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001  # the process's edge
        traceback.print_exc()
        return 1
    return 0


def _end(status: int) -> None:
    """End as Python does, but for native code, which would wait for threads that only the template has."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _next(listener: socket.socket) -> dict[str, Any]:
    """Fork a process for each client; gives what the client wants, in that process alone."""
    with listener, DefaultSelector() as selector:
        selector.register(listener, EVENT_READ)
        while True:
            # One at a time: what is done about it may make other events void.
            key, _ = selector.select()[0]
            program: _Program | None = key.data
            if program is None:
                client, _ = listener.accept()
                message, files, _, _ = socket.recv_fds(client, _LARGEST_COMMAND, 3)
                pid = os.fork()
                if not pid:
                    os.setpgid(0, 0)
                    for number, file in enumerate(files):
                        os.dup2(file, number)
                    command: dict[str, Any] = json.loads(message)
                    return command
                for file in files:
                    os.close(file)
                with suppress(OSError):
                    client.send(str(pid).encode())
                program = _Program(pid, os.pidfd_open(pid), client)
                selector.register(client, EVENT_READ, program)
                selector.register(program.pid_file, EVENT_READ, program)
            elif key.fd == program.pid_file:
                with suppress(KeyError):
                    selector.unregister(program.client)
                selector.unregister(program.pid_file)
                program.reap()
            elif not program.obey():
                selector.unregister(program.client)


if __name__ == "__main__":
    main(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
