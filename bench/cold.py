"""The yardstick of `bench.slots`: a plain Celery worker that imports TensorFlow when it is started."""

import os

import tensorflow as tf
from celery import Celery

app = Celery("cold", broker=os.environ["BENCH_URL"], backend=os.environ["BENCH_URL"])


@app.task(name="introduce")  # type: ignore[untyped-decorator]  # Celery has no types
def introduce() -> tuple[str, int]:
    """What nothing but TensorFlow knows, and the process id."""
    return str(tf.__version__), os.getpid()
