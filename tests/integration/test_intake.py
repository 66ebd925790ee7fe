"""Long lists of jobs: taken in part by part, and yet all of them or none."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import suppress

import pytest

import stoker
from stoker import JobState
from stoker.client import submission
from stoker.kinds import Spec
from stoker.ledger import attempts, intake, quotas, records, results
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import CHUNK_JOBS, NewJob
from stoker.ledger.keys import WINDOW
from stoker.ledger.scripts import script
from stoker.redis.connection import Connection
from stoker.security.signatures import UNSIGNED
from stoker.settings import Settings
from stoker.tenants import Quota

from ..conftest import PATIENCE_S, Eventually
from .conftest import controlled
from .proxy import proxy_before

SPEC = stoker.Train(model="one-of-many", data="sample://digits", device="cpu")
COUNT = 3 * CHUNK_JOBS + 1
QUEUE = "cpu.train\x06\x166"


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


def queued(connection: Connection) -> int:
    return connection.run(records.counts())["train", JobState.QUEUED]


def staged(connection: Connection, count: int, last: Spec = SPEC, others: Spec = SPEC) -> tuple[str, list[NewJob]]:
    """A list of jobs that is staged, and not accepted."""
    jobs = [NewJob(str(uuid.uuid4()), spec, "cpu.train", spec.after) for spec in (*[others] * (count - 1), last)]
    list_id = str(uuid.uuid4())
    for place, part in enumerate(intake.chunks(jobs), 1):
        connection.run(intake.stage(list_id, place, part))
    return list_id, jobs


def intakes(connection: Connection) -> list[bytes]:
    return list(connection.client.scan_iter("stoker:intake*"))


def test_thousands_of_jobs_are_queued_in_their_order_and_leave_nothing_behind(
    connection: Connection, redis_url: str
) -> None:
    specs = [SPEC.model_copy(update={"tags": {"n": str(n)}}) for n in range(COUNT)]
    with stoker.Client(redis_url) as client:
        jobs = client.submit_many(specs)
        assert [client.job(jobs[n].id).status().tags for n in (0, CHUNK_JOBS, COUNT - 1)] == [
            {"n": str(n)} for n in (0, CHUNK_JOBS, COUNT - 1)
        ]
    ids = [job.id for job in jobs]
    messages = connection.client.lrange(QUEUE, 0, -1)
    assert [json.loads(message)["headers"]["id"] for message in reversed(messages)] == ids[:WINDOW]
    assert [found.id for found in connection.run(records.query(None, None, COUNT))] == ids[::-1]
    assert intakes(connection) == []


def test_the_async_client_submits_long_lists_too(connection: Connection, redis_url: str) -> None:
    async def story() -> int:
        async with stoker.AsyncClient(redis_url) as client:
            return len({job.id for job in await client.submit_many([SPEC] * COUNT)})

    assert asyncio.run(story()) == queued(connection) == COUNT


def test_one_job_that_cannot_be_keeps_the_whole_list_out(connection: Connection, redis_url: str) -> None:
    wrong = SPEC.model_copy(update={"after": ("nobody",)})
    with stoker.Client(redis_url) as client, pytest.raises(stoker.JobNotFound, match=r"'nobody'.* is unknown"):
        client.submit_many([*[SPEC] * COUNT, wrong])
    assert queued(connection) == 0
    assert intakes(connection) == []


def test_the_server_answers_others_between_the_parts_of_a_long_list(connection: Connection) -> None:
    steps, most = submission.submit([SPEC] * COUNT, signatures=UNSIGNED), 0
    call = next(steps)
    with suppress(StopIteration):
        while True:
            before = queued(connection)
            answer = connection.run(call)
            most = max(most, queued(connection) - before)
            call = steps.send(answer)
    assert queued(connection) == COUNT
    assert most <= CHUNK_JOBS


def test_a_long_list_counts_towards_its_tenants_quota_when_it_is_accepted(
    connection: Connection, redis_url: str
) -> None:
    connection.run(quotas.set_quotas({"a": Quota(queued=COUNT)}, 600.0))
    spec = SPEC.model_copy(update={"tags": {"tenant": "a"}})
    list_id, jobs = staged(connection, COUNT, spec, spec)
    connection.run(intake.accept(list_id, jobs))
    with stoker.Client(redis_url) as client, pytest.raises(stoker.Unavailable, match=f"'a' has {COUNT} jobs"):
        client.submit(spec)


def test_a_client_that_dies_before_its_list_is_accepted_has_submitted_nothing(connection: Connection) -> None:
    list_id, _ = staged(connection, COUNT)
    assert queued(connection) == 0
    assert connection.run(intake.accepted()) == []
    assert 0 < connection.client.ttl(f"stoker:intake:{list_id}") <= 600


def test_a_list_of_which_a_part_is_gone_is_not_accepted(connection: Connection) -> None:
    list_id, jobs = staged(connection, COUNT)
    connection.client.hdel(f"stoker:intake:{list_id}", "1")
    with pytest.raises(stoker.Unavailable, match="nothing was queued, submit it again"):
        connection.run(intake.accept(list_id, jobs))


def test_what_a_client_did_not_live_to_see_taken_in_the_controller_takes_in(
    connection: Connection, redis_url: str, eventually: Eventually
) -> None:
    list_id, jobs = staged(connection, COUNT)
    connection.run(intake.accept(list_id, jobs))
    connection.run(intake.take_in(list_id))
    assert queued(connection) == CHUNK_JOBS
    with controlled(Settings(), redis_url):
        eventually(lambda: queued(connection) == COUNT and not intakes(connection))


@pytest.mark.parametrize("name", ["stage", "accept", "take_in"])
def test_a_list_whose_answers_are_lost_is_taken_in_once(connection: Connection, redis_url: str, name: str) -> None:
    for each in ("stage", "accept", "take_in"):
        connection.client.script_load(script(each).source)
    with proxy_before(redis_url) as proxy:
        proxy.lose_answers(script(name).sha.encode(), times=2)
        with stoker.Client(settings=Settings(redis_url=proxy.url, patience_s=PATIENCE_S)) as client:
            ids = [job.id for job in client.submit_many([SPEC] * COUNT)]
        assert proxy.all_lost
    assert [found.id for found in connection.run(records.query(None, None, 2 * COUNT))] == ids[::-1]
    assert connection.client.llen(QUEUE) == WINDOW


def test_an_acceptance_repeated_after_all_was_taken_in_is_still_one(connection: Connection) -> None:
    list_id, jobs = staged(connection, 2)
    for _ in range(2):
        connection.run(intake.accept(list_id, jobs))
        assert connection.run(intake.take_in(list_id)) is False
    assert queued(connection) == 2
    assert intakes(connection) == []


def test_a_job_of_a_list_that_comes_after_one_which_failed_meanwhile_is_cancelled(connection: Connection) -> None:
    [first] = connection.run(intake.submit([NewJob("first", SPEC, "cpu.train")]))
    list_id, jobs = staged(connection, CHUNK_JOBS, SPEC.model_copy(update={"after": (first,)}))
    connection.run(intake.accept(list_id, jobs))
    attempt = connection.run(attempts.claim(first, "owner", "worker", 15))
    assert isinstance(attempt, Attempt)
    connection.run(attempts.fail(attempt, JobState.FAILED, "bad data"))
    connection.run(intake.take_in(list_id))
    with pytest.raises(stoker.JobCancelled, match="job first, which it comes after, is FAILED"):
        connection.run(results.result(jobs[-1].id))


def test_what_several_specs_ask_is_asked_once(connection: Connection, redis_url: str) -> None:
    specs = [stoker.Train(model=f"m{n}", data="sample://digits") for n in range(CHUNK_JOBS)]
    with stoker.Client(redis_url) as client:
        client.submit_many(specs[:1])
        before = calls(connection)
        client.submit_many(specs)
    # Who is there, for `device="auto"`, unless it was asked a moment ago, and the jobs themselves.
    assert calls(connection) - before <= 2


def calls(connection: Connection) -> int:
    return int(connection.client.info("commandstats")["cmdstat_evalsha"]["calls"])
