"""A search whose trials are functions: what `Tune` does with trainings, as small as it can be."""

import time
from collections.abc import Sequence
from typing import Any

import stoker
from stoker.events import JobState
from stoker.kinds.child import ChildJob
from stoker.kinds.tuning.halving import Halving
from stoker_workers import Run
from stoker_workers.ml.run import Children, Wait

HALVING = Halving(rungs=(1, 2), keep=2)


def search(run: Run, trials: int, at_once: int = 2, pause_s: float = 0.0) -> list[list[Any]]:
    """Ask for so many trials in all, and for so many at once; gives the number, the state and the result of each."""
    asked: Sequence[ChildJob] = run._within.asked
    left, open_ = trials - len(asked), sum(not JobState(child.state).final for child in asked)
    more = max(0, min(left, at_once - open_))
    run.progress(len(asked) - open_, trials, "trials")
    if more or open_:
        specs = [
            stoker.Run("searching:trial", {"number": len(asked) + n, "pause_s": pause_s}, max_attempts=20)
            for n in range(more)
        ]
        raise Children(specs, each=True, halving=HALVING)
    return [[child.number, child.state, child.result and child.result.value] for child in asked]  # type: ignore[union-attr]


def trial(run: Run, number: int, pause_s: float = 0.0) -> int:
    """Reach something that depends on the number alone; every fifth fails, and of the others the later are worse."""
    for epoch in range(1, 4):
        run.epoch(epoch, {"val_loss": number / epoch}, epochs=3)
        run.checkpoint(run.scratch)
        if run.stop_requested:
            return 0
        time.sleep(pause_s)
    if number % 5 == 4:
        raise ValueError(f"trial {number} cannot be")
    return number


def pair(run: Run) -> list[list[Any]]:
    """Ask for a training that learns, and then for one that does not, which is not to end by itself."""
    asked: Sequence[ChildJob] = run._within.asked
    if len(asked) < 2:
        rate, epochs = [(0.01, 3), (1e-9, 100_000)][len(asked)]
        spec = stoker.Train(
            model=f"pair-{len(asked)}",
            data="sample://iris",
            architecture=stoker.MLP(hidden=(8,)),
            optimizer=stoker.Optimizer(learning_rate=rate),
            epochs=epochs,
            seed=1,
        )
        if not asked or JobState(asked[-1].state).final:
            raise Children([spec], each=True, halving=Halving(rungs=(2,), keep=2))
    if not all(JobState(child.state).final for child in asked):
        raise Children([], each=True)
    return [
        [child.state, child.reason, {str(epoch): value for epoch, value in child.reached.items()}] for child in asked
    ]


def patient(run: Run, waits: int) -> list[int]:
    """Wait so often: the last time for a wake, before for a moment; gives how often it had waited at each attempt."""
    steps = [*run._within.kept]
    steps.append(len(steps))
    if len(steps) > waits:
        return steps
    if len(steps) < waits:
        raise Wait("waits for a moment", seconds=0.1, keep=bytes(steps))
    raise Wait("waits for a wake", keep=bytes(steps))
