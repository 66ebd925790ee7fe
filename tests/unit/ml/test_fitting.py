"""How gradient descent goes: batches added up, gradients clipped, weights averaged, rates lowered, time that ends."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.events import Checkpoint, Epoch, Event, Log
from stoker.kinds import MLP, Checkpoints, EarlyStopping, Optimizer, Plateau, Train
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.run import Outcome, Run
from stoker_workers.ml.training import dataset, rows
from stoker_workers.ml.training.checkpoint import Saved

from .conftest import OFTEN, assert_resumes, history_of, weights_of

Weights = Sequence[NDArray[Any]]
# 96 rows to train on: the last batch of an epoch is shorter than the others.
IRIS = Train(
    model="iris",
    data="sample://iris",
    architecture=MLP(hidden=(8,), l2=0.01),
    optimizer=Optimizer(name="sgd", learning_rate=0.1, momentum=0.9),
    class_weights={"1": 2.0},
    validation_split=0.2,
    batch_size=50,
    epochs=3,
    seed=2,
)
EVERY_STEP = Checkpoints(steps=1, seconds=None, keep=100)


def changed(**fields: Any) -> Train:
    return Train(**{**dict(IRIS), **fields})


def states(events: Sequence[Event], run: Run) -> list[Saved]:
    """What the training saved after each step."""
    artifacts = [event.artifact for event in events if isinstance(event, Checkpoint)]
    return [Saved.read(run.store.of_job(run.job).fetch(artifact, run.scratch)) for artifact in artifacts]


def assert_alike(ours: Outcome, theirs: Outcome, run: Run) -> None:
    for name, values in history_of(theirs).items():
        assert history_of(ours)[name] == pytest.approx(values, rel=1e-4), name
    for mine, other in zip(weights_of(ours, run), weights_of(theirs, run), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


@pytest.mark.parametrize(
    "is_streamed", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["in memory", "streamed"]
)
def test_batches_that_are_added_up_learn_as_one_large_batch_does(
    is_streamed: bool, open_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_streamed:
        monkeypatch.setattr(dataset, "RESIDENT_BYTES", 0)
        monkeypatch.setattr(rows, "WINDOW_BYTES", 1_000)
    run = open_run()
    whole = train(IRIS, run)
    assert_alike(train(changed(batch_size=10, accumulate=5), run), whole, run)
    assert_alike(train(changed(batch_size=1, accumulate=50), run), whole, run)


def steps_of(job: Train, run: Run, events: list[Event]) -> list[NDArray[Any]]:
    """By how much each step has changed the weights."""
    events.clear()
    train(job, run)
    weights = [np.concatenate([value.ravel() for value in state.variables[:4]]) for state in states(events, run)]
    return [after - before for before, after in pairwise(weights)]


def test_gradients_are_clipped_by_the_length_of_all_or_each_by_itself(
    open_run: Callable[..., Run], events: list[Event]
) -> None:
    run, rate = open_run(), 0.5
    plain = {"name": "sgd", "learning_rate": rate}

    def steps(**clip: float) -> list[NDArray[Any]]:
        return steps_of(changed(optimizer=Optimizer(**plain, **clip), checkpoint=EVERY_STEP, epochs=2), run, events)

    free, short, cut = steps(), steps(clip_norm=0.01), steps(clip_value=0.02)
    assert max(np.linalg.norm(step) for step in free) > 0.05 * rate
    assert [float(np.linalg.norm(step)) for step in short] == pytest.approx([0.01 * rate] * len(short), rel=1e-3)
    assert [float(np.abs(step).max()) for step in cut] == pytest.approx([0.02 * rate] * len(cut), rel=1e-3)


def test_averaged_weights_are_validated_and_saved(open_run: Callable[..., Run], events: list[Event]) -> None:
    run = open_run()
    outcome = train(changed(ema=0.5, checkpoint=EVERY_STEP, validation_split=0, validation_data="sample://iris"), run)
    raw = [state.variables[:4] for state in states(events, run)]
    # Each checkpoint has the averages behind all other variables.
    averages = [state.variables[-4:] for state in states(events, run)]
    for step, (before, after) in enumerate(pairwise(averages), start=2):
        kept = min(0.5, (1 + step) / (10 + step))
        for old, new, weight in zip(before, after, raw[step - 1], strict=True):
            np.testing.assert_allclose(new, kept * old + (1 - kept) * weight, atol=1e-6)
    saved = weights_of(outcome, run)[-4:]
    for ours, average, weight in zip(saved, averages[-1], raw[-1], strict=True):
        np.testing.assert_array_equal(ours, average)
        assert not np.allclose(ours, weight, atol=1e-4)
    # A training that begins with the averages, and learns nothing, validates them.
    assert history_of(outcome)["val_loss"][-1] != pytest.approx(history_of(outcome)["loss"][-1], rel=1e-3)


def test_the_rate_is_lowered_where_a_metric_does_not_improve(open_run: Callable[..., Run], events: list[Event]) -> None:
    plateau = Plateau(monitor="val_loss", min_delta=100.0, patience=2, factor=0.1, least=0.002)
    run = open_run()
    train(changed(plateau=plateau, epochs=8, checkpoint=EVERY_STEP), run)
    lines = [event.line for event in events if isinstance(event, Log) and "learning rate" in event.line]
    assert lines == [
        "val_loss has not improved for 2 epochs: from epoch 4 on the learning rate is 0.01",
        "val_loss has not improved for 2 epochs: from epoch 6 on the learning rate is 0.002",
    ]


def test_all_of_it_together_is_resumed_to_bitwise_equal_weights(
    open_run: Callable[..., Run], events: list[Event]
) -> None:
    run = open_run()
    job = changed(
        architecture=MLP(hidden=(8,), dropout=0.2, norm="batch"),
        optimizer=Optimizer(clip_norm=0.5, clip_value=0.1),
        batch_size=4,
        accumulate=3,
        ema=0.9,
        plateau=Plateau(patience=1, min_delta=100.0),
        early_stopping=EarlyStopping(patience=3),
        epochs=4,
        checkpoint=OFTEN,
    )
    outcome = train(job, run)
    assert_resumes(job, outcome, list(events), run)


def test_time_that_is_over_ends_a_training_well_within_an_epoch_and_once_for_all_attempts(
    open_run: Callable[..., Run], events: list[Event]
) -> None:
    run = open_run()
    job = changed(budget_s=1e-6, batch_size=5, epochs=50, checkpoint=EVERY_STEP)
    outcome = train(job, run)
    [epoch] = [event for event in events if isinstance(event, Epoch)]
    assert epoch.epoch == 1
    assert {"loss", "val_loss"} <= set(epoch.metrics)
    assert len(history_of(outcome)["loss"]) == 1
    assert "the 1e-06 s of budget_s are over: ends after 1 of the 20 steps of epoch 1" in [
        event.line for event in events if isinstance(event, Log)
    ]
    [left] = [event.artifact for event in events if isinstance(event, Checkpoint) if event.step == 1]
    again = train(job, replace(run, checkpoints=(left,)))
    for ours, theirs in zip(weights_of(again, run), weights_of(outcome, run), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_early_stopping_gives_the_best_weights_also_where_the_time_is_over(
    open_run: Callable[..., Run], events: list[Event]
) -> None:
    run = open_run()
    stop = EarlyStopping(monitor="loss", mode="max", patience=50)  # the first epoch is best
    train(changed(epochs=4, early_stopping=stop, checkpoint=Checkpoints(epochs=1)), run)
    [left] = [event.artifact for event in events if isinstance(event, Checkpoint) if event.epoch == 3]
    job = changed(epochs=4, early_stopping=stop, budget_s=1e-6)
    outcome = train(job, replace(run, checkpoints=(left,)))
    assert len(history_of(outcome)["loss"]) == 3
    assert outcome.result.metrics["loss"] == history_of(outcome)["loss"][0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"plateau": {}, "optimizer": {"schedule": {"decay": "cosine"}}}, "both set the learning rate"),
        ({"plateau": {"monitor": "val_auc"}}, "plateau watches val_auc, but the metrics are"),
        ({"plateau": {}, "folds": 3, "validation_split": 0}, "trained on all rows"),
        ({"workers": 60, "accumulate": 1}, "60 workers cannot share batches of 50 rows"),
    ],
)
def test_what_contradicts_itself_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidJob, match=words):
        Train.model_validate({**IRIS.model_dump(), **fields})
