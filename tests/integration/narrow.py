"""Networks of the tests, imported by their workers: their process may take little more memory than it has."""

import ctypes
import resource
from pathlib import Path

import keras

_KIB = 1024
# Of glibc's mallopt: how many areas of 64 MiB of addresses each threads may have for their small objects.
_M_ARENA_MAX = -8


def narrow(input_shape: tuple[int, ...], output_units: int, *, mib: int, width: int, seed: int) -> keras.Model:
    """A network with a wide layer, in a process that is refused more than so much memory on top of what it has."""
    # How many threads ask for memory at once, which load decides, takes nothing of what is allowed.
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize:")]
    most = (int(line.split()[1]) + mib * _KIB) * _KIB
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Dense(8, activation="tanh", kernel_initializer=keras.initializers.GlorotUniform(seed)),
            keras.layers.Dense(width, activation="relu", kernel_initializer=keras.initializers.GlorotUniform(seed + 1)),
            keras.layers.Dense(output_units, activation="softmax"),
        ]
    )
