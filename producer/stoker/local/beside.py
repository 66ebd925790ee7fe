"""What `stoker up` runs besides: the gateway with its console, and Flower, for people who look on."""

import importlib.util
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import IO

from ..settings import Settings
from .server import fresh_log, logging_to
from .subprocesses import Subprocess, Supervised

GATEWAY = (sys.executable, "-m", "stoker.gateway")
FLOWER = (sys.executable, "-m", "stoker_workers.observe.flower")
_FLOWER_HOST = "127.0.0.1"
# A gateway ends its streams, and what it serves has so long.
_GRACE_S = 35.0


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


@dataclass(frozen=True)
class Started:
    """One of them, about to run.

    Attributes:
        supervised: its process; None if it cannot run here.
        listens: can be read once it listens or has ended; None for one that is not waited for.
        places: where it is, to be asked for when `listens` can be read.
    """

    supervised: Supervised | None
    listens: IO[bytes] | None
    places: Callable[[], list[Place]]


def start_gateway(settings: Settings, environment: Mapping[str, str], say: Callable[[str], object]) -> Started:
    """A gateway with its console; it starts again when it crashes.

    Args:
        environment: its variables.
        say: prints a line for the user, when it was started again and lets people in by another link.
    """
    host, port = settings.gateway_host, settings.gateway_port
    if why := _cannot("gateway", ("fastapi", "uvicorn", "httptools", "uvloop"), host, port, "STOKER_GATEWAY_PORT"):
        return Started(None, None, lambda: [Place("console", "", why)])
    log, url = fresh_log(settings.home, "gateway"), f"http://{host}:{port}"

    def start() -> tuple[Subprocess, IO[bytes]]:
        reader, writer = os.pipe()
        try:
            process = Subprocess(
                [*GATEWAY, "--tell", str(writer)],
                log=log,
                environment=logging_to(log, environment),
                keep_open=[writer],
            )
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        return process, os.fdopen(reader, "rb")

    def restart() -> Subprocess:
        process, listens = start()
        threading.Thread(target=say_again, args=(listens,), name="gateway listens", daemon=True).start()
        return process

    def say_again(listens: IO[bytes]) -> None:
        if path := _path(listens):
            say(f"The gateway was started again; its console, for whoever opens this first: {url}{path}")

    process, listens = start()

    def places() -> list[Place]:
        path = _path(listens)
        if not path:
            return [Place("console", "", f"it does not start: see {log}")]
        how = "for whoever opens it first, within 15 minutes" if "?" in path else "log in with an API key"
        programs = Place("gateway", f"{url}/v1", "for programs; `stoker gateway new-key NAME` makes an API key")
        return [Place("console", url + path, how), programs]

    return Started(Supervised(process, restart, grace_s=_GRACE_S), listens, places)


def _path(listens: IO[bytes]) -> str:
    """The path of the console, once a gateway listens; "" if that has ended."""
    with listens:
        return listens.readline().decode().strip()


def start_flower(settings: Settings, environment: Mapping[str, str], gateway: Started | None = None) -> Started:
    """Flower; it starts again when it crashes.

    Args:
        gateway: what runs besides, and may be about to take Flower's port.
    """
    port = settings.flower_port
    if gateway and gateway.supervised and port == settings.gateway_port:
        why = f"left out, for port {port} is the gateway's; STOKER_FLOWER_PORT names another"
        return Started(None, None, lambda: [Place("flower", "", why)])
    if why := _cannot("flower", ("flower",), _FLOWER_HOST, port, "STOKER_FLOWER_PORT"):
        return Started(None, None, lambda: [Place("flower", "", why)])
    log = fresh_log(settings.home, "flower")

    def start() -> Subprocess:
        return Subprocess(FLOWER, log=log, environment=logging_to(log, environment))

    note = f"user stoker, password in {settings.home / 'flower' / 'password'}"
    place = Place("flower", f"http://{_FLOWER_HOST}:{port}", note)
    return Started(Supervised(start(), start, grace_s=_GRACE_S), None, lambda: [place])


def _cannot(extra: str, packages: Sequence[str], host: str, port: int, setting: str) -> str:
    """Why one cannot run here; "" if it can."""
    if any(importlib.util.find_spec(package) is None for package in packages):
        return f"not installed: pip install 'stoker[{extra}]'"
    try:
        with closing(socket.create_server((host, port), family=_family(host))):
            return ""
    except OSError as error:
        return f"left out, for port {port} cannot be had ({os.strerror(error.errno or 0)}); {setting} names another"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
