"""Run as a program: a CPU worker on the GPU's queues, so that nobody else takes its jobs."""

import gc
import os
import platform
import sys

from stoker.fleet.topology import queues_of
from stoker.local import redis_url_of
from stoker.settings import Settings
from stoker_workers.node.capacity import Capacity
from stoker_workers.node.machine import Nvml

if __name__ == "__main__":
    settings = Settings()
    capacity = Capacity(settings, "cpu", None, Nvml())
    changed = {"name": f"gpu-{os.getpid()}@{platform.node()}", "queues": queues_of("gpu")}
    capacity.worker = capacity.worker.model_copy(update=changed)
    # As `python -m stoker_workers` does while it imports TensorFlow.
    gc.disable()
    from stoker_workers.worker.app import run_worker

    gc.freeze()
    gc.enable()
    sys.exit(run_worker(settings, redis_url_of(settings), capacity))
