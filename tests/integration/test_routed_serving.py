"""A real worker serves two versions behind one alias: every answer names its version, and what fails costs nobody."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import redis
from celery import Celery
from celery.result import AsyncResult

import stoker
from stoker.ledger import routes
from stoker.local import redis_url_of
from stoker.models.requests import RequestId
from stoker.redis.calls import drive
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL
from .test_serving import kill_predictors

ROWS = np.random.default_rng(7).uniform(0, 16, (8, 4)).astype(np.float32)


@dataclass(frozen=True)
class Traffic:
    """A client, and who opens and closes routes of "routed", which has two versions."""

    client: stoker.Client
    connection: Connection

    def job(self) -> str:
        """A job that does not end by itself."""
        late = stoker.Train(model="later", data="sample://iris", epochs=1, not_before="2100-01-01T00:00:00Z")
        return self.client.submit(late).id

    def open(self, to: int, share: float) -> str:
        job = self.job()
        drive(routes.open_(job, "routed", to, share), self.connection.run)
        return job

    def close(self, job: str, *, promote: bool = False) -> None:
        self.connection.run(routes.close(job, promote=promote, why="so"))
        self.client.job(job).cancel()

    def answered_by(self, ref: str) -> bool:
        return self.client.ask("routed", ROWS, timeout=PATIENCE_S).model == ref


@pytest.fixture(scope="module")
def traffic(stack: Settings) -> Iterator[Traffic]:
    with stoker.Client(settings=stack) as client:
        specs = [stoker.Train(model="routed", data="sample://iris", epochs=1, seed=seed, **SMALL) for seed in (1, 2)]
        for job in client.submit_many(specs):
            job.result(timeout=PATIENCE_S)
        connection = Connection.open(stack, redis_url_of(stack))
        yield Traffic(client, connection)
        connection.close()


def test_every_kind_of_answer_is_by_the_version_that_has_the_share(
    traffic: Traffic, stack: Settings, eventually: Eventually
) -> None:
    client, first = traffic.client, traffic.client.ask("routed", ROWS, timeout=PATIENCE_S)
    assert first.model == "routed@1"
    expected = client.infer("routed@2", ROWS, timeout=PATIENCE_S)
    job = traffic.open(2, share=1.0)
    eventually(lambda: traffic.answered_by("routed@2"))

    answer = client.ask("routed", ROWS, timeout=PATIENCE_S, key="user-7")
    assert np.allclose(answer.outputs, expected, rtol=1e-3, atol=1e-5)
    assert RequestId.parse(answer.request).version == 2
    assert np.allclose(client.infer_many("routed", ROWS, timeout=PATIENCE_S), expected, rtol=1e-3, atol=1e-5)
    predicted = client.predict("routed", ROWS, timeout=PATIENCE_S, key="user-7")
    assert {each.model for each in predicted} == {"routed@2"}
    assert len({each.request for each in predicted}) == 1, "one request"
    later = client.infer_later("routed", ROWS, key="user-7")
    with Celery(broker=redis_url_of(stack), backend=redis_url_of(stack)) as app:
        result = AsyncResult(later, app=app).get(timeout=PATIENCE_S)
    assert np.allclose(result, expected, rtol=1e-3, atol=1e-5)

    async def asked() -> stoker.Answer:
        async with stoker.AsyncClient(settings=stack) as client:
            return await client.ask("routed", ROWS, timeout=PATIENCE_S)

    assert asyncio.run(asked()).model == "routed@2"
    assert client.ask("routed@1", ROWS, timeout=PATIENCE_S).model == "routed@1", "which was asked for"
    traffic.close(job)
    eventually(lambda: traffic.answered_by("routed@1"))
    answered = [client.ask("routed", ROWS[:1], timeout=PATIENCE_S).model for _ in range(20)]
    assert set(answered) == {"routed@1"}, "no stale share"


def test_a_version_that_cannot_be_loaded_or_whose_process_is_killed_costs_no_answer(
    traffic: Traffic, stack: Settings, eventually: Eventually
) -> None:
    client = traffic.client
    with redis.Redis.from_url(redis_url_of(stack)) as raw:
        torn = client.model("routed@2")
        files = {name: file.model_copy(update={"digest": "0" * 64}) for name, file in torn.files.items()}
        torn = torn.model_copy(update={"version": 3, "files": files, "aliases": ()})
        raw.hset("stoker:model:routed", "3", torn.model_dump_json())
    job = traffic.open(3, share=1.0)

    def is_closed() -> bool:
        assert traffic.answered_by("routed@1")
        return traffic.connection.run(routes.evidence(job)).how == "closed"

    eventually(is_closed)
    assert "routed@3 cannot be loaded" in (traffic.connection.run(routes.evidence(job)).closed or "")
    traffic.client.job(job).cancel()

    job = traffic.open(2, share=0.5)
    eventually(lambda: traffic.answered_by("routed@2"))
    kill_predictors(client)
    answered = {client.ask("routed", ROWS[:1], timeout=PATIENCE_S).model for _ in range(40)}
    assert answered <= {"routed@1", "routed@2"}
    eventually(lambda: traffic.answered_by("routed@2"))
    traffic.close(job, promote=True)
    assert traffic.answered_by("routed@2")
