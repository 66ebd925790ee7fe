"""The artifact store, a disk or a host of data goes away: jobs wait, lose nothing, and everybody says so."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

import stoker
from stoker import JobState, events
from stoker.local import redis_url_of
from stoker.models.store import Store
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S, Eventually
from ..hosts import host
from .conftest import BRIEF, SLOW, SMALL, free_port, serving
from .test_metrics import scrape, value

SPEC = stoker.Train(
    model="away",
    data="sample://digits",
    epochs=1,
    batch_size=256,
    device="cpu",
    seed=1,
    max_attempts=1,
    **SMALL,
)
ROWS = np.zeros((1, 64))
# Where a host of data may be.
DATA_PORT = free_port()
DATA_HOST = f"http://127.0.0.1:{DATA_PORT}"
DISK_BYTES = 64 << 20


class Away:
    """A stack whose store is a folder on a small disk of its own; it can be taken away in several ways.

    Attributes:
        store: the folder.
        reads: whether it can still be read from while it is away.
    """

    reads = False

    def __init__(self, settings: Settings, disk: Path) -> None:
        self.settings = settings
        self.disk = disk
        self.store = disk / "artifacts"

    @contextmanager
    def outage(self) -> Iterator[None]:
        """The store is away for the length of a with block."""
        self._take_away()
        try:
            yield
        finally:
            self._bring_back()

    def _take_away(self) -> None:
        """Put a file where the folder was."""
        self.store.rename(self.store.with_suffix(".away"))
        self.store.touch()

    def _bring_back(self) -> None:
        self.store.unlink()
        self.store.with_suffix(".away").rename(self.store)


class ReadOnly(Away):
    """… whose disk is mounted to be read only."""

    reads = True

    def _take_away(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", self.disk], check=True)

    def _bring_back(self) -> None:
        subprocess.run(["mount", "-o", "remount,rw", self.disk], check=True)


class Full(Away):
    """… whose disk is filled."""

    reads = True

    def _take_away(self) -> None:
        free = os.statvfs(self.disk)
        with (self.disk / "filling").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)

    def _bring_back(self) -> None:
        (self.disk / "filling").unlink()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small file system of its own, where one may be mounted, and else a folder."""
    home = tmp_path_factory.mktemp("away")
    disk = home / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    is_mounted = subprocess.run(mount, capture_output=True).returncode == 0
    (disk / "artifacts").mkdir()
    try:
        yield disk
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", disk], check=True)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def away_settings(disk: Path) -> Iterator[Settings]:
    settings = Settings(
        home=disk.parent,
        store_url=str(disk / "artifacts"),
        slots=2,
        builders=(SLOW.target,),
        data_roots=(DATA_HOST,),
        least_free_bytes=1 << 20,
        metrics_port=free_port(),
    )
    with serving(settings):
        yield settings


@pytest.fixture(params=[Away, pytest.param(ReadOnly, marks=pytest.mark.slow), Full], ids=["gone", "read-only", "full"])
def away(request: pytest.FixtureRequest, away_settings: Settings, disk: Path) -> Away:
    way: type[Away] = request.param
    if way is not Away and not disk.is_mount():
        pytest.skip("only root may mount a file system")
    return way(away_settings, disk)


@pytest.fixture
def stack_client(stack: Settings) -> Iterator[stoker.Client]:
    with stoker.Client(settings=stack) as client:
        yield client


@pytest.fixture
def client(away: Away) -> Iterator[stoker.Client]:
    with stoker.Client(settings=away.settings) as client:
        yield client


# For what happens alike however the store is away.
only_gone = pytest.mark.parametrize("away", [pytest.param(Away, id="gone")], indirect=True)


def says(client: stoker.Client) -> list[str]:
    """What the workers say is away."""
    return [outage.of for worker in client.workers() for outage in worker.outages]


def waits_for(job: stoker.Job) -> str | None:
    outage = job.status().outage
    return outage.of if outage else None


def stoker_command(settings: Settings, *arguments: str) -> str:
    """What a command prints."""
    environment = settings.environment() | {"STOKER_REDIS_URL": redis_url_of(settings), "COLUMNS": "200"}
    return commands.run(*arguments, env=environment).stdout


def doctor(settings: Settings) -> dict[str, dict[str, Any]]:
    """What doctor says, by check."""
    report = json.loads(stoker_command(settings, "doctor", "--json"))
    return {check["name"]: check for check in report["checks"]}


def redis_pid(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def waits(job: stoker.Job) -> bool:
    """In its queue, or in its slot for what it has made to be written."""
    status = job.status()
    if isinstance(status.progress, events.Progress) and status.progress.stage == "waiting for the store":
        return status.state is JobState.RUNNING
    return status.outage is not None and status.outage.of == "store"


def test_jobs_wait_for_the_store_and_are_done_when_it_is_back(
    away: Away, client: stoker.Client, eventually: Eventually
) -> None:
    # Trains, and does not have to wait for the model to be written.
    client.submit(SPEC).result(timeout=PATIENCE_S)
    with away.outage():
        jobs = client.submit_many([SPEC.model_copy(update={"seed": seed}) for seed in range(3)])
        eventually(lambda: "store" in says(client))
        eventually(lambda: any(waits(job) for job in jobs))
        [outage] = [outage for worker in client.workers() for outage in worker.outages]
        assert str(away.store) in outage.reason
        assert {job.state for job in jobs} <= {JobState.QUEUED, JobState.WAITING, JobState.RUNNING}
    for job in jobs:
        assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    eventually(lambda: not says(client))


def test_doctor_and_metrics_tell_of_a_store_that_is_away_until_it_is_back(
    away: Away, client: stoker.Client, eventually: Eventually
) -> None:
    def lasts_s() -> float:
        return value(scrape(away.settings.metrics_port), "stoker_outage_seconds", of="store")

    assert lasts_s() == 0
    with away.outage():
        job = client.submit(SPEC)
        eventually(lambda: "store" in says(client))
        eventually(lambda: lasts_s() > 0)
        checks = doctor(away.settings)
        assert (checks["store"]["verdict"], checks["outages"]["verdict"]) == ("fail", "fail")
        assert str(away.store) in checks["outages"]["told"]
        assert "jobs wait for its end and lose nothing" in checks["outages"]["told"]
        assert "the store is away since" in stoker_command(away.settings, "jobs")
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    eventually(lambda: lasts_s() == 0)
    checks = doctor(away.settings)
    assert (checks["store"]["verdict"], checks["outages"]["verdict"]) == ("ok", "ok")


@only_gone
def test_the_time_that_a_job_waits_for_the_store_is_none_of_its_timeout(
    away: Away, client: stoker.Client, eventually: Eventually
) -> None:
    spec = SPEC.model_copy(update={"epochs": 10, "architecture": SLOW})
    undisturbed = client.submit(spec).result(timeout=PATIENCE_S)
    assert isinstance(undisturbed, stoker.TrainResult)
    # Far more than the job needs.
    timeout_s = 3 * undisturbed.run_s + 5
    job = client.submit(spec.model_copy(update={"timeout": timeout_s}))
    assert any(isinstance(event, events.Epoch) for event in job.events())
    with away.outage():
        eventually(lambda: waits(job))
        since = time.monotonic()
        eventually(lambda: time.monotonic() - since > timeout_s + 1)
        assert job.state is JobState.RUNNING
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED, job.status().reason


def answers(client: stoker.Client, model: str) -> bool:
    try:
        return bool(client.infer(model, ROWS, timeout=PATIENCE_S).shape == (1, 10))
    except stoker.Unavailable:
        return False


def test_a_loaded_model_answers_while_the_store_is_away_and_another_if_it_can_be_read(
    away: Away, client: stoker.Client, eventually: Eventually
) -> None:
    # No slot knows them from the ways before.
    warm, cold = (f"{kind}-{type(away).__name__.lower()}" for kind in ("warm", "cold"))
    for name in (warm, cold):
        client.submit(SPEC.model_copy(update={"model": name})).result(timeout=PATIENCE_S)
    answer = client.infer(warm, ROWS, timeout=PATIENCE_S)
    with away.outage():
        job = client.submit(SPEC)
        eventually(lambda: "store" in says(client))
        np.testing.assert_allclose(client.infer(warm, ROWS, timeout=PATIENCE_S), answer, rtol=1e-4)
        # What cannot be written to can be read from.
        assert answers(client, cold) is away.reads
        np.testing.assert_allclose(client.infer(warm, ROWS, timeout=PATIENCE_S), answer, rtol=1e-4)
    # A worker that serves nobody for want of the store looks at it once a second.
    eventually(lambda: answers(client, cold))
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED


@only_gone
def test_the_host_of_a_jobs_data_concerns_that_job_alone(
    away: Away, client: stoker.Client, eventually: Eventually
) -> None:
    data = f"{DATA_HOST}/data.csv"
    spec = stoker.Train(model="hosted", data=data, target="y", epochs=1, device="cpu", max_attempts=1)
    job, cancelled = client.submit_many([spec, spec.model_copy(update={"seed": 2})])
    eventually(lambda: waits_for(job) == "data" and waits_for(cancelled) == "data")
    assert client.submit(BRIEF).wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    assert says(client) == []
    cancelled.cancel()
    assert cancelled.wait(timeout=PATIENCE_S) is JobState.CANCELLED
    with host(port=DATA_PORT):
        assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED


def test_a_model_whose_file_is_gone_fails_its_jobs_in_one_sentence(
    stack: Settings, stack_client: stoker.Client
) -> None:
    made = stack_client.submit(SPEC.model_copy(update={"model": "fileless"})).result(timeout=300)
    assert isinstance(made, stoker.TrainResult)
    store = Store(stack.store)
    for artifact in stack_client.model(made.model).files.values():
        store.delete(artifact)
    for spec in (
        stoker.Evaluate(model=made.model, data="sample://digits", max_attempts=3),
        stoker.Deploy(model=made.model, alias="live", max_attempts=3),
    ):
        job = stack_client.submit(spec)
        assert job.wait(timeout=PATIENCE_S) is JobState.FAILED
        status = job.status()
        assert status.attempt == 1
        assert status.reason
        assert "is gone from the artifact store; restore it from a backup" in status.reason
