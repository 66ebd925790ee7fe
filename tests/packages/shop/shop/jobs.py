"""The shop's jobs."""

import math
import os
import pickle
import time
from os import getpid
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import stoker
from stoker_workers import Run

from .orders import FEATURES, forget_all, week

secret = "not a function"


@stoker.job(timeout=600, tags={"team": "ranking"})
def train_ranker(run: Run, weeks: int, epochs: int = 10, pause_s: float = 0.0) -> dict[str, Any]:
    """Learn by pairs of items which of them sells more, in a loop of its own.

    Args:
        weeks: how many weeks of orders to learn from.
        pause_s: how long to rest after each epoch.
    """
    state = run.scratch / "ranker.npz"
    weights, first, loss = np.zeros(FEATURES), 0, math.inf
    if run.resumed_from:
        with np.load(run.resumed_from) as saved:
            weights, first, loss = saved["weights"], int(saved["epoch"]), float(saved["loss"])
        run.log(f"goes on after epoch {first}")
    for epoch in range(first, epochs):
        random = np.random.default_rng([run.seed, epoch])
        weights, loss = _step(weights, weeks, random)
        np.savez(state, weights=weights, epoch=epoch + 1, loss=loss)
        run.epoch(epoch + 1, {"loss": loss}, epochs=epochs)
        run.checkpoint(state, epoch=epoch + 1, step=0)
        if run.stop_requested:
            return {}
        time.sleep(pause_s)
    run.artifact("ranker", state)
    return {"loss": loss, "weights": weights.tolist(), "first": first}


def _step(weights: NDArray[Any], weeks: int, random: np.random.Generator) -> tuple[NDArray[Any], float]:
    losses = []
    for number in random.permutation(weeks):
        features, sold = week(int(number))
        better, worse = random.permutation(len(sold))[:12], random.permutation(len(sold))[:12]
        sign = np.sign(sold[better] - sold[worse])
        margin = sign * ((features[better] - features[worse]) @ weights)
        weights = weights + 0.05 * (sign / (1 + np.exp(margin))) @ (features[better] - features[worse])
        losses.append(np.log1p(np.exp(-margin)).mean())
    return weights, float(np.mean(losses))


def fit_forest(run: Run, depth: int, data: str = "sample://wine") -> dict[str, float]:
    """Fit a forest of scikit-learn."""
    from sklearn.ensemble import RandomForestClassifier

    known, new = run.data(data).arrays(), run.data(data, "test").arrays()
    forest = RandomForestClassifier(20, max_depth=depth, random_state=run.seed)
    forest.fit(known["x"], known["y"])
    run.progress(20, 20, "trees")
    path = run.scratch / "forest.pickle"
    path.write_bytes(pickle.dumps(forest))
    run.artifact("forest", path)
    return {"accuracy": forest.score(new["x"], new["y"])}


def best_forest(run: Run, depths: tuple[int, ...]) -> int:
    """Which depth of a forest is the best one, by a job for each."""
    forests = run.children([stoker.Run("shop.jobs:fit_forest", {"depth": depth}, seed=1) for depth in depths])
    accuracies = [forest.value["accuracy"] for forest in forests if isinstance(forest, stoker.RunResult)]
    return depths[int(np.argmax(accuracies))]


def train_digits(run: Run, epochs: int = 3) -> dict[str, float]:
    """Train a network on digits in a loop of its own, and register it."""
    import keras

    keras.utils.set_random_seed(run.seed)
    rows = run.data("sample://digits").arrays()
    network = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")], name="digits"
    )
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    metrics: dict[str, float] = {}
    for epoch in range(epochs):
        network.reset_metrics()
        for start in range(0, len(rows["y"]), 32):
            batch = slice(start, start + 32)
            metrics = network.train_on_batch(rows["x"][batch], rows["y"][batch], return_dict=True)
            run.progress(start, len(rows["y"]), "rows", stage="training")
        run.epoch(epoch + 1, metrics, epochs=epochs, rows=len(rows["y"]))
    run.register(network, "shop-digits", metrics, data="sample://digits")
    return {name: float(value) for name, value in metrics.items()}


def stubborn(run: Run, folder: str) -> None:
    """Do not listen, and leave a file for each attempt."""
    (Path(folder) / str(getpid())).touch()
    while True:
        time.sleep(0.05)


def doomed(folder: str) -> None:
    """Take the worker's process down, each time."""
    (Path(folder) / str(getpid())).touch()
    os.kill(getpid(), 9)


def talk(run: Run, folder: str, ends: tuple[str, ...] = ("end",), lines: int = 3) -> None:
    """Print lines, and odd ones; each attempt ends as `ends` says. Those who wait do until they are asked to stop."""
    number = len(list(Path(folder).iterdir()))
    (Path(folder) / str(getpid())).touch()
    for n in range(lines):
        print(f"line {n} of attempt {number + 1}")
    print("d\N{LATIN SMALL LETTER I WITH DIAERESIS}t \x1b[31mred\x1b[0m\x00\N{LINE SEPARATOR}behind")
    print("no end", end="", flush=True)
    match ends[number]:
        case "kill":
            os.kill(getpid(), 9)
        case "fail":
            raise ValueError("as it was to")
        case "wait":
            print(flush=True)
            while True:
                run.progress(0, 1, "looks")
                time.sleep(0.05)


def tidy(what: list[str]) -> str:
    """Tell what there is; a plain function without a context."""
    return ", ".join(sorted(what)) + (forget_all.__doc__ or "")[:0]


def careless(how: str) -> object:
    """Do what a job should not."""
    match how:
        case "object":
            return object()
        case "nan":
            return {"loss": math.nan}
        case "large":
            return "x" * 2_000_000
        case "exit":
            raise SystemExit(3)
    raise KeyError(how)


def _hidden() -> str:
    return "hidden"
