"""Data sets of a million rows and more: the `Infer` job, from submit to result, beside a bare loop on the same cores.

The loop is one `tf.function` per core, each in a process with that core alone, over rows in memory; it writes nothing.
The job reads the rows from a file, checks them, predicts, and writes the predictions to the store.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

import stoker

from .lineup import Lineup
from .options import parse
from .peers import STOKER
from .processes import spent_s
from .running import environment_for

# Rows, and rows per batch.
_SIZES, _QUICK_SIZES = ((1_000_000, 256), (1_000_000, 4096), (4_000_000, 4096)), ((20_000, 256),)


def main() -> None:
    """Measure and write the figures down."""
    options = parse("bulk", __doc__)
    sizes = _QUICK_SIZES if options.quick else _SIZES
    with Lineup("bulk", options, ["mlp"]) as lineup:
        files = {count: _rows(lineup.folder / f"{count}.npz", count) for count in {count for count, _ in sizes}}
        for peer in lineup.turns():
            for count, batch in sizes:
                case = {"count": count, "batch": batch}
                with stoker.Client(lineup.callers(peer).url, settings=lineup.settings) as client:
                    lineup.keep(STOKER.name, case, _job(client, files[count], batch))
                lineup.keep("loop", case, {"per_s": _loops(lineup.models, files[count], batch)})
        lineup.write()


def _rows(path: Path, count: int) -> Path:
    np.savez(path, x=np.random.default_rng(0).uniform(0, 16, (count, 64)).astype(np.float32))
    return path


def _job(client: stoker.Client, rows: Path, batch: int) -> dict[str, float]:
    """Rows per second, from submit to result, and how many cores the worker kept busy for it."""
    [worker] = client.workers()
    processes = [psutil.Process(worker.pid)]
    begun, spent_before = time.perf_counter(), spent_s(processes)
    result = client.submit(stoker.Infer(model="mlp", data=str(rows), batch_size=batch)).result(timeout=600)
    took = time.perf_counter() - begun
    assert isinstance(result, stoker.InferResult)
    return {"per_s": result.rows / took, "cores": (spent_s(processes) - spent_before) / took}


def _loops(models: Path, rows: Path, batch: int) -> float:
    """Rows per second of all loops together, one per core."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    command = [sys.executable, "-m", "bench.loop", str(rows), str(batch)]
    loops = [
        subprocess.Popen([*command, str(core)], stdout=subprocess.PIPE, env=environment_for("", models))
        for core in cores
    ]
    return sum(float(loop.communicate()[0]) for loop in loops)


if __name__ == "__main__":
    main()
