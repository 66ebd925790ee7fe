"""Networks of the tests, imported by their workers: one member of a gang alone has no room for its own."""

import errno
import os
import tempfile
from pathlib import Path

import keras
import tensorflow as tf


def full_for_members(input_shape: tuple[int, ...], output_units: int, *, full: str) -> keras.Model:
    """A small network; as long as there is a file `full`, a member's disk is full, which it finds out once."""
    resolver = tf.distribute.get_strategy().cluster_resolver
    if resolver and resolver.task_id and Path(full).exists():
        Path(full).unlink()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), tempfile.gettempdir())
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(output_units, activation="softmax")])
