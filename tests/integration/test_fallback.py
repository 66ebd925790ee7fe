"""Jobs that wait for a GPU in vain go to a CPU."""

from collections.abc import Iterator

import pytest
import redis

import stoker
from stoker import JobState, events
from stoker.ledger import attempts, intake, records, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .conftest import CPU, attend

TRAIN = stoker.Train(model="m", data="sample://digits")


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


def queue(connection: Connection, job_id: str, spec: stoker.Train) -> str:
    connection.run(intake.submit([NewJob(job_id, spec, "gpu.train")]))
    return job_id


def test_a_job_that_waited_long_for_a_gpu_is_queued_for_the_cpu_and_runs_once(
    connection: Connection, redis_url: str
) -> None:
    attend(connection)
    job_id = queue(connection, "waits", TRAIN)
    assert connection.run(upkeep.fall_back(wait_s=60)) == []
    assert connection.run(upkeep.fall_back(wait_s=0)) == [job_id]
    assert connection.run(upkeep.fall_back(wait_s=0)) == []
    status = connection.run(records.status(job_id))
    assert (status.state, status.queue) == (JobState.QUEUED, "cpu.train")
    told = [event for event in connection.run(records.events(job_id, None)) if isinstance(event, events.Queued)]
    assert told[-1].queue == "cpu.train"
    assert str(told[-1].reason).startswith("no GPU was free for")
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("cpu.train\x06\x166") == 1
    # Whichever of the two messages comes first.
    assert isinstance(connection.run(attempts.claim(job_id, "first", "w", 5)), Attempt)
    assert not isinstance(connection.run(attempts.claim(job_id, "second", "w", 5)), Attempt)


def test_a_job_stays_with_the_gpu_that_it_asked_for_or_as_long_as_no_cpu_is_there(connection: Connection) -> None:
    queue(connection, "explicit", TRAIN.model_copy(update={"device": "gpu"}))
    queue(connection, "memory", TRAIN.model_copy(update={"gpu_memory": 1024**3}))
    job_id = queue(connection, "waits", TRAIN)
    assert connection.run(upkeep.fall_back(wait_s=0)) == []
    attend(connection)
    assert connection.run(upkeep.fall_back(wait_s=0)) == [job_id]


def test_jobs_that_no_cpu_would_take_hold_up_none_that_one_would(connection: Connection) -> None:
    connection.run(intake.submit([NewJob(f"batch-{n}", TRAIN, "gpu.batch") for n in range(150)]))
    job_id = queue(connection, "waits", TRAIN)
    attend(connection, CPU.model_copy(update={"queues": ("cpu.train",)}))
    assert connection.run(upkeep.fall_back(wait_s=0)) == [job_id]


def test_a_job_that_was_taken_or_cancelled_does_not_fall_back(connection: Connection, redis_url: str) -> None:
    attend(connection)
    connection.run(attempts.claim(queue(connection, "taken", TRAIN), "owner", "w", 5))
    connection.run(records.cancel(queue(connection, "cancelled", TRAIN)))
    assert connection.run(upkeep.fall_back(wait_s=0)) == []
    with redis.Redis.from_url(redis_url) as client:
        assert not client.exists("stoker:fallback:gpu.train")
