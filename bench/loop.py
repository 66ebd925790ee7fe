"""The yardstick of `bench.bulk`: `python -m bench.loop ROWS.npz BATCH CORE` prints a loop's rows per second."""

import os
import sys
import time

os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

import numpy as np

from .peers import model


def main() -> None:
    """Predict every row once, batch by batch."""
    path, batch, core = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    with np.load(path) as arrays:
        rows = arrays["x"]
    predict = model.load("mlp")
    predict(rows[:batch])
    begun = time.perf_counter()
    for start in range(0, len(rows), batch):
        predict(rows[start : start + batch])
    print(len(rows) / (time.perf_counter() - begun))


if __name__ == "__main__":
    main()
