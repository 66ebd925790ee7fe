"""The processes of a chaos run, each started by its real command, and again whenever it has died."""

import os
import random
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import redis

from stoker.local.server import server_binary
from stoker.local.subprocesses import Subprocess
from stoker.settings import Settings

from .. import preloaded
from ..conftest import PATIENCE_S
from ..integration.conftest import SLOW
from .disk import Disk
from .network import PASSWORD, Namespaces, Network, Relays
from .plain import Redis

_WORKER, _CONTROLLER = "stoker_workers", "stoker_workers.controller"
_CALLERS = (sys.executable, str(Path(__file__).with_name("callers.py")))
_DRAINED_WITHIN_S = 75.0
# How long the callers' last round may take.
_ROUND_WITHIN_S = 180.0
_STORE_MB, _SCRATCH_MB = 512, 192


class Party:
    """One process with all its children.

    Attributes:
        restart_at: when it is started again after its death, by the monotonic clock; until then its orphans live.
        busy_until: when the fault that it suffers from is over.
    """

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name = name
        self.restart_at = self.busy_until = 0.0
        self._command = command
        self._environment = environment
        self._log = log
        self.start()

    def start(self) -> None:
        """Start it, once nothing is left of the one before."""
        self._process = Subprocess(self._command, log=self._log, environment=self._environment)

    @property
    def main(self) -> psutil.Process | None:
        """The process of its command; None if it has died."""
        with suppress(psutil.NoSuchProcess):
            for command in psutil.Process(self._process._watchdog.pid).children():
                return preloaded.program_of(command)
        return None

    def slots(self) -> list[psutil.Process]:
        """A worker's pool children."""
        with suppress(psutil.NoSuchProcess):
            return self.main.children() if self.main else []
        return []

    def runners(self) -> list[psutil.Process]:
        """The processes that its slots run jobs in, or predict in."""
        found: list[psutil.Process] = []
        for slot in self.slots():
            with suppress(psutil.NoSuchProcess):
                found += slot.children()
        return found

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the whole tree."""
        self._process._signal(os.killpg, number)

    def has_ended(self) -> bool:
        return self._process.wait(0) is not None

    def kill(self) -> None:
        """Kill it with all its children, and wait until nothing of them is left."""
        main = self.main
        self._process.kill()
        self._process.wait()
        psutil.wait_procs([main] if main else [])

    def stop(self, grace_s: float) -> None:
        self._process.stop(grace_s)


class Deployment:
    """Redis servers, controllers and workers for the length of a with block; afterwards nothing of it runs.

    Args:
        home: an empty folder: everything is below it.
        results: whether Celery's results have a server of their own.
        lease_s: as in `Settings`; shorter where faults must outlast it.
        disks: whether store and temporary files have disks of their own, which can be full or refuse writes.
        python: what runs workers and controllers: Python, or a stand-in for it where nobody looks at their processes.

    Attributes:
        store_disk, scratch_disk: these disks, if there are any.
        callers: the program that predicts and forks, once it was started.
    """

    def __init__(
        self,
        home: Path,
        *,
        workers: int,
        slots: int,
        controllers: int,
        namespaces: bool,
        results: bool = False,
        disks: bool = False,
        lease_s: float = 15.0,
        python: str = sys.executable,
    ) -> None:
        self.home = home
        self.effects = home / "effects"
        self.calls = home / "calls"
        self._scratch = home / "scratch"
        self._scratch.mkdir(parents=True)
        servers = ["redis", "results"] if results else ["redis"]
        self.network: Network
        if namespaces:
            self.network = Namespaces(f"sk{os.getpid() % 100}", {name: home / f"{name}.sock" for name in servers})
        else:
            self.network = Relays({name: _free_port() for name in servers})
        self.settings = Settings(
            redis_url=self.network.app_url("redis"),
            result_url=self.network.app_url("results") if results else None,
            home=home,
            lease_s=lease_s,
            part_s=1e-5,
            socket_timeout_s=3,
            data_roots=("/",),
        )
        self.store_disk = self._disk(self.store, _STORE_MB) if disks else None
        self.scratch_disk = self._disk(self._scratch, _SCRATCH_MB) if disks else None
        self.servers = [self._server(name) for name in servers]
        self.workers = [self._party(f"worker{n}", (python, "-m", _WORKER), slots) for n in range(workers)]
        self.controllers = [self._party(f"ctrl{n}", (python, "-m", _CONTROLLER), slots) for n in range(controllers)]
        self.callers: Party | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.callers:
            self.callers.kill()
        self.stop_workers(grace_s=0.1)
        for server in self.servers:
            server.stop(PATIENCE_S)
        for disk in (self.store_disk, self.scratch_disk):
            if disk:
                disk.close()
        self.network.close()

    @property
    def store(self) -> Path:
        """The folder of the artifact store."""
        return Path(self.settings.store)

    @property
    def parties(self) -> list[Party]:
        return [*self.servers, *self.workers, *self.controllers]

    @property
    def redis(self) -> Party:
        """The server that holds jobs and queues."""
        return self.servers[0]

    def connect(self, server: str = "redis") -> Redis:
        """A plain connection to a server, by the app's way."""
        return Redis(self.network.app_url(server))

    def connect_to_results(self) -> Redis:
        """A plain connection to the server that holds Celery's results."""
        return self.connect(self.servers[-1].name)

    def start_callers(self) -> None:
        """Start the program that predicts and forks, and wait for its first answers; there must be a model by now."""
        url = self.network.app_url("redis")
        environment = os.environ | self.settings.model_copy(update={"redis_url": url}).environment()
        self.callers = Party("callers", [*_CALLERS, str(self.calls)], environment, self._log("callers"))
        deadline = time.monotonic() + PATIENCE_S
        while not self.calls.exists():
            assert time.monotonic() < deadline, f"nobody answers the callers: see {self.home}/logs"
            time.sleep(0.1)

    def stop_callers(self) -> None:
        """Let the program end its round of calls, and end; a server that was killed last comes back for it."""
        assert self.callers
        with suppress(psutil.NoSuchProcess):
            if main := self.callers.main:
                main.terminate()
        deadline = time.monotonic() + _ROUND_WITHIN_S
        while not self.callers.has_ended() and time.monotonic() < deadline:
            self.supervise()
            time.sleep(0.1)
        self.callers.kill()

    def supervise(self) -> None:
        """Start again whatever has died and whose time has come."""
        for party in self.parties:
            if party.has_ended() and time.monotonic() >= party.restart_at:
                party.kill()
                party.start()

    def await_workers(self) -> None:
        """Wait until every worker has announced itself."""
        deadline = time.monotonic() + PATIENCE_S
        with self.connect() as client:
            while _announced(client) < len(self.workers):
                assert time.monotonic() < deadline, f"the workers did not come up: see {self.home}/logs"
                time.sleep(0.1)

    def stop_workers(self, grace_s: float = _DRAINED_WITHIN_S) -> None:
        """End workers and controllers by SIGTERM."""
        for party in [*self.workers, *self.controllers]:
            if party.main:
                with suppress(psutil.NoSuchProcess):
                    party.main.terminate()
        for party in [*self.workers, *self.controllers]:
            party.stop(grace_s)

    def processes(self) -> Iterator[psutil.Process]:
        """Every process on this machine that was started for this deployment and still runs."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("STOKER_HOME") == str(self.home) and process.status() != "zombie":
                    yield process

    def _disk(self, folder: Path, megabytes: int) -> Disk:
        folder.mkdir(parents=True, exist_ok=True)
        return Disk(folder, self.home / f"{folder.name}.img", megabytes)

    def _server(self, name: str) -> Party:
        folder = self.home / name
        folder.mkdir()
        config = folder / "server.conf"
        config.write_text(
            f"{self.network.server_config(name)}\nrequirepass {PASSWORD}\ndir {folder}\nappendonly yes\n"
            'appendfsync no\nsave ""\nmaxmemory-policy noeviction\n'
        )
        command = [*self.network.prefix(name), str(server_binary()), str(config)]
        environment = os.environ | {"STOKER_HOME": str(self.home)}
        return Party(name, command, environment, self._log(name))

    def _party(self, name: str, command: tuple[str, ...], slots: int) -> Party:
        return Party(name, [*self.network.prefix(name), *command], self._environment(name, slots), self._log(name))

    def _environment(self, name: str, slots: int) -> dict[str, str]:
        builders = ("chaos_builders:noted", "chaos_builders:poison", SLOW.target)
        urls = {"redis_url": self.network.url(name, "redis")}
        if self.settings.result_url:
            urls["result_url"] = self.network.url(name, "results")
        allowed = {"builders": builders, "functions": ("shop.costs:*",)}
        settings = self.settings.model_copy(update={**urls, **allowed, "slots": slots})
        here = Path(__file__).parent
        own = [here, here.parent / "integration", here.parent / "packages" / "shop"]
        path = os.pathsep.join([*map(str, own), os.environ.get("PYTHONPATH", "")])
        return os.environ | settings.environment() | {"PYTHONPATH": path, "TMPDIR": str(self._scratch)}

    def _log(self, name: str) -> Path:
        (self.home / "logs").mkdir(exist_ok=True)
        return self.home / "logs" / f"{name}.log"


def _announced(client: Redis) -> int:
    with suppress(redis.ConnectionError, redis.TimeoutError):
        return len(client.fields("stoker:workers"))
    return 0


def _free_port() -> int:
    """A port below those that the kernel gives to outgoing connections, as the local server chooses it."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20_000, 30_000)))
            return int(probe.getsockname()[1])
