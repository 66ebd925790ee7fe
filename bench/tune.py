"""The same search on one slot and on two: how long it takes, and how long its trials run.

Both have a worker of their own, and take turns, so that a busy machine slows both alike. Trials are trainings of one
length, without pruning, so that both do the same work; every round has a seed of its own.
"""

import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import stoker
from stoker.local import LocalStack
from stoker.settings import Settings

from .figures import RESULTS, Figures, await_worker, spread, write

SLOTS = (1, 2)


def search(trials: int, epochs: int, seed: int) -> stoker.Tune:
    """What is measured."""
    return stoker.Tune(
        job=stoker.Train(model="bench", data="sample://digits", epochs=epochs, seed=1),
        space={
            "optimizer.learning_rate": stoker.Float(1e-4, 1e-1, log=True),
            "architecture.dropout": stoker.Float(0, 0.5),
        },
        goal="max val_accuracy",
        trials=trials,
        prune=False,
        seed=seed,
        finish="none",
    )


def measure(client: stoker.Client, spec: stoker.Tune) -> Figures:
    """From submit to result."""
    started = time.perf_counter()
    found = client.submit(spec).result(timeout=3600)
    return {"answered_s": time.perf_counter() - started, "trials_s": found.run_s, "best": found.value}


def main() -> None:
    """Measure, print, and write the figures down."""
    parser = argparse.ArgumentParser(prog="python -m bench tune", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the figures")
    given = parser.parse_args()
    figures: dict[int, list[Figures]] = {slots: [] for slots in SLOTS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        clients = {}
        for slots in SLOTS:
            settings = Settings(home=Path(folder) / str(slots), slots=slots)
            running.enter_context(LocalStack(settings))
            clients[slots] = running.enter_context(stoker.Client(settings=settings))
            await_worker(clients[slots])
        for seed in range(given.rounds):
            for slots in SLOTS:
                figures[slots].append(measure(clients[slots], search(given.trials, given.epochs, seed)))
    one, two = (figures[slots] for slots in SLOTS)
    ratios = [second["answered_s"] / first["answered_s"] for first, second in zip(one, two, strict=True)]
    print(f"{given.trials} trials of {given.epochs} epochs, median (lowest-highest) of {given.rounds} rounds")
    for slots in SLOTS:
        print(
            f"  {slots} slots  {spread(figures[slots], 'answered_s')} s, trials {spread(figures[slots], 'trials_s')} s"
        )
    print(f"  two slots take {statistics.median(ratios):.2f} x the time of one")
    report = {"trials": given.trials, "epochs": given.epochs, "ratios": sorted(ratios), "one": one, "two": two}
    write("tune", report, given.results)


if __name__ == "__main__":
    main()
