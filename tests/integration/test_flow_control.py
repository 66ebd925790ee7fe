"""One job with a key at a time, and jobs that wait whether another takes their place."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis

import stoker
from stoker import JobState, testing
from stoker.ledger import attempts, damage, dead_jobs, quotas, upkeep
from stoker.redis.connection import Connection
from stoker.tenants import Quota

from .test_ledger import claimed, result_of

TRAIN = stoker.Train(model="m", data="sample://iris")


@pytest.fixture
def client(redis_url: str) -> Iterator[stoker.Client]:
    with stoker.Client(redis_url) as client:
        yield client


def test_a_job_with_a_key_that_has_not_ended_is_given_back(
    client: stoker.Client, connection: Connection, server: redis.Redis
) -> None:
    first = client.submit(TRAIN, singleton="retrain")
    other = client.submit(TRAIN, singleton="another")
    again = client.submit(TRAIN.model_copy(update={"epochs": 3}), singleton="retrain")
    assert (again.id, other.id == first.id) == (first.id, False)
    attempt = claimed(connection, first.id)
    assert client.submit(TRAIN.model_copy(update={"singleton": "retrain"})).id == first.id
    connection.run(attempts.succeed(attempt, result_of("m")))
    following = client.submit(TRAIN, singleton="retrain")
    assert following.id != first.id
    assert len(client.jobs()) == 3
    flow = [TRAIN.model_copy(update={"singleton": "retrain"}), stoker.Evaluate(model="#0", data="sample://iris")]
    with pytest.raises(stoker.Unavailable, match=f"job {following.id} with the singleton key"):
        client.submit_many(flow)
    assert len(client.jobs()) == 3
    with pytest.raises(stoker.InvalidJob, match="spec #1 has one"):
        client.submit_many([TRAIN, *flow[:1]])
    # Keys end with the records.
    for job in (other, following):
        job.cancel()
    for each in client.submit_many(flow):
        each.cancel()
    connection.run(upkeep.expire(0, 0))
    assert list(server.scan_iter("stoker:singleton:*")) == []
    server.set("stoker:singleton:lost", "nobody")
    assert connection.run(damage.repair(keys=10_000)).damages == ()
    assert not server.exists("stoker:singleton:lost")


def test_a_job_that_waits_for_another_gives_it_its_place(
    client: stoker.Client, connection: Connection, server: redis.Redis
) -> None:
    def not_before(job: stoker.Job) -> float:
        return float(server.hget(f"stoker:job:{job.id}", "not_before")) / 1000  # type: ignore[arg-type]

    before = datetime.now(UTC).timestamp()
    jobs = [client.submit(TRAIN, singleton="retrain", debounce=60) for _ in range(3)]
    assert [job.state for job in jobs] == [JobState.CANCELLED, JobState.CANCELLED, JobState.WAITING]
    assert jobs[0].status().reason == f"job {jobs[1].id} takes its place"
    assert 59 < not_before(jobs[2]) - before < 90
    assert connection.run(damage.repair(keys=10_000)).damages == ()
    # It is put off for ten times as long at most, since the first of them came.
    server.hset(f"stoker:job:{jobs[2].id}", "put_off_since", round((before - 590) * 1000))
    jobs.append(client.submit(TRAIN, singleton="retrain", debounce=60))
    assert 5 < not_before(jobs[3]) - before < 15
    # Without a debounce, it is given back; and so it is once it has begun.
    assert client.submit(TRAIN, singleton="retrain").id == jobs[3].id
    server.zadd("stoker:due", {jobs[3].id: 1})
    connection.run(upkeep.wake())
    claimed(connection, jobs[3].id)
    assert client.submit(TRAIN, singleton="retrain", debounce=60).id == jobs[3].id
    with pytest.raises(stoker.InvalidJob, match="give singleton, too"):
        client.submit(TRAIN, debounce=60)


def test_a_job_takes_the_place_of_another_in_a_full_quota(client: stoker.Client, connection: Connection) -> None:
    connection.run(quotas.set_quotas({"default": Quota(queued=1)}, 600))
    client.submit(TRAIN, singleton="retrain", debounce=60)
    assert client.submit(TRAIN, singleton="retrain", debounce=60).state is JobState.WAITING
    with pytest.raises(stoker.Unavailable):
        client.submit(TRAIN, singleton="another")
    connection.run(quotas.set_quotas({}, 600))


def test_the_ledger_in_memory_has_one_job_with_a_key_at_a_time() -> None:
    with testing.Client() as client:
        client.on(stoker.Train, testing.runs())
        first = client.submit(TRAIN, singleton="retrain")
        assert client.submit(TRAIN, singleton="retrain").id == first.id
        assert client.submit(TRAIN, singleton="another").id != first.id
        with pytest.raises(stoker.Unavailable):
            client.submit_many([TRAIN.model_copy(update={"singleton": "retrain"}), TRAIN])
        first.cancel()
        assert client.submit(TRAIN, singleton="retrain").id != first.id
        with pytest.raises(stoker.StokerError, match=r"stoker\.testing does not play"):
            client.schedule("daily", TRAIN, name="nightly")


def test_a_dead_job_is_requeued_only_while_no_other_with_its_key_is_open(
    client: stoker.Client, connection: Connection
) -> None:
    dead = client.submit(TRAIN.model_copy(update={"max_attempts": 1}), singleton="retrain")
    connection.run(attempts.release(claimed(connection, dead.id), "lost", "killed"))
    assert dead.state is JobState.DEAD
    other = client.submit(TRAIN, singleton="retrain")
    with pytest.raises(stoker.Unavailable, match=f"job {other.id}, which has the singleton key of job {dead.id}"):
        connection.run(dead_jobs.requeue(dead.id))
    other.cancel()
    connection.run(dead_jobs.requeue(dead.id))
    assert client.submit(TRAIN, singleton="retrain").id == dead.id
