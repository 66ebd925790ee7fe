"""The agent of a node, `stoker worker`: one Celery worker for each device, watched over. It never loads TensorFlow."""

import argparse
import importlib.util
import logging
import os
import platform
import re
import select
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stoker.errors import StokerError
from stoker.local import redis_url_of
from stoker.local.child import Child, Supervised
from stoker.settings import Settings
from stoker.terminal import exits

from ..observe.logs import log_to_stderr
from ..observe.metrics import NodeCollector, served
from . import machine
from .machine import Nvml, Probe

_log = logging.getLogger(__name__)
WORKER = (sys.executable, "-m", "stoker_workers")
# A little longer than a worker takes at most to hand its jobs back.
_DRAIN_S = 72.0
_LOOK_S = 0.5
_DEVICE = re.compile(r"auto|cpu|gpu|gpu:\d+|tpu")


class NoDevice(StokerError):
    """The device asked for is not there."""


@dataclass(frozen=True)
class Post:
    """A worker to run.

    Attributes:
        device: what it serves: cpu, gpu:<number> or tpu.
        environment: what its processes find there, beside ours.
    """

    device: str
    environment: Mapping[str, str] = field(default_factory=dict)


def posts(device: str, probe: Probe) -> list[Post]:
    """The workers for the devices asked for.

    Args:
        device: auto (the CPU and every GPU), cpu, gpu (every GPU), gpu:<number> or tpu.

    Raises:
        NoDevice: there is no such GPU here.
    """
    # No GPU is visible to the CPU's worker: TensorFlow would take memory of it.
    cpu = Post("cpu", {"CUDA_VISIBLE_DEVICES": "-1"})
    if device == "cpu":
        return [cpu]
    if device == "tpu":
        return [Post("tpu")]
    gpus = probe.gpus()
    wanted = [gpu for gpu in gpus if device in ("auto", "gpu", f"gpu:{gpu.index}")]
    if device == "auto":
        return [cpu, *map(_gpu_post, wanted)]
    if not wanted:
        found = ", ".join(f"gpu:{gpu.index}" for gpu in gpus) or "none"
        raise NoDevice(
            f"there is no {device} for this process; found: {found}. Look at `nvidia-smi` and CUDA_VISIBLE_DEVICES, "
            "and see that stoker[gpu] is installed"
        )
    return list(map(_gpu_post, wanted))


def _gpu_post(gpu: machine.Gpu) -> Post:
    # With memory growth, several slots share a GPU; without, the first one would take all of its memory.
    pinned = {"CUDA_VISIBLE_DEVICES": gpu.id, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    return Post(f"gpu:{gpu.index}", pinned | {"LD_LIBRARY_PATH": _library_path()})


def _library_path() -> str:
    """Where the loader finds CUDA's libraries: what the environment names, then what pip has installed.

    Of the latter, TensorFlow itself looks for some in the wrong place.
    """
    spec = importlib.util.find_spec("nvidia")
    roots = (spec and spec.submodule_search_locations) or ()
    installed = sorted(str(folder) for root in roots for folder in Path(root).glob("*/lib"))
    return os.pathsep.join([*filter(None, [os.environ.get("LD_LIBRARY_PATH")]), *installed])


def run(posts: Sequence[Post], *, command: Sequence[str] = WORKER) -> int:
    """Run workers until SIGTERM or Ctrl-C, or until all have ended by themselves; gives the exit status.

    One that crashes is started again. The first signal drains all of them at once, each further one hurries them.
    To be called from the main thread.

    Args:
        command: the program that runs one worker.
    """
    share = (machine.memory_bytes() or 0) // len(posts)
    gpus = sum(post.device.startswith("gpu") for post in posts)
    asked, ask = os.pipe()
    # A signal handler may take no lock, which the main thread could be holding: so it only writes to a pipe.
    with ExitStack() as stack:
        stack.callback(os.close, asked)
        stack.callback(os.close, ask)
        stack.enter_context(_at_stop_signals(ask))
        workers = [stack.enter_context(_supervised(post, command, share, gpus)) for post in posts]
        while any(worker.runs for worker in workers):
            if select.select([asked], [], [], _LOOK_S)[0]:
                os.read(asked, 1)
                for worker in workers:
                    worker.terminate()
    return next((code for worker in workers if (code := worker.exit_code)), os.EX_OK)


def _supervised(post: Post, command: Sequence[str], memory_bytes: int, gpus: int) -> Supervised:
    memory = ["--memory", str(memory_bytes)] if memory_bytes else []
    arguments = [*command, "--device", post.device, *memory, "--node-gpus", str(gpus)]
    environment = os.environ | post.environment

    def start() -> Child:
        return Child(arguments, name=f"worker {post.device}", environment=environment)

    return Supervised(start(), start, grace_s=_DRAIN_S, final=(os.EX_OK, os.EX_CONFIG))


@contextmanager
def _at_stop_signals(ask: int) -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: os.write(ask, b".")) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _device(text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no device: auto, cpu, gpu, gpu:0 (or another number) or tpu")
    return text


def main() -> int:
    """Run the workers of this node with the settings of the environment."""
    parser = argparse.ArgumentParser(prog="python -m stoker_workers.node", description=__doc__)
    parser.add_argument("--device", type=_device, default="auto")
    arguments = parser.parse_args()
    log_to_stderr()
    return exits.status(lambda: _run(Settings(), arguments.device))


def _run(settings: Settings, device: str) -> int:
    try:
        found = posts(device, Nvml())
    except NoDevice as error:
        exits.say(error)
        return os.EX_CONFIG
    redis_url = redis_url_of(settings)
    with ExitStack() as stack:
        if settings.node_metrics_port is not None:
            stack.enter_context(_metrics(settings, redis_url, found, settings.node_metrics_port))
        _log.info("this node runs: %s", ", ".join(post.device for post in found))
        return run(found)


def _metrics(settings: Settings, redis_url: str, posts: Sequence[Post], port: int) -> AbstractContextManager[None]:
    node = settings.node or platform.node()
    collector = NodeCollector(settings, redis_url, node, [post.device for post in posts])
    return served(collector, settings.metrics_host, port)
