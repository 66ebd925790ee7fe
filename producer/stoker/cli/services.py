"""`stoker demo`, `up`, `worker`, `controller`, `flower`: the commands that run processes."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ..errors import Unavailable
from ..local import up as run_local
from ..security.securing import secure
from ..settings import Settings
from .output import say

Secure = Annotated[
    bool,
    typer.Option(
        "--secure",
        help="From now on sign jobs, results and models, encrypt artifacts, and note who does what: makes the keys, "
        "and the settings, which all commands and clients of this home folder find.",
    ),
]


def demo(secured: Secure = False) -> None:
    """Train, evaluate and use a model on real data, on a server and a worker started for it.

    Uses the ones of `stoker up` where that runs already.
    """
    _secure(secured)
    _become("stoker_workers.demo")


def up(
    secured: Secure = False,
    gateway: Annotated[
        bool, typer.Option("--gateway/--no-gateway", help="Whether to run the gateway with its console, too.")
    ] = True,
    flower: Annotated[bool, typer.Option("--flower/--no-flower", help="Whether to run Flower, too.")] = True,
) -> None:
    """Run everything on this machine: a Redis server of its own, a controller, a CPU worker, the console, until Ctrl-C.

    Needs no set-up; its data stay under STOKER_HOME. With STOKER_REDIS_URL set, it runs no server. What of gateway and
    Flower is not installed is left out, and it says so.
    """
    _need_tensorflow()
    _secure(secured)
    settings = Settings()
    settings.log("up").begin()
    run_local(settings, gateway=gateway, flower=flower, say=say)


def worker(
    device: Annotated[
        str,
        typer.Option(help="cpu, gpu (every GPU), gpu:0 (or another number) or tpu; auto is the CPU and every GPU."),
    ] = "auto",
    slots: Annotated[
        int | None,
        typer.Option(
            min=1, help="Jobs at once on each device; if not given, one per core, at least 2, or one per GPU."
        ),
    ] = None,
) -> None:
    """Run this node: a worker for each device, until Ctrl-C or SIGTERM; running jobs then go back to their queue.

    They save a checkpoint first. A second SIGTERM does not wait for them.
    """
    if slots is not None:
        os.environ["STOKER_SLOTS"] = str(slots)
    _become("stoker_workers.node", "--device", device)


def controller() -> None:
    """Run a controller until Ctrl-C: it hands on the jobs of lost workers and starts those whose time has come.

    Several may run; one leads, and another takes over within seconds when it dies.
    """
    if importlib.util.find_spec("prometheus_client") is None:
        raise Unavailable("the controller's metrics need a package: pip install 'stoker[controller]'")
    os.execv(sys.executable, [sys.executable, "-m", "stoker_workers.controller"])


def flower(
    address: Annotated[
        str | None, typer.Option(help="Where it listens; 127.0.0.1 if not given.", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="STOKER_FLOWER_PORT if not given.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Flower's options, in a file like config/flowerconfig.py.", show_default=False),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(help="Where the password of the user stoker stands; else one is made.", show_default=False),
    ] = None,
) -> None:
    """Watch jobs, lanes, queues and workers in a browser, until Ctrl-C. It asks for a login, always."""
    if importlib.util.find_spec("flower") is None:
        raise Unavailable("Flower is not installed here: pip install 'stoker[flower]'")
    options = {"--address": address, "--port": port, "--config": config, "--password-file": password_file}
    arguments = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    os.execv(sys.executable, [sys.executable, "-m", "stoker_workers.observe.flower", *arguments])


def _secure(secured: bool) -> None:
    if secured and secure(settings := Settings()):
        say(f"Secured: with {settings.home}, jobs, results and models are signed, artifacts encrypted, and it is noted")
        say(f"who does what. Keep a copy of {settings.home / 'keys'}: without artifacts.key nobody can read artifacts.")


def _become(module: str, *arguments: str) -> NoReturn:
    """Replace this process by one of the heavy half, which this half must not import."""
    _need_tensorflow()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def _need_tensorflow() -> None:
    if importlib.util.find_spec("tensorflow") is None:
        raise Unavailable("TensorFlow is not installed here, and running jobs needs it: pip install 'stoker[worker]'")
