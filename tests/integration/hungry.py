"""Networks of the tests, imported by their workers: they take as much memory as they are told to."""

import time

import keras
import numpy as np


def hungry(input_shape: tuple[int, ...], output_units: int, *, mib: int, seconds: float) -> keras.Model:
    """A small network, made by a process that holds so much memory for so long."""
    held = np.ones((mib, 1024, 1024), dtype="uint8")
    time.sleep(seconds)
    assert held[-1, -1, -1] == 1
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(output_units, activation="softmax")])
