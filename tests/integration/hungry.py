"""Networks of the tests, imported by their workers: they take as much memory as they are told to."""

import time
from pathlib import Path

import keras
import numpy as np


def hungry(input_shape: tuple[int, ...], output_units: int, *, mib: int, until: str) -> keras.Model:
    """A small network, made by a process that holds so much memory until there is such a file."""
    held = np.ones((mib, 1024, 1024), dtype="uint8")
    while not Path(until).exists():
        time.sleep(0.05)
    assert held[-1, -1, -1] == 1
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(output_units, activation="softmax")])
