"""Runs a system and its callers: an environment with its packages, a Redis, its server, and a process that calls it."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

from stoker.local.server import local_server
from stoker.local.subprocesses import Subprocess, Supervised

from .checkouts import ROOT, Checkout
from .peers import Peer
from .venvs import python_for

_STOP_S = 15.0
# `stoker up` without what it runs besides, which older ones do not know how to leave out.
_UP = "from stoker.local import up; from stoker.settings import Settings; up(Settings())"
# Longer than the longest measurement, so that a system which lost a job ends it.
_LIMIT_S = 300.0
# So that none reports on its use, and none takes a GPU beside the others' cores.
_QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "CUDA_VISIBLE_DEVICES": "-1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


class CallerFailed(Exception):
    """The process of the callers ended before it gave its figures."""


class Callers:
    """A process with callers of one system, which takes one measurement after another.

    Attributes:
        pid: of the process.
        url: what it was told to call.
    """

    def __init__(self, peer: Peer, python: Path, url: str, environment: Mapping[str, str], log: Path) -> None:
        self.url = url
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [str(python), "-m", "bench.caller", peer.adapter, url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def measure(self, what: str, **arguments: Any) -> Any:
        """Take a measurement: a method of `bench.caller.Measurements`, with its arguments.

        Raises:
            CallerFailed: there were no figures within five minutes, or the process ended.
        """
        assert self._process.stdin
        assert self._process.stdout
        watch = threading.Timer(_LIMIT_S, self._process.kill)
        watch.start()
        try:
            self._process.stdin.write(json.dumps({"measure": what, **arguments}) + "\n")
            self._process.stdin.flush()
            figures = self._process.stdout.readline()
        except BrokenPipeError:
            figures = ""
        finally:
            watch.cancel()
        if not figures:
            last = self._log.read_text(errors="replace").splitlines()[-8:]
            raise CallerFailed(f"no figures for {what}; the end of its log:\n" + "\n".join(last))
        return json.loads(figures)


@contextmanager
def running(peer: Peer, folder: Path, models: Path | None = None, *, serving: bool = True) -> Iterator[Callers]:
    """A reference with its server and callers, which have been answered once.

    Args:
        folder: for its logs and its Redis.
        models: the folder of the models to serve, if any; see `bench.models`.
        serving: whether anything runs the jobs.

    Raises:
        CallerFailed: it does not come up.
        subprocess.CalledProcessError: it cannot be installed.
    """
    python = python_for(peer.folder)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    with ExitStack() as stack:
        url = _free_url() if peer.listens else stack.enter_context(local_server(folder / "home"))
        environment = environment_for(url, models) | {"PYTHONPATH": str(ROOT)}
        for _ in range(peer.serves if serving else 0):
            program, *arguments = (word.format(url=url, port=url.rpartition(":")[2]) for word in peer.serve)
            command = [str(python.with_name(program)), *arguments]
            start = partial(Subprocess, command, log=log, environment=environment)
            # A server that picks its ports at random may find one taken, and comes up the next time.
            stack.enter_context(Supervised(start(), start, grace_s=_STOP_S))
        callers = stack.enter_context(Callers(peer, python, url, environment, log))
        if serving:
            callers.measure("warm")
        yield callers


@contextmanager
def running_stoker(
    peer: Peer,
    checkout: Checkout,
    folder: Path,
    names: Sequence[str],
    settings: dict[str, str],
    *,
    serving: bool = True,
) -> Iterator[Callers]:
    """A Stoker that has trained the models, with a worker, a controller and callers.

    Args:
        folder: its home, and the place for the models that it trained.
        names: of the models.
        settings: its STOKER_… variables, besides those for this.
        serving: whether anything runs the jobs, once the models are trained.

    Raises:
        CallerFailed: it does not answer.
        subprocess.CalledProcessError: it cannot train the models.
    """
    models = folder / "models"
    models.mkdir(parents=True)
    with ExitStack() as stack:
        url = stack.enter_context(local_server(folder))
        place = {"STOKER_HOME": str(folder), "STOKER_REDIS_URL": url, "STOKER_DATA_ROOTS": "/"}
        environment = environment_for(url, models) | checkout.environment() | settings | place
        python = str(checkout.python)
        with ExitStack() as training:
            command = [python, "-c", _UP]
            start = partial(Subprocess, command, log=folder / "log", environment=environment)
            training.enter_context(Supervised(start(), start, grace_s=_STOP_S))
            uncalled = [] if serving else ["--uncalled"]
            subprocess.run([python, "-m", "bench.models", str(models), *names, *uncalled], env=environment, check=True)
            if serving:
                stack.push(training.pop_all())
        callers = stack.enter_context(Callers(peer, checkout.python, url, environment, folder / "callers.log"))
        if serving:
            callers.measure("warm")
        yield callers


def environment_for(url: str, models: Path | None) -> dict[str, str]:
    """What a system's processes find in their environment."""
    found = {"BENCH_MODELS": str(models)} if models else {}
    return os.environ | _QUIET | found | {"BENCH_URL": url}


def _free_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
