"""The networks of the chaos runs, imported by the workers: each leaves evidence outside Redis that it was executed."""

import os
import signal
from pathlib import Path

import keras


def noted(input_shape: tuple[int, ...], output_units: int, *, effects: str, label: str, units: int = 16) -> keras.Model:
    """A small network; a line in the file `effects` says that the job `label` was executed once more."""
    _note(effects, label)
    hidden = [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(0.2)]
    output = keras.layers.Dense(output_units, activation="softmax")
    return keras.Sequential([keras.Input(input_shape), *hidden, output])


def poison(input_shape: tuple[int, ...], output_units: int, *, effects: str, label: str) -> keras.Model:
    """No network: it kills the process that asks for one."""
    _note(effects, label)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL cannot be survived")


def _note(effects: str, label: str) -> None:
    # One write to a file opened for appending: two processes never mix their lines.
    with Path(effects).open("ab", buffering=0) as file:
        file.write(f"{label}\n".encode())
