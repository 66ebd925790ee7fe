"""Run as a program: a CPU worker on the GPU's queues, so that nobody else takes its jobs."""

import os
import platform
import sys

from stoker.local import redis_url_of
from stoker.settings import Settings
from stoker.topology import queues_of
from stoker_workers.app import run_worker
from stoker_workers.capacity import Capacity
from stoker_workers.machine import Nvml

if __name__ == "__main__":
    settings = Settings()
    capacity = Capacity(settings, "cpu", None, Nvml())
    changed = {"name": f"gpu-{os.getpid()}@{platform.node()}", "queues": queues_of("gpu")}
    capacity.worker = capacity.worker.model_copy(update=changed)
    sys.exit(run_worker(settings, redis_url_of(settings), capacity))
