"""Promises that can be tried one at a time: draining costs nothing, no kill changes a weight, poison dies alone."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import stoker
from stoker import JobState, events
from stoker.kinds import Checkpoints, Train
from stoker.ledger import dead_jobs

from .. import preloaded
from ..conftest import PATIENCE_S, Eventually
from ..integration.conftest import SLOW
from .deployment import Deployment
from .test_resume import await_epoch, started_from_checkpoints, training, weights_of

ENDLESS = Train(
    model="endless",
    data="sample://digits",
    architecture=SLOW,
    batch_size=256,
    epochs=1_000_000,
    seed=1,
    max_attempts=1,
    checkpoint=Checkpoints(steps=10_000_000, seconds=None),
)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One worker with two slots, and a controller."""
    with Deployment(
        tmp_path_factory.mktemp("deployment"),
        workers=1,
        slots=2,
        controllers=1,
        namespaces=False,
        python=preloaded.python(),
    ) as deployment:
        deployment.await_workers()
        yield deployment


@pytest.fixture
def client(deployment: Deployment) -> Iterator[stoker.Client]:
    with stoker.Client(settings=deployment.settings) as client:
        yield client


def epochs_of(job: stoker.Job, attempt: int) -> Iterator[int]:
    """The epochs that an attempt tells of."""
    running = 0
    for event in job.events():
        if isinstance(event, events.Started):
            running = event.attempt
        if isinstance(event, events.Epoch) and running == attempt:
            yield event.epoch


def cancel(job: stoker.Job) -> None:
    job.cancel()
    assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED


def test_a_drained_worker_hands_its_jobs_over_where_they_are_and_at_no_cost(
    deployment: Deployment, client: stoker.Client, eventually: Eventually
) -> None:
    # With one attempt allowed, a drain that cost one would be the end of them.
    jobs = [client.submit(ENDLESS) for _ in range(2)]
    for job in jobs:
        next(epochs_of(job, attempt=1))
    [worker] = deployment.workers
    assert worker.main
    worker.main.terminate()
    eventually(worker.has_ended)
    for job in jobs:
        assert job.state is JobState.QUEUED
        assert isinstance(list(itertools.takewhile(_is_before_handover, job.events()))[-1], events.Checkpoint)
    deployment.supervise()
    for job in jobs:
        story = itertools.takewhile(_is_before_handover, job.events())
        last = max(event.epoch for event in story if isinstance(event, events.Epoch))
        assert next(epochs_of(job, attempt=2)) == last + 1
        cancel(job)


def _is_before_handover(event: events.Event) -> bool:
    return not (isinstance(event, events.Queued) and event.reason)


def test_a_training_killed_and_paused_while_its_worker_is_drained_ends_with_the_weights_of_an_undisturbed_one(
    deployment: Deployment, client: stoker.Client, eventually: Eventually, tmp_path: Path
) -> None:
    # One loss is what it may have: neither the pause nor the drain is another.
    spec = training(epochs=18).model_copy(update={"max_attempts": 2})
    undisturbed = client.submit(spec).result(timeout=PATIENCE_S)
    job = client.submit(spec.model_copy(update={"model": "disturbed"}))
    await_epoch(job, 1, 7)
    [worker] = deployment.workers
    [slot] = [slot for slot in worker.slots() if slot.children()]
    slot.kill()
    await_epoch(job, 2, 9)
    before = job.status()
    job.pause()
    eventually(lambda: job.state is JobState.WAITING)
    assert job.status().paused is not None
    drain(deployment, eventually)
    job.resume()
    disturbed = job.result(timeout=PATIENCE_S)
    assert (before.attempt, job.status().attempt) == (2, 3)
    assert job.status().worker != before.worker
    started_from_checkpoints(list(job.events()))
    assert weights_of(disturbed, deployment, tmp_path) == weights_of(undisturbed, deployment, tmp_path)


@pytest.mark.slow
def test_a_bulk_prediction_that_is_drained_twice_within_one_chunk_goes_on_behind_the_one_before(
    deployment: Deployment, client: stoker.Client, eventually: Eventually, tmp_path: Path
) -> None:
    chunk, count = 80_000, 200_000
    np.savez(tmp_path / "rows.npz", x=np.zeros((count, 4), "float32"))
    training = client.submit(stoker.Train(model="bulk", data="sample://iris", epochs=1)).result(timeout=PATIENCE_S)
    assert isinstance(training, stoker.TrainResult)
    # One row at a time: slow enough to be drained; and these rows alone, so that it asks for no children.
    spec = stoker.Infer(
        model=training.model,
        data=str(tmp_path / "rows.npz"),
        rows=(0, count),
        chunk_rows=chunk,
        batch_size=1,
        max_attempts=1,
    )

    job = client.submit(spec)
    for attempt, done in ((1, chunk), (2, 0)):
        next(progress for progress in progress_of(job, attempt) if progress.done > done)
        drain(deployment, eventually)

    result = job.result(timeout=PATIENCE_S)
    assert isinstance(result, stoker.InferResult)
    assert (result.rows, len(result.chunks)) == (count, 3)
    saved = itertools.takewhile(lambda event: getattr(event, "attempt", 0) < 3, job.events())
    assert [event.step for event in saved if isinstance(event, events.Checkpoint)] == [1]


def progress_of(job: stoker.Job, attempt: int) -> Iterator[events.Progress]:
    """What an attempt tells of its progress."""
    running = 0
    for event in job.events():
        if isinstance(event, events.Started):
            running = event.attempt
        if isinstance(event, events.Progress) and running == attempt:
            yield event


def drain(deployment: Deployment, eventually: Eventually) -> None:
    """End the worker, as a rolling restart does, and start it again."""
    [worker] = deployment.workers
    assert worker.main
    worker.main.terminate()
    eventually(worker.has_ended)
    deployment.supervise()


def test_a_poison_job_dies_alone_and_keeps_its_history(deployment: Deployment, client: stoker.Client) -> None:
    neighbour = client.submit(ENDLESS)
    next(epochs_of(neighbour, attempt=1))
    builder = stoker.Builder("chaos_builders:poison", {"effects": str(deployment.effects), "label": "poison"})
    poison = client.submit(ENDLESS.model_copy(update={"architecture": builder, "max_attempts": 2}))
    with pytest.raises(
        stoker.JobDead, match="gave up after 2 lost workers; the last: its process was killed by SIGKILL"
    ):
        poison.result(timeout=PATIENCE_S)
    past = client._connection.run(dead_jobs.history(poison.id))
    assert [(one.attempt, one.how) for one in past] == [(1, "lost"), (2, "DEAD")]
    assert deployment.effects.read_text().splitlines().count("poison") == 2
    cancel(neighbour)
    assert neighbour.status().attempt == 1
