"""One job for one submit, one effect for one call, whatever happens to the answer on its way."""

import asyncio
from collections.abc import Iterator

import pytest
import redis

import stoker
from stoker import JobState
from stoker.events import Log, Started
from stoker.ledger import attempts, intake, records
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.ledger.replies import CommitReply, ReportReply
from stoker.ledger.scripts import script
from stoker.local import redis_url_of
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S
from .conftest import SMALL
from .proxy import Proxy, proxy_before

SPEC = stoker.Train(model="once", data="sample://digits", epochs=1, batch_size=256, device="cpu", **SMALL)
SCRIPTS = ("submit", "claim", "report", "commit", "release")


def request_for(name: str) -> bytes:
    """What stands in every request that runs this script."""
    return script(name).sha.encode()


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    """A line to a server that knows the scripts, so that the first request for each runs it."""
    with redis.Redis.from_url(redis_url) as client:
        for name in SCRIPTS:
            client.script_load(script(name).source)
    with proxy_before(redis_url) as proxy:
        yield proxy


@pytest.fixture
def behind(redis_url: str) -> Iterator[Connection]:
    """A connection to the server itself."""
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


def jobs_and_messages(behind: Connection) -> tuple[int, int]:
    return len(behind.run(records.query(None, None, 100))), behind.client.llen("cpu.train\x06\x166")


def test_a_submit_whose_answers_are_lost_is_repeated_and_makes_one_job(proxy: Proxy, behind: Connection) -> None:
    with stoker.Client(settings=Settings(redis_url=proxy.url, patience_s=PATIENCE_S)) as client:
        proxy.lose_answers(request_for("submit"), times=3)
        job = client.submit(SPEC)
    assert proxy.all_lost
    assert jobs_and_messages(behind) == (1, 1)
    assert behind.run(records.status(job.id)).state is JobState.QUEUED


def test_a_submit_repeated_by_the_app_with_the_same_key_is_the_job_that_it_was_not_told_of(
    proxy: Proxy, behind: Connection
) -> None:
    with stoker.Client(settings=Settings(redis_url=proxy.url, patience_s=0)) as client:
        proxy.lose_answers(request_for("submit"), times=1)
        with pytest.raises(stoker.Unavailable):
            client.submit(SPEC, idempotency_key="monday")
        assert jobs_and_messages(behind) == (1, 1), "it was done, though nobody was told"
        job = client.submit(SPEC, idempotency_key="monday")
        assert jobs_and_messages(behind) == (1, 1)
        assert [status.id for status in client.jobs()] == [job.id]


def test_the_async_client_submits_once_too(proxy: Proxy, behind: Connection) -> None:
    async def story() -> None:
        async with stoker.AsyncClient(settings=Settings(redis_url=proxy.url, patience_s=0)) as client:
            proxy.lose_answers(request_for("submit"), times=1)
            with pytest.raises(stoker.Unavailable):
                await client.submit(SPEC, idempotency_key="monday")
            await client.submit(SPEC, idempotency_key="monday")
        async with stoker.AsyncClient(settings=Settings(redis_url=proxy.url, patience_s=PATIENCE_S)) as client:
            proxy.lose_answers(request_for("submit"), times=3)
            await client.submit(SPEC)

    asyncio.run(story())
    assert proxy.all_lost
    assert jobs_and_messages(behind) == (2, 2)


def test_a_workers_calls_have_one_effect_though_each_is_sent_twice(proxy: Proxy, behind: Connection) -> None:
    job_id, connection = "a-job", Connection.open(Settings(), proxy.url, patience_s=PATIENCE_S)
    behind.run(intake.submit([NewJob(job_id, SPEC, "cpu.train")]))

    proxy.lose_answers(request_for("claim"), times=1)
    attempt = connection.run(attempts.claim(job_id, "owner", "worker", 15))
    assert isinstance(attempt, Attempt)
    assert attempt.number == 1

    proxy.lose_answers(request_for("report"), times=1)
    assert connection.run(attempts.report(attempt, 15, [Log(line="a"), Log(line="b")])) is ReportReply.OK

    proxy.lose_answers(request_for("commit"), times=1)
    assert connection.run(attempts.fail(attempt, JobState.FAILED, "bad data")) is CommitReply.OK

    assert proxy.all_lost
    told = [event.type for event in behind.run(records.events(job_id, None))]
    assert told == ["queued", "started", "log", "log", "finished"]
    connection.close()


def test_a_job_whose_submit_was_not_answered_is_executed_once(stack: Settings) -> None:
    with proxy_before(redis_url_of(stack)) as proxy, stoker.Client(settings=stack) as direct:
        direct.submit(SPEC).wait(timeout=PATIENCE_S)
        proxy.lose_answers(request_for("submit"), times=1)
        with stoker.Client(settings=stack.model_copy(update={"redis_url": proxy.url, "patience_s": 0})) as client:
            with pytest.raises(stoker.Unavailable):
                client.submit(SPEC, idempotency_key="once")
            job = client.submit(SPEC, idempotency_key="once")
            assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
            assert len([event for event in job.events() if isinstance(event, Started)]) == 1
            assert len([version for version in client.models() if version.name == "once"]) == 2
