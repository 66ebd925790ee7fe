"""Jobs end to end: client, Redis, Celery worker, TensorFlow."""

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest
import redis
from celery import Celery

import stoker
from stoker import JobState, events
from stoker.local import redis_url_of
from stoker.models.store import Store
from stoker.settings import Settings

from ..conftest import PATIENCE_S
from .conftest import BRIEF, SLOW

REFERENCE = stoker.Train(
    model="digits",
    data="sample://digits",
    architecture=stoker.MLP(hidden=(64, 32)),
    epochs=10,
    batch_size=32,
    seed=1,
)
# Far more work than any test waits for; the tests that use it stop it.
ENDLESS = REFERENCE.model_copy(
    update={"model": "endless", "epochs": 1_000_000, "architecture": SLOW, "batch_size": 256}
)


@pytest.fixture(scope="session")
def trained(stack: Settings) -> stoker.TrainResult:
    with stoker.Client(settings=stack) as client:
        result = client.submit(REFERENCE).result(timeout=PATIENCE_S)
    assert isinstance(result, stoker.TrainResult)
    return result


def wait_for_epoch(job: stoker.Job) -> None:
    assert any(isinstance(event, events.Epoch) for event in job.events())


def runner_of(job: stoker.Job) -> psutil.Process:
    """The process that runs the job: the youngest child of a slot; a predictor may be another."""
    worker = job.status().worker
    assert worker is not None
    slots = psutil.Process(int(worker.partition("@")[0].rpartition("-")[2])).children()
    return max((child for slot in slots for child in slot.children()), key=psutil.Process.create_time)


def test_the_reference_model_learns_digits(trained: stoker.TrainResult, client: stoker.Client) -> None:
    assert trained.model.startswith("digits@")
    assert trained.epochs == 10
    # Dense 64, 32 and 10 on 64 pixels, and what the normalisation has seen.
    assert trained.parameters == (64 * 64 + 64) + (64 * 32 + 32) + (32 * 10 + 10)
    version = client.model(trained.model)
    assert version.signature.classes == tuple("0123456789")
    assert version.signature.inputs[0].shape == (64,)


def test_a_training_tells_its_story(trained: stoker.TrainResult, client: stoker.Client) -> None:
    job = client.job(client.model(trained.model).job)
    story = list(job.events())
    assert [event.type for event in story[:2]] == ["queued", "started"]
    epochs = [event for event in story if isinstance(event, events.Epoch)]
    assert [event.epoch for event in epochs] == list(range(1, 11))
    assert epochs[-1].metrics["loss"] < epochs[0].metrics["loss"]
    assert all(event.rows_per_s and event.rows_per_s > 0 for event in epochs)
    assert epochs[-1].eta_s == 0
    last = story[-1]
    assert isinstance(last, events.Finished)
    assert last.state is JobState.SUCCEEDED
    assert list(job.events(after=epochs[4].id)) == story[story.index(epochs[4]) + 1 :]


def test_an_evaluation_measures_it_on_digits_it_has_not_seen(
    trained: stoker.TrainResult, client: stoker.Client, stack: Settings
) -> None:
    result = client.submit(stoker.Evaluate(model=trained.model, data="sample://digits")).result(timeout=PATIENCE_S)
    assert isinstance(result, stoker.EvaluateResult)
    assert result.rows == 359
    assert result.metrics["accuracy"] >= 0.92
    page = Store(stack.store).read(result.files["html"]).decode()
    assert trained.model in page


def test_inference_answers_from_the_trained_model(trained: stoker.TrainResult, client: stoker.Client) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    probabilities = client.infer(trained.model, digits.data[:100], timeout=PATIENCE_S)
    assert probabilities.shape == (100, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (probabilities.argmax(axis=1) == digits.target[:100]).mean() > 0.9
    many = client.infer_many(trained.model, digits.data, timeout=PATIENCE_S)
    np.testing.assert_allclose(many[:100], probabilities, rtol=1e-4, atol=1e-6)


def test_bulk_inference_writes_chunks_in_the_order_of_the_rows(
    trained: stoker.TrainResult, client: stoker.Client, stack: Settings, tmp_path: Path
) -> None:
    from sklearn.datasets import load_digits

    rows = load_digits().data[:250].astype("float32")
    np.savez(tmp_path / "rows.npz", x=rows)
    job = client.submit(stoker.Infer(model=trained.model, data=str(tmp_path / "rows.npz"), chunk_rows=100))
    result = job.result(timeout=PATIENCE_S)
    assert isinstance(result, stoker.InferResult)
    store = Store(stack.store)
    chunks = [np.load(store.fetch(chunk, tmp_path)) for chunk in result.chunks]
    assert [len(chunk) for chunk in chunks] == [100, 100, 50]
    expected = client.infer(trained.model, rows, timeout=PATIENCE_S)
    np.testing.assert_allclose(np.concatenate(chunks), expected, rtol=1e-4, atol=1e-6)


def test_celerys_own_result_api_sees_the_same_state_and_result(
    trained: stoker.TrainResult, client: stoker.Client, stack: Settings
) -> None:
    url = redis_url_of(stack)
    celery = Celery(broker=url, backend=url).AsyncResult(client.model(trained.model).job)
    assert celery.state == "SUCCESS"
    assert celery.get(timeout=PATIENCE_S) == trained.model_dump(mode="json")


def test_celery_inspect_shows_a_running_job_with_readable_arguments(client: stoker.Client, stack: Settings) -> None:
    job = client.submit(ENDLESS)
    wait_for_epoch(job)
    [worker] = client.workers()
    active = Celery(broker=redis_url_of(stack)).control.inspect([worker.name], timeout=PATIENCE_S).active()
    job.cancel()
    [task] = [task for tasks in active.values() for task in tasks if task["id"] == job.id]
    assert task["name"] == "stoker.train"
    assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED


def test_the_async_client_does_the_same(trained: stoker.TrainResult, stack: Settings) -> None:
    async def story() -> None:
        async with stoker.AsyncClient(settings=stack) as client:
            jobs = await client.submit_many(
                [REFERENCE.model_copy(update={"model": f"small-{n}", "epochs": 1}) for n in range(2)]
            )
            results = await asyncio.gather(*(job.result(timeout=PATIENCE_S) for job in jobs))
            assert {result.words() for result in results} == {"small-0@1", "small-1@1"}
            types = [event.type async for event in jobs[0].events()]
            assert types[0] == "queued"
            assert types[-1] == "finished"
            asked = [client.infer(trained.model, np.zeros((1, 64)), timeout=PATIENCE_S) for _ in range(5)]
            answers = await asyncio.gather(*asked)
            assert all(answer.shape == (1, 10) for answer in answers)
            assert (await client.jobs(kind="train", limit=1))[0].kind == "train"
            assert await jobs[0].state() is JobState.SUCCEEDED
            assert (await client.model("small-0")).version == 1

    asyncio.run(story())


def test_a_running_job_stops_when_cancelled(client: stoker.Client) -> None:
    job = client.submit(ENDLESS)
    wait_for_epoch(job)
    job.cancel()
    assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED
    with pytest.raises(stoker.JobCancelled):
        job.result()


def test_a_job_that_takes_longer_than_its_timeout_fails_and_frees_its_slot(client: stoker.Client) -> None:
    job = client.submit(ENDLESS.model_copy(update={"timeout": 2.0}))
    with pytest.raises(stoker.JobFailed, match="longer than its timeout of 2 s"):
        job.result(timeout=PATIENCE_S)
    assert client.submit(BRIEF).wait(timeout=PATIENCE_S) is JobState.SUCCEEDED


def test_a_job_whose_process_is_killed_starts_again(client: stoker.Client) -> None:
    job = client.submit(ENDLESS.model_copy(update={"model": "killed", "epochs": 30}))
    wait_for_epoch(job)
    runner_of(job).kill()
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    assert job.status().attempt == 2
    again = [event.reason for event in job.events() if isinstance(event, events.Waiting)]
    assert again == ["its process was killed by SIGKILL"]
    assert [version.ref for version in client.models() if version.name == "killed"] == ["killed@1"]


def test_a_training_leaves_out_every_checkpoint_that_is_gone_and_says_so(
    client: stoker.Client, stack: Settings
) -> None:
    checkpoint = stoker.Checkpoints(epochs=1, seconds=None, keep=2)
    job = client.submit(ENDLESS.model_copy(update={"checkpoint": checkpoint}))
    saved = (event for event in job.events() if isinstance(event, events.Checkpoint))
    assert next(saved)
    assert next(saved)
    runner = runner_of(job)
    runner.suspend()  # so that it saves no more
    Store(stack.store).of_job(job.id).clear()
    runner.kill()

    lines: list[str] = []
    for event in job.events():
        if isinstance(event, events.Log) and "checkpoint" in event.line:
            lines.append(event.line)
        if lines and "starts anew" in lines[-1]:
            break
    job.cancel()

    assert [line.partition(" is left out: ")[0].partition("-")[0] for line in lines[:-1]] == ["checkpoint"] * 2
    assert all("is gone from the artifact store" in line for line in lines[:-1])


def test_a_job_whose_slot_is_killed_goes_to_another(client: stoker.Client) -> None:
    job = client.submit(ENDLESS.model_copy(update={"model": "orphan", "epochs": 30}))
    wait_for_epoch(job)
    runner = runner_of(job)
    slot = runner.parent()
    assert slot is not None
    os.kill(slot.pid, signal.SIGKILL)
    assert runner.wait(timeout=PATIENCE_S) is None, "the runner dies with its slot"
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    assert job.status().attempt == 2


def test_data_that_only_the_worker_can_judge_fails_the_job_with_one_sentence(
    client: stoker.Client, tmp_path: Path
) -> None:
    rows = np.ones((50, 3), dtype="float32")
    rows[7, 1] = np.inf
    np.savez(tmp_path / "bad.npz", x=rows, y=np.arange(50) % 2)
    job = client.submit(stoker.Train(model="bad", data=str(tmp_path / "bad.npz"), epochs=1))
    with pytest.raises(stoker.JobFailed, match="column 'x' holds inf in row 7") as error:
        job.result(timeout=PATIENCE_S)
    assert error.value.traceback is not None
    assert "\n" not in error.value.message
    assert [version for version in client.models() if version.name == "bad"] == []


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (np.zeros((1, 63)), "64"),
        (np.full((1, 64), np.nan), "(?i)nan|finite"),
        (np.array([["a"] * 64]), "must be float32, got <U1"),
    ],
)
def test_inputs_that_do_not_fit_the_model_are_refused(
    trained: stoker.TrainResult,
    client: stoker.Client,
    inputs: np.ndarray[tuple[int, int], np.dtype[np.generic]],
    told: str,
) -> None:
    with pytest.raises(stoker.InvalidJob, match=told):
        client.infer(trained.model, inputs, timeout=PATIENCE_S)


def test_a_model_that_does_not_exist_is_refused_before_queuing(client: stoker.Client) -> None:
    before = len(client.jobs(limit=1000))
    with pytest.raises(stoker.ModelNotFound, match="there is no model nobody@champion"):
        client.submit(stoker.Evaluate(model="nobody", data="sample://digits"))
    with pytest.raises(stoker.ModelNotFound, match="nobody"):
        client.infer("nobody", np.zeros((1, 64)))
    assert len(client.jobs(limit=1000)) == before


def test_a_training_whose_models_record_is_of_a_wrong_type_fails_with_a_sentence(
    client: stoker.Client, stack: Settings
) -> None:
    with redis.Redis.from_url(redis_url_of(stack)) as raw:
        raw.set("stoker:model:torn", "junk")
        try:
            job = client.submit(stoker.Train(model="torn", data="sample://iris", epochs=1))
            with pytest.raises(stoker.JobFailed, match="the record of model 'torn' is damaged"):
                job.result(timeout=PATIENCE_S)
        finally:
            raw.delete("stoker:model:torn")
