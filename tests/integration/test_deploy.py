"""Deployments: verified within their slot, moved in one step, or refused for what is wrong."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

import stoker
from stoker import JobState
from stoker.fleet.topology import lists_of, queues
from stoker.local import redis_url_of
from stoker.models.store import Store
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL


@contextmanager
def hanging(file: Path) -> Iterator[None]:
    """A FIFO in the file's place: whoever opens it waits until the end of the block, and then cannot read it."""
    aside, pipe = file.with_suffix(".aside"), file.with_suffix(".pipe")
    file.rename(aside)
    os.mkfifo(file)
    try:
        yield
    finally:
        file.rename(pipe)
        aside.rename(file)
        with suppress(OSError):  # nobody waits
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        pipe.unlink()


@pytest.fixture(scope="module")
def model(stack: Settings) -> stoker.ModelVersion:
    spec = stoker.Train(model="shipped", data="sample://iris", epochs=1, **SMALL)
    with stoker.Client(settings=stack) as client:
        result = client.submit(spec).result(timeout=PATIENCE_S)
        assert isinstance(result, stoker.TrainResult)
        return client.model(result.model)


def test_a_deployment_moves_an_alias_to_a_whole_model(client: stoker.Client, model: stoker.ModelVersion) -> None:
    job = client.submit(stoker.Deploy(model=model.ref, alias="live"))

    assert job.result(timeout=PATIENCE_S) == stoker.DeployResult(model=model.ref, alias="live")
    assert client.model("shipped@live").ref == model.ref


def test_a_damaged_file_fails_the_deployment_and_moves_nothing(
    client: stoker.Client, stack: Settings, model: stoker.ModelVersion
) -> None:
    file = Path(Store(stack.store).location(model.files["keras"]))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    try:
        job = client.submit(stoker.Deploy(model=model.ref, alias="broken"))
        with pytest.raises(stoker.JobFailed, match="is corrupt"):
            job.result(timeout=PATIENCE_S)
    finally:
        file.write_bytes(content)
    with pytest.raises(stoker.ModelNotFound):
        client.model("shipped@broken")


def test_a_store_that_hangs_costs_the_job_its_timeout_and_the_slot_nothing(
    client: stoker.Client, stack: Settings, model: stoker.ModelVersion
) -> None:
    with hanging(Path(Store(stack.store).location(model.files["keras"]))):
        job = client.submit(stoker.Deploy(model=model.ref, alias="slow", timeout=1))
        with pytest.raises(stoker.JobFailed, match="timeout of 1 s"):
            job.result(timeout=PATIENCE_S)
    assert client.submit(stoker.Deploy(model=model.ref)).result(timeout=PATIENCE_S)


def test_the_next_message_is_fetched_while_deployments_keep_all_slots_busy(
    client: stoker.Client, stack: Settings, model: stoker.ModelVersion, eventually: Eventually
) -> None:
    other = client.submit(stoker.Train(model="other", data="sample://iris", epochs=1, **SMALL)).result(
        timeout=PATIENCE_S
    )
    assert isinstance(other, stoker.TrainResult)
    slots = sum(worker.slots for worker in client.workers())
    file = Path(Store(stack.store).location(model.files["keras"]))
    with redis.Redis.from_url(redis_url_of(stack)) as server, hanging(file):
        busy = client.submit_many([stoker.Deploy(model=model.ref, alias="slow")] * slots)
        eventually(lambda: all(job.state is JobState.RUNNING for job in busy))
        behind = client.submit(stoker.Deploy(model=other.model))
        eventually(lambda: not any(server.llen(name) for name in lists_of(queues())))
        assert behind.state is JobState.QUEUED
    assert {job.wait(timeout=PATIENCE_S) for job in (*busy, behind)} == {JobState.SUCCEEDED}
