"""The command line, run as often as tests like for the price of importing it once."""

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from . import preloaded

_COMMAND_S = 240.0
_START_S = 60.0
_FORK = get_context("fork")


def run(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run `stoker …` where this process is, with its environment and these variables, to its end.

    Programs that it becomes, as `stoker worker` does, are forked too.
    """
    return _command_line().run(*arguments, env=env, stdin=stdin)


def end() -> None:
    """End what has imported the command line, if anything was run."""
    if _command_line.cache_info().currsize:
        _command_line().close()
        _command_line.cache_clear()


@cache
def _command_line() -> "_CommandLine":
    return _CommandLine()


class _CommandLine:
    """Runs `stoker …`, each time in a new process, which is forked from one that has only imported it."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=False)
        self._process.start()
        theirs.close()

    def close(self) -> None:
        # A closed pipe would not tell: a fork of this process that a test has left has a copy of our end.
        self._pipe.send(None)
        self._pipe.close()
        self._process.join(_START_S)
        self._process.kill()

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        self._pipe.send((arguments, os.environ | (env or {}), Path.cwd(), stdin, preloaded.python()))
        assert self._pipe.poll(_START_S + _COMMAND_S), f"stoker {' '.join(arguments)} does not end"
        status, out, err = self._pipe.recv()
        return subprocess.CompletedProcess(arguments, status, out.decode(), err.decode())


def _serve(pipe: Connection) -> None:
    import stoker.cli  # noqa: F401

    while True:
        try:
            wanted = pipe.recv()
        except EOFError:
            return
        if wanted is None:
            return
        arguments, environment, folder, text, python = wanted
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(text.encode())
            given.seek(0)
            command = _FORK.Process(target=_main, args=(arguments, environment, folder, python, (given, out, err)))
            command.start()
            command.join(_COMMAND_S)
            command.kill()
            command.join()
            pipe.send((command.exitcode, _content(out), _content(err)))


def _main(
    arguments: tuple[str, ...], env: dict[str, str], folder: Path, python: str, streams: tuple[IO[bytes], ...]
) -> None:
    import stoker.cli

    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
    # multiprocessing has given its child nothing to read from.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv, sys.executable = ["stoker", *arguments], python
    stoker.cli.main()


def _content(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read()
