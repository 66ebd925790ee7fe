"""The models that are measured: trained by Stoker itself, so that every system serves the same weights.

`python -m bench.models FOLDER NAME…` trains them with the Stoker of STOKER_REDIS_URL and STOKER_HOME; with
`--uncalled`, nobody will call them, and they are only registered.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import sklearn.datasets
from numpy.typing import NDArray

import stoker
from stoker import CNN, MLP

from .figures import await_worker

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """One model.

    Attributes:
        rows: the rows to train on and to send, and their classes.
    """

    architecture: MLP | CNN
    rows: Callable[[], tuple[Rows, NDArray[np.int64]]]


def _digits() -> tuple[Rows, NDArray[np.int64]]:
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    return x.astype(np.float32), y


def _images() -> tuple[Rows, NDArray[np.int64]]:
    random = np.random.default_rng(0)
    y = random.integers(0, 10, size=512)
    x = random.normal(size=(10, 28, 28))[y] + random.normal(size=(512, 28, 28))
    return x.astype(np.float32), y


def _four_numbers() -> tuple[Rows, NDArray[np.int64]]:
    random = np.random.default_rng(0)
    x = random.normal(size=(512, 4)).astype(np.float32)
    return x, x.argmax(axis=1)


MODELS = {
    "mlp": Model(MLP(hidden=(64, 32)), _digits),
    "cnn": Model(CNN(), _images),
    # As little work as a model can be.
    "linear": Model(MLP(hidden=()), _four_numbers),
}


def main() -> None:
    """Train what is named, as soon as there is a worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+", choices=MODELS)
    parser.add_argument("--uncalled", action="store_true")
    arguments = parser.parse_args()
    with stoker.Client() as client:
        await_worker(client)
        _train(client, arguments.folder, arguments.names)
    if not arguments.uncalled:
        for name in arguments.names:
            _export(name, arguments.folder)


def _train(client: stoker.Client, folder: Path, names: Iterable[str]) -> None:
    """Train models on data that lies in `folder` meanwhile."""
    jobs = {}
    for name in names:
        x, y = MODELS[name].rows()
        path = folder / f"{name}-data.npz"
        np.savez(path, x=x, y=y)
        architecture = MODELS[name].architecture
        spec = stoker.Train(model=name, data=str(path), architecture=architecture, epochs=3, seed=0)
        jobs[name] = client.submit(spec)
    for name, job in jobs.items():
        job.result(timeout=300)
        (folder / f"{name}-data.npz").unlink()


def _export(name: str, folder: Path) -> None:
    """Put into `folder` what references and callers need of a model.

    These are `<name>.keras`, and `<name>.npz` with rows, `x`, and what Keras predicts for them, `y`.
    """
    import keras

    # The command is there in every version of Stoker; the modules behind it move.
    export = [sys.executable, "-m", "stoker.cli", "models", "export", name, str(folder), "--json"]
    file = json.loads(subprocess.run(export, check=True, stdout=subprocess.PIPE).stdout)["path"]
    kept = Path(file).rename(folder / f"{name}.keras")
    x, _ = MODELS[name].rows()
    predicted = keras.models.load_model(kept, compile=False).predict(x, verbose=0)
    np.savez(folder / f"{name}.npz", x=x, y=predicted.astype(np.float32))


if __name__ == "__main__":
    main()
