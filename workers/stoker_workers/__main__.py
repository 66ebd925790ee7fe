"""`python -m stoker_workers`: one Celery worker, as `stoker worker` and `stoker up` start it."""

import argparse
import os
import sys

# TensorFlow's C++ side would greet every process with its build flags.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from stoker.local import redis_url_of
from stoker.settings import Settings
from stoker.topology import DEVICES

from .app import run_worker


def main() -> int:
    """Run a worker with the settings of the environment."""
    parser = argparse.ArgumentParser(prog="python -m stoker_workers", description=__doc__)
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    arguments = parser.parse_args()
    settings = Settings()
    return run_worker(settings, redis_url_of(settings), arguments.device)


if __name__ == "__main__":
    sys.exit(main())
