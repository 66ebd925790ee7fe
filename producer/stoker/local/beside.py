"""What `stoker up` runs besides: the gateway with its console, and Flower, for people who look on."""

import importlib.util
import os
import select
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from ..settings import Settings
from .server import fresh_log
from .subprocesses import Subprocess, Supervised

GATEWAY = (sys.executable, "-m", "stoker.cli", "gateway")
FLOWER = (sys.executable, "-m", "stoker_workers.observe.flower")
_FLOWER_PORT = 5555
# A gateway ends its streams, and what it serves has so long.
_GRACE_S = 35.0
# By then it listens, or has ended.
_START_S = 120.0


@dataclass(frozen=True)
class Place:
    """Where one of them is.

    Attributes:
        name: "console", "gateway" or "flower".
        address: its URL; "" if it does not run.
        note: how to come in, or why it does not run.
    """

    name: str
    address: str
    note: str


def start_gateway(
    settings: Settings, environment: Mapping[str, str], say: Callable[[str], object]
) -> tuple[Supervised | None, list[Place]]:
    """A gateway, and where it and its console are; it starts again when it crashes.

    Args:
        environment: its variables.
        say: prints a line for the user, when it was started again and lets people in by another link.
    """
    host, port = settings.gateway_host, settings.gateway_port
    if why := _cannot("gateway", ("fastapi", "uvicorn", "httptools", "uvloop"), host, port, "STOKER_GATEWAY_PORT"):
        return None, [Place("console", "", why)]
    log, url = fresh_log(settings.home, "gateway"), f"http://{host}:{port}"

    def start() -> tuple[Subprocess, str]:
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as told:
            try:
                process = Subprocess(
                    [*GATEWAY, "--tell", str(writer)], log=log, environment=environment, keep_open=[writer]
                )
            finally:
                os.close(writer)
            # A line says where people come in, once it listens; the pipe ends if it does.
            is_told, _, _ = select.select([told], [], [], _START_S)
            return process, told.readline().decode().strip() if is_told else ""

    def restart() -> Subprocess:
        process, path = start()
        if path:
            say(f"The gateway was started again; its console, for whoever opens this first: {url}{path}")
        return process

    process, path = start()
    supervised = Supervised(process, restart, grace_s=_GRACE_S)
    if not path:
        return supervised, [Place("console", "", f"it does not start: see {log}")]
    how = "for whoever opens it first, within 15 minutes" if "?" in path else "log in with an API key"
    programs = Place("gateway", f"{url}/v1", "for programs with an API key")
    return supervised, [Place("console", url + path, how), programs]


def start_flower(settings: Settings, environment: Mapping[str, str]) -> tuple[Supervised | None, list[Place]]:
    """Flower, and where it is."""
    if why := _cannot("flower", ("flower",), "127.0.0.1", _FLOWER_PORT, ""):
        return None, [Place("flower", "", why)]
    log = fresh_log(settings.home, "flower")

    def start() -> Subprocess:
        return Subprocess(FLOWER, log=log, environment=environment)

    note = f"user stoker, password in {settings.home / 'flower' / 'password'}"
    return Supervised(start(), start, grace_s=_GRACE_S), [Place("flower", f"http://127.0.0.1:{_FLOWER_PORT}", note)]


def _cannot(extra: str, packages: Sequence[str], host: str, port: int, setting: str) -> str:
    """Why one cannot run here; "" if it can."""
    if any(importlib.util.find_spec(package) is None for package in packages):
        return f"not installed: pip install 'stoker[{extra}]'"
    try:
        with closing(socket.create_server((host, port), family=_family(host))):
            return ""
    except OSError as error:
        hint = f"; {setting} names another" if setting else ""
        return f"left out, for port {port} cannot be had ({os.strerror(error.errno or 0)}){hint}"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
