"""A training that is killed again and again ends with the very weights of one that nobody disturbed.

The quick version is in test_promises.py, on the deployment that is there.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import keras
import pytest

import stoker
from stoker import events
from stoker.kinds import Checkpoints, Result, Train, TrainResult
from stoker.models.store import Store

from ..integration.conftest import SLOW
from .deployment import Deployment, Party
from .monkey import LEASE_S

_ENDS_WITHIN_S = 600.0
# What runs a job, from the inside out.
WHATS = ("runner", "slot", "worker")


def training(epochs: int) -> Train:
    """A training that needs all that a checkpoint must hold: dropout, moments, a schedule, shuffled rows.

    An epoch takes a quarter of a second, so that one can be hit.
    """
    return Train(
        model="undisturbed",
        data="sample://digits",
        architecture=stoker.Builder(SLOW.target, {"hidden": 64}),
        optimizer=stoker.Optimizer(name="adam", schedule=stoker.Schedule(decay="cosine")),
        epochs=epochs,
        batch_size=128,
        seed=7,
        checkpoint=Checkpoints(steps=65),
        max_attempts=10,
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_training_killed_three_times_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    compare(training(epochs=180), WHATS, tmp_path)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_a_long_training_killed_three_times_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    compare(training(epochs=900), WHATS, tmp_path)


@pytest.mark.slow
def test_a_training_paused_while_its_worker_is_drained_goes_on_elsewhere_with_the_weights_of_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    spec = training(epochs=24)
    with Deployment(
        tmp_path / "home", workers=2, slots=1, controllers=1, namespaces=False, lease_s=LEASE_S
    ) as deployment:
        deployment.await_workers()
        with stoker.Client(settings=deployment.settings) as client:
            undisturbed = client.submit(spec)
            paused = client.submit(spec.model_copy(update={"model": "paused", "max_attempts": 1}))
            await_epoch(paused, 1, 5)
            paused.pause()
            next(event for event in paused.events() if isinstance(event, events.Waiting))
            status = paused.status()
            assert (status.state, status.paused is not None) == (stoker.JobState.WAITING, True)
            drained = _party_of(paused, deployment)
            drained.stop(_ENDS_WITHIN_S)
            first = undisturbed.result(timeout=_ENDS_WITHIN_S)
            paused.resume()
            second = paused.result(timeout=_ENDS_WITHIN_S)
            assert paused.status().attempt == 2
            assert paused.status().worker != status.worker
            weights = [weights_of(result, deployment, tmp_path) for result in (first, second)]
            started_from_checkpoints(list(paused.events()))
        deployment.stop_workers()
    assert weights[0] == weights[1]


def compare(spec: Train, whats: Sequence[str], folder: Path) -> None:
    """Run a training twice at once, kill what runs the second one, and compare what they have learned."""
    home = folder / "home"
    with Deployment(home, workers=2, slots=1, controllers=1, namespaces=False, lease_s=LEASE_S) as deployment:
        deployment.await_workers()
        with stoker.Client(settings=deployment.settings) as client:
            undisturbed = client.submit(spec)
            killed = client.submit(spec.model_copy(update={"model": "killed"}))
            _kill_each(whats, killed, spec, deployment)
            weights = [
                weights_of(job.result(timeout=_ENDS_WITHIN_S), deployment, folder) for job in (undisturbed, killed)
            ]
            assert (undisturbed.status().attempt, killed.status().attempt) == (1, 1 + len(whats))
            started_from_checkpoints(list(killed.events()))
        deployment.stop_workers()
    assert weights[0] == weights[1]


def _kill_each(whats: Sequence[str], job: stoker.Job, spec: Train, deployment: Deployment) -> None:
    """Kill one after the other, each in another part of the training, at an epoch by chance."""
    chance = random.Random(3)
    part = spec.epochs // len(whats)
    epochs = [part * n + chance.randrange(part // 4, part - 1) for n in range(len(whats))]
    for attempt, (epoch, what) in enumerate(zip(epochs, chance.sample(whats, len(whats)), strict=True), start=1):
        await_epoch(job, attempt, epoch)
        _kill(what, _party_of(job, deployment))


def await_epoch(job: stoker.Job, attempt: int, epoch: int) -> None:
    running = 0
    for event in job.events():
        if isinstance(event, events.Started):
            running = event.attempt
        if isinstance(event, events.Epoch) and running == attempt and event.epoch >= epoch:
            return
    raise AssertionError(f"attempt {attempt} ended before epoch {epoch}")


def _party_of(job: stoker.Job, deployment: Deployment) -> Party:
    worker = job.status().worker or ""
    return next(party for party in deployment.workers if party.main and f"-{party.main.pid}@" in worker)


def _kill(what: str, party: Party) -> None:
    if what == "worker":
        party.kill()
        party.start()
    else:
        [process] = party.runners() if what == "runner" else party.slots()
        process.kill()


def started_from_checkpoints(story: list[events.Event]) -> None:
    """Each attempt after the first begins in the epoch of the last checkpoint that was told of."""
    saved: events.Checkpoint | None = None
    resumes = False
    for event in story:
        if isinstance(event, events.Checkpoint):
            saved = event
        if isinstance(event, events.Started):
            resumes = event.attempt > 1
        if isinstance(event, events.Epoch) and resumes:
            assert saved is not None
            assert event.epoch == saved.epoch + 1
            resumes = False


def weights_of(result: Result, deployment: Deployment, folder: Path) -> list[bytes]:
    """Every weight of the saved model, bit by bit."""
    assert isinstance(result, TrainResult)
    path = Store(deployment.settings.store).fetch(result.files["keras"], folder)
    return [weight.tobytes() for weight in keras.saving.load_model(path).get_weights()]
