"""Bulk predictions that ask for children: the rows of one job, in order, and whoever dies costs one child."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import redis
from numpy.typing import NDArray

import stoker
from stoker.events import Progress, Waiting
from stoker.local import redis_url_of
from stoker.models.store import Store
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL

Write = Callable[..., str]
ROWS = 1_000


@pytest.fixture(scope="module")
def model(stack: Settings) -> Iterator[str]:
    with stoker.Client(settings=stack) as client:
        spec = stoker.Train(model="bulk", data="sample://digits", epochs=2, seed=1, **SMALL)
        result = client.submit(spec).result(timeout=PATIENCE_S)
        assert isinstance(result, stoker.TrainResult)
        yield result.model


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows to a file: `write(count, nan_at=…)`."""

    def write_rows(count: int, nan_at: int | None = None) -> str:
        rows = np.random.default_rng(0).uniform(0, 16, (count, 64)).astype(np.float32)
        if nan_at is not None:
            rows[nan_at, 3] = np.nan
        np.savez(tmp_path / "rows.npz", x=rows)
        return str(tmp_path / "rows.npz")

    return write_rows


@pytest.fixture(autouse=True)
def _nothing_is_left(stack: Settings, eventually: Eventually) -> Iterator[None]:
    yield
    with redis.Redis.from_url(redis_url_of(stack)) as server:
        eventually(lambda: not list(server.scan_iter("stoker:children:*")))


def predictions(result: object, stack: Settings, folder: Path) -> list[NDArray[np.float32]]:
    assert isinstance(result, stoker.InferResult)
    return [np.load(Store(stack.store).fetch(chunk, folder)) for chunk in result.chunks]


def test_a_job_in_children_gives_the_rows_of_one_in_their_order(
    client: stoker.Client, stack: Settings, model: str, write: Write, tmp_path: Path
) -> None:
    data = write(ROWS + 50)

    job = client.submit(stoker.Infer(model=model, data=data, chunk_rows=100))

    chunks = predictions(job.result(timeout=PATIENCE_S), stack, tmp_path)
    assert [len(chunk) for chunk in chunks] == [100] * 10 + [50]
    expected = client.infer(model, np.load(data)["x"], timeout=PATIENCE_S)
    np.testing.assert_allclose(np.concatenate(chunks), expected, rtol=1e-4, atol=1e-6)
    events = list(job.events())
    assert any(
        isinstance(event, Waiting) and event.reason == "waits for 8 jobs that it has asked for" for event in events
    )
    assert [event.done for event in events if isinstance(event, Progress) and event.unit == "jobs"] == [*range(1, 9)]
    assert client.jobs(kind="infer", limit=1)[0].id == job.id
    children = client.jobs(parent=job.id)
    assert [child.state for child in children] == [stoker.JobState.SUCCEEDED] * 8
    assert {child.parent for child in children} == {job.id}
    program = [sys.executable, "-m", "stoker.cli", "jobs", "--parent", job.id, "--json"]
    environment = os.environ | {"STOKER_REDIS_URL": redis_url_of(stack)}
    listed = subprocess.run(program, env=environment, capture_output=True, check=True, timeout=PATIENCE_S)
    assert [row["id"] for row in json.loads(listed.stdout)] == [child.id for child in children]


def test_rows_that_are_asked_for_are_predicted_alone(
    client: stoker.Client, stack: Settings, model: str, write: Write, tmp_path: Path
) -> None:
    data = write(ROWS)

    job = client.submit(stoker.Infer(model=model, data=data, rows=(200, 450), chunk_rows=100))

    [*chunks] = predictions(job.result(timeout=PATIENCE_S), stack, tmp_path)
    assert [len(chunk) for chunk in chunks] == [100, 100, 50]
    expected = client.infer(model, np.load(data)["x"][200:450], timeout=PATIENCE_S)
    np.testing.assert_allclose(np.concatenate(chunks), expected, rtol=1e-4, atol=1e-6)


def test_a_child_that_fails_fails_the_job_and_names_the_row(client: stoker.Client, model: str, write: Write) -> None:
    job = client.submit(stoker.Infer(model=model, data=write(400, nan_at=289), chunk_rows=100))

    with pytest.raises(stoker.JobFailed, match=r"rows 200 to 299: .*row 289"):
        job.result(timeout=PATIENCE_S)


def test_a_killed_slot_costs_one_child(
    client: stoker.Client, stack: Settings, model: str, write: Write, eventually: Eventually, tmp_path: Path
) -> None:
    # One row at a time: slow enough to be hit.
    job = client.submit(stoker.Infer(model=model, data=write(8_000), chunk_rows=2_000, batch_size=1))
    [worker] = client.workers()

    def at_work() -> list[psutil.Process]:
        return [child for slot in psutil.Process(worker.pid).children() for child in slot.children()]

    eventually(lambda: job.status().state is stoker.JobState.WAITING and job.status().progress)
    killed = max(at_work(), key=psutil.Process.create_time)
    killed.kill()

    chunks = predictions(job.result(timeout=PATIENCE_S), stack, tmp_path)
    assert sum(map(len, chunks)) == 8_000
    assert sum(child.attempt for child in client.jobs(parent=job.id)) <= 4 + 1


def test_cancelling_ends_all_children(client: stoker.Client, model: str, write: Write, eventually: Eventually) -> None:
    job = client.submit(stoker.Infer(model=model, data=write(200_000), chunk_rows=10_000, batch_size=1))
    eventually(lambda: job.status().state is stoker.JobState.WAITING)

    job.cancel()

    assert job.wait(timeout=PATIENCE_S) is stoker.JobState.CANCELLED
