"""Jobs that wait in the middle of their work, by the ledger's calls and on a real worker: no wake is missed."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

import stoker
from stoker import JobState
from stoker.events import Progress, Waiting
from stoker.ledger import attempts, children, damage, dead_jobs, foresight, pauses, records, store_files, upkeep, waits
from stoker.ledger.attempt import Attempt
from stoker.redis.connection import Connection
from stoker_workers.ml.run import Wait

from ..conftest import PATIENCE_S, Eventually
from .test_ledger import claimed, result_of, state
from .test_waking import SEARCH, TRIAL, begun, end

HOUR_S = 3600.0


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as server:
        yield server


def again(connection: Connection, attempt: Attempt) -> Attempt:
    """The next attempt at a job that has been woken."""
    return claimed(connection, attempt.job_id, f"step {attempt.number + 1}")


def mended(connection: Connection) -> list[str]:
    return list(connection.run(damage.repair(keys=10_000)).damages)


def types(connection: Connection, job_id: str) -> list[str]:
    return [event.type for event in connection.run(records.events(job_id, None))]


def test_a_job_waits_and_its_next_attempt_has_what_it_kept(connection: Connection, redis_client: redis.Redis) -> None:
    attempt = begun(connection)
    job_id = attempt.job_id
    assert attempt.kept == b""
    # The answer to the first was lost.
    for _ in range(2):
        assert connection.run(waits.wait(attempt, "waits for approval", seconds=HOUR_S, keep=b"\x00\xff step 1"))
    status = connection.run(records.status(job_id))
    assert (status.state, status.reason) == (JobState.WAITING, "waits for approval")
    assert mended(connection) == []
    assert connection.run(upkeep.wake()) == 0
    redis_client.zadd("stoker:due", {job_id: 1})
    assert connection.run(upkeep.wake()) == 1
    assert connection.run(records.status(job_id)).reason is None
    second = again(connection, attempt)
    assert second.kept == b"\x00\xff step 1"
    assert not connection.run(waits.wait(replace(second, owner="another"), "it has lost the job"))
    connection.run(attempts.succeed(second, result_of("search")))
    assert types(connection, job_id) == ["queued", "started", "waiting", "finished"]
    left = {"kept", "awaits_wake", "is_woken", "wake_at", "waited_for"} & set(
        redis_client.hkeys(f"stoker:job:{job_id}")
    )
    assert not left
    assert redis_client.zcard("stoker:due") == 0


def test_nothing_grows_however_often_a_job_waits(connection: Connection, redis_client: redis.Redis) -> None:
    attempt = begun(connection)
    for n in range(30):
        progress = Progress(stage="share 10 %", done=n)
        connection.run(attempts.report(attempt, HOUR_S, [progress]))
        if n % 10 == 9:
            connection.run(attempts.release(attempt, "drained", "its worker ends"))
            attempt = again(connection, attempt)
        assert connection.run(waits.wait(attempt, "share 10 %" if n < 20 else "share 50 %"))
        assert connection.run(waits.wake(attempt.job_id))
        attempt = again(connection, attempt)
    events = [event for event in connection.run(records.events(attempt.job_id, None)) if isinstance(event, Waiting)]
    assert [event.reason for event in events] == ["share 10 %", "share 50 %"]
    assert types(connection, attempt.job_id).count("progress") <= 4
    history = connection.run(dead_jobs.history(attempt.job_id))
    assert [past.how for past in history] == ["drained"] * 3


def test_no_wake_is_lost(connection: Connection) -> None:
    attempt = begun(connection)
    job_id = attempt.job_id
    # While it runs.
    assert connection.run(waits.wake(job_id))
    assert connection.run(waits.wait(attempt, "waits"))
    assert state(connection, job_id) is JobState.QUEUED
    # While it is queued: its next attempt sees all that there is.
    assert connection.run(waits.wake(job_id))
    attempt = again(connection, attempt)
    assert connection.run(waits.wait(attempt, "waits"))
    assert state(connection, job_id) is JobState.WAITING
    # While it is paused.
    connection.run(pauses.pause(job_id))
    assert connection.run(waits.wake(job_id))
    assert state(connection, job_id) is JobState.WAITING
    assert mended(connection) == []
    connection.run(pauses.resume(job_id))
    assert state(connection, job_id) is JobState.QUEUED
    # A pause ends no wait.
    attempt = again(connection, attempt)
    assert connection.run(waits.wait(attempt, "waits"))
    connection.run(pauses.pause(job_id))
    connection.run(pauses.resume(job_id))
    assert state(connection, job_id) is JobState.WAITING
    assert connection.run(waits.wake(job_id))
    assert state(connection, job_id) is JobState.QUEUED
    assert not connection.run(waits.wake("nobody"))


def test_a_time_that_comes_while_a_job_is_paused_ends_its_wait(
    connection: Connection, redis_client: redis.Redis
) -> None:
    attempt = begun(connection)
    assert connection.run(waits.wait(attempt, "waits", seconds=HOUR_S))
    connection.run(pauses.pause(attempt.job_id))
    redis_client.zadd("stoker:due", {attempt.job_id: 1})
    connection.run(upkeep.wake())
    assert state(connection, attempt.job_id) is JobState.WAITING
    connection.run(pauses.resume(attempt.job_id))
    assert state(connection, attempt.job_id) is JobState.QUEUED


def test_a_cancel_ends_a_wait_at_once(connection: Connection) -> None:
    attempt = begun(connection)
    assert connection.run(waits.wait(attempt, "waits"))
    connection.run(records.cancel(attempt.job_id))
    status = connection.run(records.status(attempt.job_id))
    assert (status.state, status.reason) == (JobState.CANCELLED, "cancelled while it waited")
    assert not connection.run(waits.wake(attempt.job_id))
    attempt = begun(connection)
    connection.run(records.cancel(attempt.job_id))
    assert connection.run(waits.wait(attempt, "waits"))
    assert state(connection, attempt.job_id) is JobState.CANCELLED


def test_the_end_of_a_child_wakes_who_waits(connection: Connection) -> None:
    attempt = begun(connection)
    assert connection.run(children.await_children(attempt, TRIAL, [TRIAL, TRIAL, TRIAL], each=True))
    end(connection, f"{attempt.job_id}-1-0")
    attempt = again(connection, attempt)
    assert connection.run(waits.wait(attempt, "waits", seconds=HOUR_S))
    assert mended(connection) == []
    end(connection, f"{attempt.job_id}-1-1")
    attempt = again(connection, attempt)
    end(connection, f"{attempt.job_id}-1-2")
    assert connection.run(waits.wait(attempt, "waits", seconds=HOUR_S))
    attempt = again(connection, attempt)
    assert connection.run(waits.wait(attempt, "waits, though no child is left"))
    assert state(connection, attempt.job_id) is JobState.WAITING
    assert mended(connection) == []


def test_a_wait_is_mended(connection: Connection, redis_client: redis.Redis) -> None:
    attempt = begun(connection)
    record = f"stoker:job:{attempt.job_id}"
    assert connection.run(waits.wait(attempt, "waits", seconds=HOUR_S))
    due = redis_client.zscore("stoker:due", attempt.job_id)
    redis_client.delete("stoker:due")
    assert mended(connection) == [f"{record}: it waited for a time, and was in no index of those"]
    assert redis_client.zscore("stoker:due", attempt.job_id) == due
    redis_client.delete("stoker:due")
    redis_client.hset(record, "is_woken", 1)
    assert mended(connection) == [f"{record}: it waited, and had been woken"]
    assert state(connection, attempt.job_id) is JobState.QUEUED


def test_a_wait_keeps_what_it_names_and_nothing_that_others_leave(
    connection: Connection, redis_client: redis.Redis
) -> None:
    attempt, digest = begun(connection), "a" * 64
    assert connection.run(store_files.named(0, 10_000)).unfinished_since
    assert connection.run(waits.wait(attempt, "waits", keep=f'{{"report": "{digest}"}}'.encode()))
    named = connection.run(store_files.named(0, 10_000))
    assert (named.unfinished_since, named.digests) == (None, frozenset([digest.encode()]))
    assert connection.run(waits.wake(attempt.job_id))
    redis_client.hset(f"stoker:job:{attempt.job_id}", "submitted_at", 1)
    again(connection, attempt)
    since = connection.run(store_files.named(0, 10_000)).unfinished_since
    assert since is not None
    assert since.year > 2000


def test_what_cannot_be_waited_for_is_refused() -> None:
    with pytest.raises(ValueError, match="without a reason"):
        Wait(" ")
    with pytest.raises(ValueError, match="a wait of -1 s"):
        Wait("waits", seconds=-1)
    with pytest.raises(ValueError, match="65,537 bytes"):
        Wait("waits", keep=bytes(65_537))


def test_a_job_waits_on_a_real_worker_without_a_slot(client: stoker.Client, eventually: Eventually) -> None:
    job = client.submit(stoker.Run("searching:patient", {"waits": 3}, max_attempts=1))

    eventually(lambda: job.status().reason == "waits for a wake")
    assert job.state is JobState.WAITING
    client._run(waits.wake(job.id))

    result = job.result(timeout=PATIENCE_S)
    assert isinstance(result, stoker.RunResult)
    assert result.value == [0, 1, 2, 3]
    reasons = [event.reason for event in job.events() if isinstance(event, Waiting)]
    assert reasons == ["waits for a moment", "waits for a wake"]


def test_what_a_search_took_is_all_its_steps_and_all_that_it_waited_for(
    connection: Connection, redis_client: redis.Redis
) -> None:
    attempt = begun(connection)
    redis_client.hincrby(f"stoker:job:{attempt.job_id}", "started_at", -3_600_000)
    assert connection.run(children.await_children(attempt, SEARCH, [TRIAL], each=True))
    end(connection, f"{attempt.job_id}-1-0")
    connection.run(attempts.succeed(again(connection, attempt), result_of("search")))
    assert max(example.ms for example in connection.run(foresight.examples("cpu", "train"))) >= 3_600_000
