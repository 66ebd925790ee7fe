"""Run as a program `soak.py MODEL ROW_LENGTH CALLS`: many threads predict with one client, again and again.

Prints how many objects more there are after the last of them than there were after the first ones. Nothing else uses
this process, so that all of them are the client's.
"""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

import stoker

_CALLERS = 64
_FIRST, _LATER = 2, 3
# Longer than anything takes on a busy machine.
_TIMEOUT_S = 240.0


def _ask_all(client: stoker.Client, model: str, row: np.ndarray, calls: int) -> None:
    with ThreadPoolExecutor(_CALLERS) as callers:
        list(callers.map(partial(client.infer, model, timeout=_TIMEOUT_S), [row] * calls))


def _objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def main(model: str, length: int, calls: int) -> None:
    row = np.zeros((1, length), "float32")
    with stoker.Client() as client:
        for _ in range(_FIRST):
            _ask_all(client, model, row, calls)
        before = _objects()
        for _ in range(_LATER):
            _ask_all(client, model, row, calls)
        print(_objects() - before)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
