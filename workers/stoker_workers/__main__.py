"""`python -m stoker_workers`: one Celery worker for one device, as the agent of a node starts it."""

import argparse
import gc
import os
import sys

# TensorFlow's C++ side would greet every process with its build flags.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from stoker.errors import InvalidSettings, Unavailable
from stoker.local import redis_url_of
from stoker.settings import Settings
from stoker.terminal import exits

from .node.capacity import Capacity
from .node.machine import Nvml


def main() -> int:
    """Run a worker with the settings of the environment."""
    parser = argparse.ArgumentParser(prog="python -m stoker_workers", description=__doc__)
    parser.add_argument("--device", default="cpu", help="cpu, gpu:<number> or tpu")
    parser.add_argument(
        "--memory", type=int, help="bytes that its jobs may use together; all of the machine if not given"
    )
    parser.add_argument("--node-gpus", type=int, default=0, help="for how many GPUs this node runs workers")
    arguments = parser.parse_args()
    return exits.status(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    try:
        settings = Settings()
        # Until Celery sets its own up.
        settings.log("worker").begin()
        capacity = Capacity(settings, arguments.device, arguments.memory, Nvml(), arguments.node_gpus)
        # Of the half a million objects that come with TensorFlow none is garbage, and looking for some, again and again
        # as they come, would take a fifth of the start.
        gc.disable()
        from .worker.app import run_worker

        gc.freeze()
        gc.enable()
        return run_worker(settings, redis_url_of(settings), capacity)
    except (InvalidSettings, Unavailable) as error:
        exits.say(error)
        # Trying again would end the same way; the agent of the node does not.
        return os.EX_CONFIG


if __name__ == "__main__":
    sys.exit(main())
