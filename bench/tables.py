"""Learning from tables: a `Train` job beside a plain Keras script, and its defaults beside scikit-learn's.

The table has a number with gaps, a category, a time and a target of two classes, in a Parquet file. The script is what
one would write by hand for it, with the same layers; see plain_table.py. Job and script take turns, each in a fresh
fork of a process that has imported TensorFlow and done nothing else, as jobs are; and the job goes through a running
Stoker, too, from submit to result. How much memory a process held at most is what the system says of it when it has
ended; a second, larger table shows how that grows.

Quality is that of held-out rows, the same for all, by defaults on all sides: accuracy, or R² of numbers.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pyarrow.parquet  # noqa: F401  # as in a job's process, it is imported before the fork

import stoker
from stoker.kinds import Train
from stoker.local import LocalStack
from stoker.models.access import Access
from stoker.models.store import Store
from stoker.settings import Settings
from stoker_workers.kinds.train import run
from stoker_workers.ml.run import Run

from . import plain_table, quality
from .figures import RESULTS, Figures, await_worker, median, spread, write
from .table_data import write_table

_ROWS, _QUICK_ROWS, _LARGER = 3_000_000, 20_000, 4
_BATCH_ROWS = 1024
# ru_maxrss counts kB, but on macOS bytes.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Measure, print, and write the figures down."""
    parser = argparse.ArgumentParser(
        prog="python -m bench tables", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of a short table, to see that it works")
    parser.add_argument("--results", type=Path, help="folder for the figures (default bench/results, or a new one)")
    given = parser.parse_args()
    rows, rounds = (_QUICK_ROWS, 1) if given.quick else (_ROWS, given.rounds)
    with tempfile.TemporaryDirectory(prefix="stoker-bench-") as name:
        folder = Path(name)
        report = {
            "rows": rows,
            "rounds": rounds,
            **_beside_the_script(write_table(folder / "table.parquet", rows), folder, rounds),
            "larger": {
                "rows": _LARGER * rows,
                **_forked(partial(_run, write_table(folder / "larger.parquet", _LARGER * rows), 0)),
            },
            "quality": quality.compared(folder, quick=given.quick),
        }
    write("tables", report, given.results or (None if given.quick else RESULTS))


def _beside_the_script(table: Path, folder: Path, rounds: int) -> dict[str, object]:
    jobs, runs, scripts = [], [], []
    settings = Settings(home=folder / "home", slots=1)
    with LocalStack(settings), stoker.Client(settings=settings) as client:
        await_worker(client)
        for seed in range(rounds):
            jobs.append(_job(client, table, seed))
            runs.append(_forked(partial(_run, table, seed)))
            scripts.append(_forked(partial(_script, table, seed)))
    for name, figures in (("job", jobs), ("run", runs), ("script", scripts)):
        print(f"{name:7} {spread(figures, 's')} s, val_accuracy {spread(figures, 'val_accuracy')}", flush=True)
    ratios = {
        name: [ours["s"] / theirs["s"] for ours, theirs in zip(figures, scripts, strict=True)]
        for name, figures in (("job_to_script", jobs), ("run_to_script", runs))
    }
    print(", ".join(f"{name} {statistics.median(values):.2f}" for name, values in ratios.items()))
    print(f"at most {median(runs, 'peak_mb'):.0f} MB in the run, {median(scripts, 'peak_mb'):.0f} MB in the script")
    return {**ratios, "jobs": jobs, "runs": runs, "scripts": scripts}


def _spec(table: Path, seed: int) -> Train:
    return Train(model="bench", data=str(table), target="returned", epochs=1, batch_size=_BATCH_ROWS, seed=seed)


def _job(client: stoker.Client, table: Path, seed: int) -> Figures:
    """From submit to result."""
    started = time.perf_counter()
    result = client.submit(_spec(table, seed)).result(timeout=1800)
    assert isinstance(result, stoker.TrainResult)
    return {"s": time.perf_counter() - started, **result.metrics}


def _run(table: Path, seed: int, scratch: Path) -> Figures:
    """The job's work alone, without queue and ledger."""
    started = time.perf_counter()
    store = Store(str(scratch / "store"))
    outcome = run(
        _spec(table, seed),
        Run(
            job="bench",
            store=store,
            builders=(),
            access=Access(["/"], store.url),
            models=(),
            checkpoints=(),
            scratch=scratch,
        ),
    )
    assert isinstance(outcome.result, stoker.TrainResult)
    return {"s": time.perf_counter() - started, **outcome.result.metrics}


def _script(table: Path, seed: int, scratch: Path) -> Figures:
    started = time.perf_counter()
    metrics = plain_table.fit(table, scratch / "model.keras", seed, _BATCH_ROWS)
    return {"s": time.perf_counter() - started, **metrics}


def _forked(work: Callable[[Path], Figures]) -> Figures:
    """The figures of some work in a child, and the memory that this held at most."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with tempfile.TemporaryDirectory() as scratch, os.fdopen(writing, "w") as pipe:
                figures = work(Path(scratch))
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / 1e6
                json.dump({**figures, "peak_mb": peak}, pipe)
        except Exception:  # noqa: BLE001  # the edge of a process
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        sys.exit("the measured child failed; its traceback is above")
    return dict(json.loads(answer))


if __name__ == "__main__":
    main()
