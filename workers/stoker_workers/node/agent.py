"""The agent of a node, `stoker worker`: it supervises a Celery worker for each device. It never loads TensorFlow."""

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
from stoker.local.subprocesses import Subprocess, Supervised
from stoker.settings import Settings
from stoker.terminal import exits

from ..observe.metrics import NodeCollector, served
from . import machine
from .machine import Nvml, Probe

_log = logging.getLogger(__name__)
# A little longer than a worker takes at most to drain.
_DRAIN_S = 72.0
_POLL_S = 0.5
_DEVICE = re.compile(r"auto|cpu|gpu|gpu:\d+|tpu")


class NoDevice(StokerError):
    """The machine does not have the device."""


@dataclass(frozen=True)
class DeviceWorker:
    """A worker to run.

    Attributes:
        device: the device that it serves: cpu, gpu:<number> or tpu.
        environment: variables to add to those of the agent.
    """

    device: str
    environment: Mapping[str, str] = field(default_factory=dict)


def device_workers(device: str, probe: Probe) -> list[DeviceWorker]:
    """The workers to run for `--device`.

    Args:
        device: auto (the CPU and every GPU), cpu, gpu (every GPU), gpu:<number> or tpu.

    Raises:
        NoDevice: this machine has no such GPU.
    """
    # The CPU's worker sees no GPU: TensorFlow would take memory of it.
    cpu = DeviceWorker("cpu", {"CUDA_VISIBLE_DEVICES": "-1"})
    if device == "cpu":
        return [cpu]
    if device == "tpu":
        return [DeviceWorker("tpu")]
    gpus = probe.gpus()
    wanted = [gpu for gpu in gpus if device in ("auto", "gpu", f"gpu:{gpu.index}")]
    if device == "auto":
        return [cpu, *map(_gpu_worker, wanted)]
    if not wanted:
        names = ", ".join(f"gpu:{gpu.index}" for gpu in gpus) or "none"
        raise NoDevice(
            f"there is no {device} for this process; found: {names}. Look at `nvidia-smi` and CUDA_VISIBLE_DEVICES, "
            "and see that stoker[gpu] is installed"
        )
    return list(map(_gpu_worker, wanted))


def _gpu_worker(gpu: machine.Gpu) -> DeviceWorker:
    # Without memory growth, the first slot would take all of the GPU's memory.
    pinned = {"CUDA_VISIBLE_DEVICES": gpu.id, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    return DeviceWorker(f"gpu:{gpu.index}", pinned | {"LD_LIBRARY_PATH": _library_path()})


def _library_path() -> str:
    """Where the dynamic linker finds CUDA's libraries: the environment's folders, then those that pip has installed.

    TensorFlow itself looks for some of the latter in the wrong place.
    """
    spec = importlib.util.find_spec("nvidia")
    roots = (spec and spec.submodule_search_locations) or ()
    installed = sorted(str(folder) for root in roots for folder in Path(root).glob("*/lib"))
    return os.pathsep.join([*filter(None, [os.environ.get("LD_LIBRARY_PATH")]), *installed])


def run(workers: Sequence[DeviceWorker], *, command: Sequence[str] | None = None) -> int:
    """Run workers until SIGTERM or Ctrl-C, or until all have ended by themselves; gives the exit status.

    A worker that crashes is started again. The first signal drains all workers, a second one hurries them.
    To be called from the main thread.

    Args:
        command: the program that runs one worker; None for this Python's `stoker_workers`.
    """
    command = command or (sys.executable, "-m", "stoker_workers")
    share = (machine.memory_bytes() or 0) // len(workers)
    gpus = sum(worker.device.startswith("gpu") for worker in workers)
    reader, writer = os.pipe()
    # A signal handler may take no lock, which the main thread could hold: so it only writes to a pipe.
    with ExitStack() as stack:
        stack.callback(os.close, reader)
        stack.callback(os.close, writer)
        stack.enter_context(_at_stop_signals(writer))
        running = [stack.enter_context(_supervised(worker, command, share, gpus)) for worker in workers]
        while any(worker.runs for worker in running):
            if select.select([reader], [], [], _POLL_S)[0]:
                os.read(reader, 1)
                for worker in running:
                    worker.terminate()
    return next((code for worker in running if (code := worker.exit_code)), os.EX_OK)


def _supervised(worker: DeviceWorker, command: Sequence[str], memory_bytes: int, gpus: int) -> Supervised:
    memory = ["--memory", str(memory_bytes)] if memory_bytes else []
    arguments = [*command, "--device", worker.device, *memory, "--node-gpus", str(gpus)]
    environment = os.environ | worker.environment

    def start() -> Subprocess:
        return Subprocess(arguments, name=f"worker {worker.device}", environment=environment)

    return Supervised(start(), start, grace_s=_DRAIN_S, final=(os.EX_OK, os.EX_CONFIG))


@contextmanager
def _at_stop_signals(writer: int) -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: os.write(writer, b".")) for number in numbers}
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
    return exits.status(lambda: _run(Settings(), arguments.device))


def _run(settings: Settings, device: str) -> int:
    settings.log("node").begin()
    try:
        workers = device_workers(device, Nvml())
    except NoDevice as error:
        exits.say(error)
        return os.EX_CONFIG
    redis_url = redis_url_of(settings)
    with ExitStack() as stack:
        if settings.node_metrics_port is not None:
            stack.enter_context(_metrics(settings, redis_url, workers, settings.node_metrics_port))
        _log.info("this node runs: %s", ", ".join(worker.device for worker in workers))
        return run(workers)


def _metrics(
    settings: Settings, redis_url: str, workers: Sequence[DeviceWorker], port: int
) -> AbstractContextManager[None]:
    node = settings.node or platform.node()
    collector = NodeCollector(settings, redis_url, node, [worker.device for worker in workers])
    return served(collector, settings.metrics_host, port)
