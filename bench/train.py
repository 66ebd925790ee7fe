"""Training side by side: a `Train` job through a running Stoker, and a plain Keras script of the same model.

The job goes from a client over Redis and Celery to a warm worker; its run time is all from the claim to the commit:
fork, reading, statistics, tracing, fitting, saving. The script runs in a fresh fork of a process that has imported
TensorFlow and done nothing else, as the job does; its time is given twice, `fit` alone and from loading the data to the
saved model. They take turns, so that a busy machine slows both alike, and every round has a seed of its own, so that
the losses' spread can be compared.
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
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

import stoker
from stoker.kinds import CNN, MLP, ResNet, Sequence
from stoker.local import LocalStack
from stoker.settings import Settings
from stoker_workers.ml.data.samples import load_sample

from .figures import Figures, await_worker, median, spread, write

# Of the tokens.
_IDS = 2_000


@dataclass(frozen=True)
class Case:
    """One model on one data set.

    Attributes:
        data: writes the data and gives its reference.
        network: the plain script's, from the input on.
    """

    architecture: MLP | CNN | ResNet | Sequence
    epochs: int
    data: Callable[[Path], str]
    network: Callable[[keras.KerasTensor], keras.KerasTensor]


def _digits(_: Path) -> str:
    return "sample://digits"


def _table(folder: Path) -> str:
    random = np.random.default_rng(0)
    x = random.normal(size=(50_000, 100)).astype(np.float32)
    y = (x[:, :10] @ random.normal(size=(10, 10)) + random.normal(size=(50_000, 10))).argmax(axis=1)
    return _saved(folder / "table.npz", x, y)


def _images(folder: Path) -> str:
    return _pictures(folder / "images.npz", 4_000, (28, 28))


def _colours(folder: Path) -> str:
    return _pictures(folder / "colours.npz", 1_000, (32, 32, 3))


def _pictures(path: Path, rows: int, shape: tuple[int, ...]) -> str:
    random = np.random.default_rng(0)
    y = random.integers(0, 10, size=rows)
    x = random.normal(size=(10, *shape))[y] + random.normal(scale=3, size=(rows, *shape))
    return _saved(path, x.astype(np.float32), y)


def _tokens(folder: Path) -> str:
    """Lists of 20 to 40 ids, a third of which tell the class."""
    random = np.random.default_rng(0)
    y = random.integers(0, 10, size=4_000)
    ids = [
        np.where(random.random(size) < 1 / 3, 1 + label, random.integers(1, _IDS, size))
        for label, size in zip(y, random.integers(20, 41, size=len(y)), strict=True)
    ]
    path = folder / "tokens.parquet"
    pq.write_table(pa.table({"tokens": ids, "y": y}), path)
    return str(path)


def _saved(path: Path, x: NDArray[np.float32], y: NDArray[np.int64]) -> str:
    np.savez(path, x=x, y=y)
    return str(path)


def _read(data: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows and labels as one would read them; numbers are scaled, ids are padded with 0."""
    if data.endswith(".parquet"):
        table = pq.read_table(data)
        return keras.utils.pad_sequences(table["tokens"].to_pylist(), padding="post"), table["y"].to_numpy()
    if data.startswith("sample://"):
        columns = next(iter(load_sample("digits", "train").batches(10_000)))
        x, y = columns["x"], columns["y"]
    else:
        with np.load(data) as arrays:
            x, y = arrays["x"], arrays["y"]
    return ((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-7)).astype(np.float32), y


def _dense(tensor: keras.KerasTensor, *sizes: int) -> keras.KerasTensor:
    for size in sizes:
        tensor = keras.layers.Dense(size, activation="relu")(tensor)
    return keras.layers.Dense(10, activation="softmax")(tensor)


def _convolutions(tensor: keras.KerasTensor) -> keras.KerasTensor:
    tensor = keras.layers.Reshape((28, 28, 1))(tensor)
    for filters in (32, 64):
        tensor = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(tensor)
        tensor = keras.layers.MaxPooling2D(2)(tensor)
    return _dense(keras.layers.Flatten()(tensor), 64)


def _residual(tensor: keras.KerasTensor) -> keras.KerasTensor:
    tensor = _convolved(tensor, 16)
    for stage, filters in enumerate((16, 32, 64)):
        for strides in (2 if stage else 1, 1):
            first = _normed(tensor)
            hidden = _convolved(_normed(_convolved(first, filters, strides)), filters)
            kept = tensor if tensor.shape == hidden.shape else _convolved(first, filters, strides, size=1)
            tensor = keras.layers.Add()([kept, hidden])
    return _dense(keras.layers.GlobalAveragePooling2D()(_normed(tensor)))


def _convolved(tensor: keras.KerasTensor, filters: int, strides: int = 1, size: int = 3) -> keras.KerasTensor:
    return keras.layers.Conv2D(filters, size, strides, "same", use_bias=False)(tensor)


def _normed(tensor: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(tensor))


def _recurrent(tensor: keras.KerasTensor) -> keras.KerasTensor:
    return _dense(keras.layers.LSTM(64)(keras.layers.Embedding(_IDS, 64, mask_zero=True)(tensor)))


CASES = {
    "digits-30": Case(MLP(), 30, _digits, lambda row: _dense(row, 64, 32)),
    "digits-10": Case(MLP(), 10, _digits, lambda row: _dense(row, 64, 32)),
    "table": Case(MLP(hidden=(256, 128)), 5, _table, lambda row: _dense(row, 256, 128)),
    "images": Case(CNN(), 3, _images, _convolutions),
    "resnet": Case(ResNet(), 2, _colours, _residual),
    "lstm": Case(Sequence(), 3, _tokens, _recurrent),
}


def run_job(client: stoker.Client, case: Case, data: str, seed: int) -> Figures:
    """The job, from submit to result."""
    submitted = time.perf_counter()
    job = client.submit(
        stoker.Train(model="bench", data=data, architecture=case.architecture, epochs=case.epochs, seed=seed)
    )
    result = job.result(timeout=600)
    answered_s = time.perf_counter() - submitted
    status = job.status()
    assert isinstance(result, stoker.TrainResult)
    assert status.started_at
    assert status.finished_at
    run_s = (status.finished_at - status.started_at).total_seconds()
    return {"run_s": run_s, "answered_s": answered_s, **result.metrics}


def run_script(case: Case, data: str, folder: Path, seed: int) -> Figures:
    """What one would write by hand."""
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    x, y = _read(data)
    row = keras.Input(x.shape[1:], dtype=x.dtype)
    model = keras.Model(row, case.network(row))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fit_started = time.perf_counter()
    fitted = model.fit(x, y, epochs=case.epochs, batch_size=32, validation_split=0.1, verbose=0)
    fit_s = time.perf_counter() - fit_started
    model.save(folder / "model.keras")
    metrics = {name: values[-1] for name, values in fitted.history.items()}
    return {"whole_s": time.perf_counter() - started, "fit_s": fit_s, **metrics}


def forked_script(case: Case, data: str, seed: int) -> Figures:
    """Run the script in a child and take over its figures."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with tempfile.TemporaryDirectory() as folder, os.fdopen(writing, "w") as pipe:
                json.dump(run_script(case, data, Path(folder), seed), pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        sys.exit("the measured child failed; its traceback is above")
    return dict(json.loads(answer))


def main() -> None:
    """Measure, print, and write the figures down."""
    parser = argparse.ArgumentParser(
        prog="python -m bench train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=CASES, help="may be given again; all if none")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    report = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", slots=1)
        with LocalStack(settings), stoker.Client(settings=settings) as client:
            await_worker(client)
            for name in arguments.case or CASES:
                case = CASES[name]
                data = case.data(Path(folder))
                jobs, scripts = [], []
                for seed in range(arguments.rounds):
                    jobs.append(run_job(client, case, data, seed))
                    scripts.append(forked_script(case, data, seed))
                report[name] = _report(name, case, jobs, scripts)
    write("train", report)


def _report(name: str, case: Case, jobs: list[Figures], scripts: list[Figures]) -> dict[str, object]:
    ratios = [job["run_s"] / script["fit_s"] for job, script in zip(jobs, scripts, strict=True)]
    print(f"{name}: {case.epochs} epochs, median (lowest-highest) of {len(jobs)} rounds")
    print(f"  job, run          {spread(jobs, 'run_s')} s = {statistics.median(ratios):.2f} x plain fit")
    print(f"  job, answered     {spread(jobs, 'answered_s')} s")
    print(f"  script, fit       {spread(scripts, 'fit_s')} s")
    print(f"  script, whole     {spread(scripts, 'whole_s')} s")
    for metric in ("loss", "val_loss", "val_accuracy"):
        print(f"  {metric:17} job {spread(jobs, metric)}, script {spread(scripts, metric)}", flush=True)
    return {
        "epochs": case.epochs,
        "ratio_to_fit": sorted(ratios),
        "ratio_to_whole": median(jobs, "run_s") / median(scripts, "whole_s"),
        "jobs": jobs,
        "scripts": scripts,
    }


if __name__ == "__main__":
    main()
