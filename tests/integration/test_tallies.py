"""What the scripts count, on a real server: every job and every request once, whoever ran it."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

import stoker
from stoker import JobState, lanes
from stoker.lanes import LaneCounts, LaneRequests, frames
from stoker.lanes.refused import Refused
from stoker.ledger import attempts, counters, intake, monitoring, rates, records, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.counters import Tallies
from stoker.ledger.intake import NewJob
from stoker.ledger.keys import key
from stoker.redis.connection import Connection
from stoker.settings import Settings

SPEC = stoker.Train(model="digits", data="sample://digits", max_attempts=2)
RESULT = stoker.TrainResult(
    model="digits", metrics={}, history={}, epochs=1, rows=1, parameters=1, seed=0, run_s=1, files={}
)


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def submitted(connection: Connection, spec: stoker.Train = SPEC) -> str:
    [job_id] = connection.run(intake.submit([NewJob(str(uuid.uuid4()), spec, "cpu.train")]))
    return job_id


def claimed(connection: Connection, job_id: str) -> Attempt:
    attempt = connection.run(attempts.claim(job_id, uuid.uuid4().hex, "worker", 15))
    assert isinstance(attempt, Attempt)
    return attempt


def counted(connection: Connection) -> Tallies:
    return connection.run(counters.read_tallies())


def test_nothing_has_been_counted_at_first(connection: Connection) -> None:
    tallies = counted(connection)
    assert (tallies.finished, tallies.waits, tallies.attempts) == ({}, {}, {})
    assert (tallies.batches.count, tallies.batches.total, tallies.refused_requests) == (0, 0, 0)


def test_every_end_is_counted_once_though_its_commit_is_repeated(connection: Connection) -> None:
    for _ in range(3):
        attempt = claimed(connection, submitted(connection))
        connection.run(attempts.succeed(attempt, RESULT))
        connection.run(attempts.succeed(attempt, RESULT))
    connection.run(attempts.fail(claimed(connection, submitted(connection)), JobState.FAILED, "bad data"))
    connection.run(records.cancel(submitted(connection)))
    tallies = counted(connection)
    assert tallies.finished == {("train", "SUCCEEDED"): 3, ("train", "FAILED"): 1, ("train", "CANCELLED"): 1}
    assert {how: histogram.count for (_, how), histogram in tallies.attempts.items()} == {"SUCCEEDED": 3, "FAILED": 1}


def test_every_attempt_is_counted_by_how_it_ended(connection: Connection, server: redis.Redis) -> None:
    job_id = submitted(connection)
    connection.run(attempts.release(claimed(connection, job_id), "drained", "drained"))
    connection.run(attempts.release(claimed(connection, job_id), "lost", "killed"))
    server.zadd("stoker:due", {job_id: 0})
    connection.run(upkeep.wake())
    connection.run(attempts.release(claimed(connection, job_id), "lost", "killed"))
    tallies = counted(connection)
    assert {how: histogram.count for (_, how), histogram in tallies.attempts.items()} == {
        "drained": 1,
        "lost": 1,
        "DEAD": 1,
    }
    assert tallies.finished == {("train", "DEAD"): 1}


def test_a_wait_lasts_from_the_queue_to_the_claim(connection: Connection, server: redis.Redis) -> None:
    later = SPEC.model_copy(update={"not_before": datetime.now(UTC) + timedelta(hours=1)})
    held, queued = submitted(connection, later), submitted(connection)
    server.hincrby(f"stoker:job:{queued}", "queued_at", -600_000)
    [health] = [queue for queue in connection.run(monitoring.health()).queues if queue.queue == "cpu.train"]
    assert health.jobs == 1
    assert 600 <= health.oldest_s < 900
    claimed(connection, queued)
    server.zadd("stoker:due", {held: 0})
    connection.run(upkeep.wake())
    claimed(connection, held)
    waits = counted(connection).waits["cpu.train"]
    assert waits.count == 2
    assert dict(waits.buckets)[300_000] == 1, "what waited for its time was not queued meanwhile"
    assert dict(waits.buckets)[900_000] == 2
    assert waits.total >= 600_000


def test_what_has_been_queued_longest_is_found_beside_what_others_wrote(
    connection: Connection, server: redis.Redis
) -> None:
    server.zadd("stoker:rung:cpu.train:normal", {"junk": 0})
    server.set("stoker:job:junk", "no record")
    server.hset("stoker:tallies", mapping={"finished": "x", b"\xff": 1, "finished train DEAD": "many"})
    assert {queue.oldest_s for queue in connection.run(monitoring.health()).queues} == {0}
    assert counted(connection).finished == {}


def test_requests_are_counted_when_they_are_answered_and_batches_by_their_size(connection: Connection) -> None:
    client = uuid.uuid4()

    def push(count: int) -> Refused | None:
        requests = [(60_000, frames.encode_request(client, n, b"x")) for n in range(count)]
        [refused] = connection.run(lanes.push([LaneRequests("digits", "cpu.infer", "normal", 10, requests)]))
        return refused

    def take(turn: int, most: int) -> None:
        connection.run(lanes.take("digits", "d", 600, turn=turn, most=most, answers={}))

    assert push(8) is None
    refused = push(3)
    assert refused
    assert refused.first == 0
    assert "8 requests wait, 10 is the limit" in refused.error.message
    connection.run(lanes.join("digits", "d", 600))
    assert connection.run(lanes.counts()) == LaneCounts(lanes=1, waiting=8, drainers=1, taken=0)
    take(1, most=5)
    assert connection.run(lanes.counts()) == LaneCounts(lanes=1, waiting=3, drainers=1, taken=5)
    assert counted(connection).batches.count == 0
    take(2, most=5)
    take(2, most=5)
    take(3, most=5)
    connection.run(lanes.leave("digits", "d"))
    assert connection.run(lanes.counts()) == LaneCounts(lanes=0, waiting=0, drainers=0, taken=0)
    batches = counted(connection).batches
    assert (batches.count, batches.total) == (2, 8)
    assert [(bound, count) for bound, count in batches.buckets if bound in (2, 4, 8)] == [(2, 0), (4, 1), (8, 2)]
    assert counted(connection).refused_requests == 3


def test_a_count_of_another_gateway_that_is_none_neither_lifts_a_limit_nor_stops_the_others(
    connection: Connection, server: redis.Redis
) -> None:
    assert connection.run(rates.share("one", [("shop", 60, 7, 3)])) == [0]
    server.hset(key("rates", "shop", "60", "7"), mapping={"other": "no number", "another": -1000, "third": 5})
    assert connection.run(rates.share("two", [("shop", 60, 7, 4)])) == [8]
