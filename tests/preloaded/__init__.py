"""Stoker's programs, started as often as tests like for the price of importing TensorFlow once.

For tests that judge what a running program does. Those that judge its start, or what its process is, start Python.
"""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import psutil

from stoker.local.subprocesses import Subprocess

_FOLDER = Path(__file__).parent
# The variable with the stand-in that pytest's processes share.
_SHARED = "PRELOADED_PYTHON"


def share() -> None:
    """Have one process forked for all that this process is yet to start; it imports nothing before it is asked to."""
    os.environ[_SHARED] = _template().stand_in


def gateways(specs: Sequence[str]) -> list[str]:
    """Those specs of execnet by which pytest's own processes are forked as well, rather than each import TensorFlow."""
    return [f"popen//python={python()}" if spec == "popen" else spec for spec in specs]


def python() -> str:
    """A stand-in for Python, whose `-m MODULE` forks a process that has imported Stoker."""
    return os.environ.get(_SHARED) or _template().stand_in


def program_of(command: psutil.Process) -> psutil.Process:
    """The process that a stand-in stands for; of any other command the process itself."""
    said, _, pid = command.name().partition(" ")
    return psutil.Process(int(pid)) if said == "of" else command


def end() -> None:
    """End the process that is forked, if this one has started it, and all that it has started."""
    if _template.cache_info().currsize:
        _template().close()
        _template.cache_clear()


@cache
def _template() -> "_Template":
    return _Template()


class _Template:
    """The process that is forked, and the folder with its clients' program."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="preloaded-"))
        program = self._folder / "python"
        program.write_text(f"#!{sys.executable} -IS\n{(_FOLDER / 'client.py').read_text()}")
        program.chmod(0o700)
        self.stand_in = str(program)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(self._folder / "socket"))
            listener.listen()
            command = [sys.executable, str(_FOLDER / "template.py"), self.stand_in, str(listener.fileno())]
            self._process = Subprocess(
                command,
                log=self._folder / "log",
                environment=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
                keep_open=[listener.fileno()],
            )

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder)
