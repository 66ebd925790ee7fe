"""A data set of a million rows: the `Infer` job, from submit to result, beside a bare loop on the same cores.

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
from .running import environment_for

_ROWS, _QUICK_ROWS = 1_000_000, 20_000
_BATCHES, _QUICK_BATCHES = (256, 4096), (256,)


def main() -> None:
    """Measure and write the figures down."""
    options = parse("bulk", __doc__)
    count = _QUICK_ROWS if options.quick else _ROWS
    with Lineup("bulk", options, ["mlp"]) as lineup:
        rows = lineup.folder / "rows.npz"
        np.savez(rows, x=np.random.default_rng(0).uniform(0, 16, (count, 64)).astype(np.float32))
        for peer in lineup.turns():
            for batch in _QUICK_BATCHES if options.quick else _BATCHES:
                with stoker.Client(lineup.callers(peer).url, settings=lineup.settings) as client:
                    lineup.keep(STOKER.name, {"batch": batch}, _job(client, rows, batch))
                lineup.keep("loop", {"batch": batch}, {"per_s": _loops(lineup.models, rows, batch)})
        lineup.write(rows=count)


def _job(client: stoker.Client, rows: Path, batch: int) -> dict[str, float]:
    """Rows per second, from submit to result, and how many cores the worker kept busy for it."""
    [worker] = client.workers()
    begun, spent_before = time.perf_counter(), _spent_s(worker.pid)
    result = client.submit(stoker.Infer(model="mlp", data=str(rows), batch_size=batch)).result(timeout=600)
    took = time.perf_counter() - begun
    assert isinstance(result, stoker.InferResult)
    return {"per_s": result.rows / took, "cores": (_spent_s(worker.pid) - spent_before) / took}


def _spent_s(pid: int) -> float:
    """The processor's time that a process, its children and those of them that have ended have had."""
    process = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:4]) for each in (process, *process.children(recursive=True)))


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
