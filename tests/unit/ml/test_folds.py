"""Cross-validation: what a training asks for, and what it makes of the folds."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import stoker
from stoker.events import Event, Log
from stoker.kinds import EarlyStopping, Train, TrainResult
from stoker_workers.kinds import execute
from stoker_workers.ml.run import Children, Outcome, Run

from .conftest import manifest_of

OpenRun = Callable[..., Run]


def asked_for(spec: Train, run: Run) -> list[Train]:
    with pytest.raises(Children) as asked:
        execute(spec, run)
    return [child for child in asked.value.specs if isinstance(child, Train)]


def fitted(spec: Train, run: Run) -> Outcome:
    """All of it, as a ledger would let it run."""
    folds = [execute(child, run) for child in asked_for(spec, run)]
    assert all(not fold.effects for fold in folds)
    return execute(spec, replace(run, children=tuple(fold.result for fold in folds)))


def test_a_model_of_all_rows_has_the_folds_quality(open_run: OpenRun) -> None:
    spec = Train(model="m", data="sample://iris", folds=2, epochs=1)
    outcome = fitted(spec, open_run())
    result, manifest = outcome.result, manifest_of(outcome)
    assert isinstance(result, TrainResult)
    scores = result.cross_validation
    assert scores is not None
    assert len(scores.folds) == 2
    assert len({fold["val_loss"] for fold in scores.folds}) == 2
    values = [fold["val_accuracy"] for fold in scores.folds]
    assert scores.mean["val_accuracy"] == pytest.approx(np.mean(values))
    assert scores.spread["val_accuracy"] == pytest.approx(np.std(values))
    assert result.rows == 120
    assert result.metrics["val_accuracy"] == manifest.metrics["val_accuracy"] == scores.mean["val_accuracy"]
    assert "val_accuracy" not in result.history
    assert result.model == manifest.name == "m"
    assert "over 2 folds: " in result.shown().notes[1]
    seeded = spec.model_copy(update={"seed": result.seed})
    again = execute(asked_for(seeded, open_run())[0], open_run()).result
    assert isinstance(again, TrainResult)
    assert {name: again.metrics[name] for name in scores.folds[0]} == scores.folds[0]


@pytest.mark.slow
def test_the_last_training_takes_as_long_as_the_folds_were_best(open_run: OpenRun, events: list[Event]) -> None:
    stop = EarlyStopping(monitor="val_loss", patience=1, min_delta=10.0)
    spec = Train(model="m", data="sample://iris", folds=2, epochs=50, early_stopping=stop, seed=1)
    result = fitted(spec, open_run()).result
    assert isinstance(result, TrainResult)
    assert 1 <= result.epochs < 50
    told = [event.line for event in events if isinstance(event, Log)]
    assert f"trains on all rows for {result.epochs} epochs, after which the folds were best on average" in told


def test_one_fold_can_be_trained_alone_and_registers_nothing(open_run: OpenRun) -> None:
    outcome = execute(Train(model="m", data="sample://iris", folds=3, fold=2, epochs=1, alias="champion"), open_run())
    assert outcome.effects == ()
    assert isinstance(outcome.result, TrainResult)
    assert (outcome.result.gives_model(), outcome.result.rows, outcome.result.files) == (None, 80, {})
    assert outcome.result.shown().subject == "not registered"


def test_the_folds_are_jobs_like_their_parent(open_run: OpenRun) -> None:
    spec = Train(model="m", data="sample://iris", folds=4, alias="champion", after=["#1"], epochs=3, tags={"a": "b"})
    children = asked_for(spec, open_run())
    assert [child.fold for child in children] == [0, 1, 2, 3]
    assert len({child.seed for child in children}) == 1
    assert {(child.alias, child.after, child.epochs, child.folds) for child in children} == {(None, (), 3, 4)}
    assert all(stoker.kinds.checked(child) == child for child in children)
