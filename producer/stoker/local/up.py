"""`stoker up`: the local Redis server, a controller and a worker, kept running until Ctrl-C."""

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import StokerError
from ..models.store import Store
from ..settings import Settings
from ..urls import masked
from .beside import Started, start_flower, start_gateway
from .lock import lock
from .server import fresh_log, local_server, logging_to
from .subprocesses import Subprocess, Supervised

# Longer than a worker takes to drain: it gives its jobs a minute to save a checkpoint.
_DRAIN_S = 75.0


class AlreadyRunning(StokerError):
    """Another process runs a local stack in this home."""


class LocalStack:
    """Redis, a controller and one worker on this machine, as children of this process, for the length of a with block.

    They get the settings by environment variables. Each is restarted when it crashes, and none outlives this process,
    even if it is killed; their data stay under `settings.home`. With a `redis_url` in the settings there is no local
    server.

    Args:
        worker: the command that runs the worker; None for what `stoker worker` becomes.
        controller: the command that runs the controller; None for what `stoker controller` becomes.

    Attributes:
        redis_url: the Redis that the worker uses, once the block is entered.
        environment: the variables that its processes get, once the block is entered.
    """

    redis_url: str
    environment: dict[str, str]

    def __init__(
        self, settings: Settings, *, worker: Sequence[str] | None = None, controller: Sequence[str] | None = None
    ) -> None:
        self._settings = settings
        self._commands = {
            "controller": controller or (sys.executable, "-m", "stoker_workers.controller"),
            "worker": worker or (sys.executable, "-m", "stoker_workers.node"),
        }

    def __enter__(self) -> Self:
        """Start them all.

        Raises:
            AlreadyRunning: a stack runs in this home already.
            Unavailable: the server does not start.
        """
        home = self._settings.home
        with ExitStack() as stack:
            stack.enter_context(exclusive(home))
            self.redis_url = self._settings.redis_url or stack.enter_context(local_server(home))
            # Once workers run, a folder that is not there counts as gone; what is wrong with it, they say.
            if folder := Store(self._settings.store_place).folder:
                with suppress(OSError):
                    folder.mkdir(parents=True, exist_ok=True)
            environment = os.environ | self._settings.environment() | {"STOKER_REDIS_URL": self.redis_url}
            # Only this user has the local server's password, and may read and write all these files anyway.
            for roots in ("data_roots", "export_roots"):
                if self._settings.redis_url is None and self._settings.origin(roots) == "default":
                    environment[f"STOKER_{roots.upper()}"] = "/"

            self.environment = environment

            def supervised(name: str) -> Supervised:
                command, log = self._commands[name], fresh_log(home, name)

                def start() -> Subprocess:
                    return Subprocess(command, log=log, environment=logging_to(log, environment))

                return stack.enter_context(Supervised(start(), start, grace_s=_DRAIN_S))

            supervised("controller")
            self._worker = supervised("worker")
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Drain the worker, then end the controller, then the server."""
        self._running.close()

    def hurry(self) -> None:
        """Kill the worker without a drain; its jobs go on when their leases run out."""
        self._worker.kill()


def up(
    settings: Settings,
    *,
    worker: Sequence[str] | None = None,
    gateway: bool = False,
    flower: bool = False,
    say: Callable[[str], object] = print,
) -> None:
    """Run the local stack until Ctrl-C or SIGTERM, then end it in order; a second signal does not wait for jobs.

    To be called from the main thread.

    Args:
        worker: see `LocalStack`.
        gateway: whether to run a gateway with its console besides, if it is installed.
        flower: whether to run Flower besides, if it is installed.
        say: prints a line for the user.

    Raises:
        AlreadyRunning: a stack runs in this home already.
        Unavailable: the server does not start.
    """
    reader, writer = os.pipe()
    # A signal handler may take no lock, which the main thread could hold: so it only writes to a pipe.
    with (
        os.fdopen(reader, "rb", buffering=0) as signals,
        os.fdopen(writer, "wb", buffering=0) as handler,
        _at_stop_signals(lambda: handler.write(b".")),
        LocalStack(settings, worker=worker) as stack,
        ExitStack() as beside,
    ):
        started = [start_gateway(settings, stack.environment, say)] if gateway else []
        started += [start_flower(settings, stack.environment, *started)] if flower else []
        for each in started:
            if each.supervised:
                beside.enter_context(each.supervised)
        logs = settings.home / "logs"
        say(f"Stoker is up: Redis at {masked(stack.redis_url)}, and a worker that logs to {logs}. Ctrl-C ends it.")
        if _listen_all(started, signals):
            for place in (place for each in started for place in each.places()):
                say(f"  {place.name:8} {place.address}{'  ' * bool(place.address)}({place.note})")
            signals.read(1)
        beside.close()
        say("Ending: running jobs go back to their queue. A second Ctrl-C does not wait for them.")
        with _at_stop_signals(stack.hurry):
            stack.stop()


def _listen_all(started: Sequence[Started], signals: FileIO) -> bool:
    """Wait until each of them listens or has ended; whether no signal came before."""
    return all(signals not in select.select([each.listens, signals], [], [])[0] for each in started if each.listens)


@contextmanager
def _at_stop_signals(handler: Callable[[], object]) -> Iterator[None]:
    """Call `handler` at every Ctrl-C and SIGTERM."""
    before = {number: signal.signal(number, lambda *_: handler()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Be the only local stack of this home, or keep others from starting meanwhile.

    Raises:
        AlreadyRunning: a stack runs in this home.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / "up.lock"
    lock_file = lock(path)
    if lock_file is None:
        raise AlreadyRunning(
            f"a local stack already runs in {home} ({path.read_text()}); use that one, or set another STOKER_HOME"
        )
    with lock_file:
        lock_file.truncate(0)
        lock_file.write(f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        lock_file.flush()
        yield
