"""Training side by side: a `Train` job as a worker runs it, and a plain Keras script of the same model.

    python -m bench.train [--rounds N] [--case NAME …]

Both run in a fresh fork of a process that has imported TensorFlow and done nothing else, in turn, so that a busy
machine slows both alike; every round has a seed of its own, so that the losses' spread can be compared. The job's
time is all of it: reading, statistics, tracing, fitting, saving. The script's time is given twice: `fit` alone, and
from loading the data to the saved model.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import sklearn.datasets
from numpy.typing import NDArray

from stoker.jobs import CNN, MLP, Train
from stoker.store import Store
from stoker_workers.engine.run import Run
from stoker_workers.executors.train import train

Figures = dict[str, float]


@dataclass(frozen=True)
class Case:
    """One model on one data set.

    Attributes:
        data: writes the data and gives its reference.
        network: the layers of the plain script.
    """

    architecture: MLP | CNN
    epochs: int
    data: Callable[[Path], str]
    network: Callable[[], list[keras.layers.Layer]]


def _digits(_: Path) -> str:
    return "sample://digits"


def _table(folder: Path) -> str:
    random = np.random.default_rng(0)
    x = random.normal(size=(50_000, 100)).astype(np.float32)
    y = (x[:, :10] @ random.normal(size=(10, 10)) + random.normal(size=(50_000, 10))).argmax(axis=1)
    return _saved(folder / "table.npz", x, y)


def _images(folder: Path) -> str:
    random = np.random.default_rng(0)
    y = random.integers(0, 10, size=4_000)
    x = random.normal(size=(10, 28, 28))[y] + random.normal(scale=3, size=(4_000, 28, 28))
    return _saved(folder / "images.npz", x.astype(np.float32), y)


def _saved(path: Path, x: NDArray[np.float32], y: NDArray[np.int64]) -> str:
    np.savez(path, x=x, y=y)
    return str(path)


def _dense(*sizes: int) -> list[keras.layers.Layer]:
    return [*(keras.layers.Dense(size, activation="relu") for size in sizes), keras.layers.Dense(10, "softmax")]


def _convolutions() -> list[keras.layers.Layer]:
    return [
        keras.layers.Reshape((28, 28, 1)),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Flatten(),
        *_dense(64),
    ]


CASES = {
    "digits-30": Case(MLP(), 30, _digits, lambda: _dense(64, 32)),
    "digits-10": Case(MLP(), 10, _digits, lambda: _dense(64, 32)),
    "table": Case(MLP(hidden=(256, 128)), 5, _table, lambda: _dense(256, 128)),
    "images": Case(CNN(), 3, _images, _convolutions),
}


def run_job(case: Case, data: str, folder: Path, seed: int) -> Figures:
    """The job, as the worker's child runs it."""
    started = time.perf_counter()
    run = Run("bench", Store(str(folder / "store")), folder, (), None, None, lambda _: None, lambda: None)
    outcome = train(Train(model="bench", data=data, architecture=case.architecture, epochs=case.epochs, seed=seed), run)
    metrics = outcome.manifest.metrics if outcome.manifest else {}
    return {"whole_s": time.perf_counter() - started, **metrics}


def run_script(case: Case, data: str, folder: Path, seed: int) -> Figures:
    """What one would write by hand."""
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    if data.startswith("sample://"):
        x, y = sklearn.datasets.load_digits(return_X_y=True)
        x, y = x[:1438], y[:1438]
    else:
        with np.load(data) as arrays:
            x, y = arrays["x"], arrays["y"]
    x = ((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-7)).astype(np.float32)
    model = keras.Sequential([keras.Input(x.shape[1:]), *case.network()])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fit_started = time.perf_counter()
    fitted = model.fit(x, y, epochs=case.epochs, batch_size=32, validation_split=0.1, verbose=0)
    fit_s = time.perf_counter() - fit_started
    model.save(folder / "model.keras")
    metrics = {name: values[-1] for name, values in fitted.history.items()}
    return {"whole_s": time.perf_counter() - started, "fit_s": fit_s, **metrics}


def forked(work: Callable[[Case, str, Path, int], Figures], case: Case, data: str, seed: int) -> Figures:
    """Do the work in a child and take over its figures."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with tempfile.TemporaryDirectory() as folder, os.fdopen(writing, "w") as pipe:
                json.dump(work(case, data, Path(folder), seed), pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        sys.exit("the measured child failed; its traceback is above")
    return dict(json.loads(answer))


def _summary(figures: list[Figures], name: str) -> str:
    values = sorted(figure[name] for figure in figures)
    return f"{statistics.median(values):.3f} ({values[0]:.3f}-{values[-1]:.3f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="may be given again; all if none")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.case or CASES:
            case = CASES[name]
            data = case.data(Path(folder))
            jobs, scripts = [], []
            for seed in range(arguments.rounds):
                jobs.append(forked(run_job, case, data, seed))
                scripts.append(forked(run_script, case, data, seed))
            job_s = statistics.median(figure["whole_s"] for figure in jobs)
            fit_s = statistics.median(figure["fit_s"] for figure in scripts)
            print(f"{name}: {case.epochs} epochs, median (lowest-highest) of {arguments.rounds} rounds")
            print(f"  job, whole      {_summary(jobs, 'whole_s')} s    = {job_s / fit_s:.2f} x plain fit")
            print(f"  script, fit     {_summary(scripts, 'fit_s')} s")
            print(f"  script, whole   {_summary(scripts, 'whole_s')} s")
            for metric in ("loss", "val_loss", "val_accuracy"):
                print(f"  {metric:15} job {_summary(jobs, metric)}, script {_summary(scripts, metric)}", flush=True)


if __name__ == "__main__":
    main()
