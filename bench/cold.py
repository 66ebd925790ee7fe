"""The yardstick of `bench.slots`: a plain Celery worker that imports TensorFlow when it is started."""

import os

import tensorflow as tf
from celery import Celery

app = Celery("cold", broker=os.environ["BENCH_URL"], backend=os.environ["BENCH_URL"])


@app.task(name="version")  # type: ignore[untyped-decorator]  # Celery has no types
def version() -> str:
    """What nothing but TensorFlow knows."""
    return str(tf.__version__)
