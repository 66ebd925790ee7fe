"""Networks of the tests, imported by their workers: their code does what no code of a job should do."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import keras

_CHATTER = "import time\nwhile True:\n    print('and another thing', flush=True)\n    time.sleep(0.01)"


def chatty(input_shape: tuple[int, ...], output_units: int, *, note: str) -> keras.Model:
    """A small network, made by a process whose thread and child never fall silent; `note` gets the child's id."""
    threading.Thread(target=_chat).start()
    child = subprocess.Popen([sys.executable, "-c", _CHATTER])
    Path(note).write_text(str(child.pid))
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(output_units, activation="softmax")])


def quitter(input_shape: tuple[int, ...], output_units: int) -> keras.Model:
    """No network: it ends the process that asks for one."""
    sys.exit("I would rather not")


def latin(input_shape: tuple[int, ...], output_units: int) -> keras.Model:
    """No network: it complains of a file whose name is not UTF-8."""
    raise ValueError("/data/caf\udce9.csv is no table")


def _chat() -> None:
    while True:
        print("and one more thing", flush=True)
        time.sleep(0.01)
