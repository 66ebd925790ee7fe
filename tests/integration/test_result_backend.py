"""Results in a Redis of their own, where STOKER_RESULT_URL names one, also while it is away."""

import os
import signal
from collections.abc import Iterator

import pytest
import redis
from celery import Celery

import stoker
from stoker import JobState
from stoker.local import redis_url_of
from stoker.local.server import local_server
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL, serving

SPEC = stoker.Train(model="digits", data="sample://digits", epochs=1, device="cpu", max_attempts=1, **SMALL)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A stack with a Redis for results."""
    with local_server(tmp_path_factory.mktemp("results")) as result_url:
        settings = Settings(
            home=tmp_path_factory.mktemp("stack"),
            result_url=result_url,
            slots=2,
            socket_timeout_s=1,
            patience_s=PATIENCE_S,
        )
        with serving(settings):
            yield settings


@pytest.fixture
def celery(stack: Settings) -> Iterator[Celery]:
    """An app of Celery alone."""
    with Celery(broker=redis_url_of(stack), backend=stack.result_url) as app:
        yield app


def test_celery_finds_states_and_results_in_the_results_own_redis(client: stoker.Client, celery: Celery) -> None:
    done = client.submit(SPEC)
    assert celery.AsyncResult(done.id).get(timeout=PATIENCE_S)["model"] == "digits@1"

    failed = client.submit(stoker.Train(model="digits", data="sample://diabetes", loss="binary_crossentropy"))
    assert failed.wait(timeout=PATIENCE_S) is JobState.FAILED
    assert isinstance(celery.AsyncResult(failed.id).get(timeout=PATIENCE_S, propagate=False), stoker.JobFailed)


def test_jobs_run_and_results_come_later_while_their_redis_is_away(
    stack: Settings, client: stoker.Client, celery: Celery, eventually: Eventually
) -> None:
    assert stack.result_url
    with redis.Redis.from_url(stack.result_url) as server:
        pid = int(server.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        jobs = client.submit_many([SPEC] * 2)
        for job in jobs:
            assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
        eventually(lambda: says(client) == ["results"])
        assert "results are copied later" in doctor(stack)
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: says(client) == [])
    for job in jobs:
        assert celery.AsyncResult(job.id).get(timeout=PATIENCE_S)["epochs"] == 1


def says(client: stoker.Client) -> list[str]:
    """What the workers say is away."""
    return [outage.of for worker in client.workers() for outage in worker.outages]


def doctor(settings: Settings) -> str:
    """What doctor prints."""
    environment = settings.environment() | {"STOKER_REDIS_URL": redis_url_of(settings), "COLUMNS": "200"}
    return commands.run("doctor", env=environment).stdout
