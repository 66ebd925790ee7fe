"""What something else writes into the events, history and children of jobs: none of it keeps a job from its end."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, example, given, settings

import stoker
from stoker import JobState
from stoker.events import Finished, Log
from stoker.ledger import attempts, damage, dead_jobs, intake, records, results, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.children import await_children
from stoker.ledger.intake import NewJob
from stoker.ledger.replies import CommitReply
from stoker.models.manifest import Artifact
from stoker.redis.connection import Connection
from stoker.settings import Settings

SPEC = stoker.Train(model="digits", data="sample://digits", max_attempts=1)
BULK = stoker.Infer(model="digits@1", data="sample://digits")
# One connection sees all examples: each is of a job of its own.
EXAMPLES = settings(
    max_examples=60, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
_FIELDS = st.sampled_from(["type", "line", "rows", "chunks", "state"])
_VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | st.floats() | st.sampled_from(["log", "started", "finished", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_FIELDS, inner, max_size=3),
    max_leaves=6,
)
JUNK = st.binary(max_size=8) | _VALUES.map(lambda value: json.dumps(value).encode())
ENDS = ["succeeded", "failed", "lost", "drained", "expired"]


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


def running(connection: Connection, spec: stoker.Train | stoker.Infer = SPEC) -> Attempt:
    [job_id] = connection.run(intake.submit([NewJob(str(uuid.uuid4()), spec, "cpu.train")]))
    return claimed(connection, job_id)


def claimed(connection: Connection, job_id: str) -> Attempt:
    attempt = connection.run(attempts.claim(job_id, str(uuid.uuid4()), "w", 15))
    assert isinstance(attempt, Attempt)
    return attempt


def result(rows: int) -> stoker.InferResult:
    chunk = Artifact(name="chunk.npy", digest="a" * 64, size=rows)
    return stoker.InferResult(model="digits@1", rows=rows, chunks=(chunk,), rows_per_s=1)


def end(connection: Connection, attempt: Attempt, how: str) -> JobState:
    match how:
        case "succeeded":
            assert connection.run(attempts.succeed(attempt, result(1))) is CommitReply.OK
        case "failed":
            assert connection.run(attempts.fail(attempt, JobState.FAILED, "bad data")) is CommitReply.OK
        case "expired":
            connection.client.hset(f"stoker:job:{attempt.job_id}", "lease_until", 1)
            connection.client.zadd("stoker:leases", {attempt.job_id: 1})
            for lost in connection.run(upkeep.expired()):
                connection.run(upkeep.reclaim(lost))
        case _:
            connection.run(attempts.release(attempt, "lost" if how == "lost" else "drained", "its process was killed"))
    return state(connection, attempt.job_id)


def state(connection: Connection, job_id: str) -> JobState:
    return connection.run(records.status(job_id)).state


@EXAMPLES
@given(
    junk=st.lists(JUNK, min_size=1, max_size=4), where=st.sampled_from(["events", "history"]), how=st.sampled_from(ENDS)
)
def test_an_attempt_ends_whatever_lies_among_its_events_and_history(
    connection: Connection, junk: list[bytes], where: str, how: str
) -> None:
    attempt = running(connection)
    connection.run(attempts.report(attempt, 15, [Log(line="hello")]))
    client: Any = connection.client
    for one in junk:
        if where == "events":
            client.xadd(f"stoker:events:{attempt.job_id}", {"event": one})
        else:
            client.rpush(f"stoker:history:{attempt.job_id}", one)
    ended = {"succeeded": "SUCCEEDED", "failed": "FAILED", "lost": "DEAD", "expired": "DEAD", "drained": "QUEUED"}[how]
    assert end(connection, attempt, how) == ended
    assert json.loads(client.lindex(f"stoker:history:{attempt.job_id}", -1))["attempt"] == 1
    if ended == "DEAD":
        connection.run(dead_jobs.requeue(attempt.job_id))
        assert state(connection, attempt.job_id) is JobState.QUEUED
    # So that the next example's job is not held behind it.
    connection.run(records.cancel(attempt.job_id))


def asking(connection: Connection) -> tuple[str, list[str]]:
    """A bulk prediction that waits for its two children."""
    attempt = running(connection, BULK)
    children = [BULK.model_copy(update={"rows": rows}) for rows in [(0, 1), (1, 3)]]
    assert connection.run(await_children(attempt, BULK, children))
    return attempt.job_id, [f"{attempt.job_id}-1-{n}" for n in range(2)]


@EXAMPLES
@example(junk=b"", when=1, where=0, repaired=True)
@given(junk=JUNK, when=st.integers(0, 1), where=st.integers(0, 2), repaired=st.booleans())
def test_a_job_goes_on_after_the_last_of_its_children_whatever_lies_among_their_results(
    connection: Connection, junk: bytes, when: int, where: int, repaired: bool
) -> None:
    job_id, children = asking(connection)
    for n, child in enumerate(children):
        if n == when:
            connection.client.hset(f"stoker:children:{job_id}", [*children, "x"][where], junk)
        if repaired:
            connection.run(damage.repair(keys=100_000))
        connection.run(attempts.succeed(claimed(connection, child), result(1 + n)))
    attempt = claimed(connection, job_id)
    assert len(attempt.children) == 2
    # What a child writes when it ends is its result.
    if where >= when:
        assert [stoker.InferResult.model_validate_json(one).rows for one in attempt.children] == [1, 2]
    connection.run(attempts.succeed(attempt, result(3)))
    assert connection.client.exists(f"stoker:children:{job_id}") == 0


@pytest.mark.parametrize("open_children", ["0", "-1", "x", "99"])
def test_a_job_that_miscounts_its_children_still_goes_on_after_the_last(
    connection: Connection, open_children: str
) -> None:
    job_id, children = asking(connection)
    connection.client.hset(f"stoker:job:{job_id}", "open_children", open_children)
    assert connection.run(damage.repair(keys=100_000)).damages
    for n, child in enumerate(children):
        connection.run(attempts.succeed(claimed(connection, child), result(1 + n)))
    assert state(connection, job_id) is JobState.QUEUED


def test_a_job_whose_children_have_all_ended_without_its_learning_of_it_goes_on(connection: Connection) -> None:
    job_id, children = asking(connection)
    connection.client.hset(f"stoker:job:{job_id}", "open_children", 99)
    for n, child in enumerate(children):
        connection.run(attempts.succeed(claimed(connection, child), result(1 + n)))
    assert state(connection, job_id) is JobState.WAITING
    assert connection.run(damage.repair(keys=100_000)).damages
    assert state(connection, job_id) is JobState.QUEUED


def test_a_job_fails_whose_child_is_lost(connection: Connection) -> None:
    job_id, [first, last] = asking(connection)
    connection.client.delete(f"stoker:job:{first}")
    connection.run(attempts.succeed(claimed(connection, last), result(2)))
    assert connection.run(damage.repair(keys=100_000)).damages
    with pytest.raises(stoker.JobFailed, match=f"job {first}, which it has asked for, is lost"):
        connection.run(results.result(job_id))


@pytest.mark.parametrize("torn", ["index", "stream", "line behind the end"])
def test_a_dead_job_that_is_requeued_has_no_end_among_its_events(
    connection: Connection, redis_url: str, torn: str
) -> None:
    attempt = running(connection)
    assert end(connection, attempt, "lost") is JobState.DEAD
    match torn:
        case "index":
            connection.client.zrem("stoker:finished", attempt.job_id)
            assert connection.run(damage.repair(keys=100_000)).damages
            assert isinstance(connection.run(records.events(attempt.job_id, None))[-1], Finished)
        case "stream":
            connection.client.delete(f"stoker:events:{attempt.job_id}")
        case _:
            line = {"type": "log", "line": "hello"}
            connection.client.xadd(f"stoker:events:{attempt.job_id}", {"event": json.dumps(line)})
    connection.run(dead_jobs.requeue(attempt.job_id))
    story = connection.run(records.events(attempt.job_id, None))
    assert not [event for event in story if isinstance(event, Finished)]
    assert state(connection, attempt.job_id) is JobState.QUEUED
    assert connection.client.zscore("stoker:finished", attempt.job_id) is None


def test_a_commit_that_could_not_settle_is_no_success_when_it_is_repeated(connection: Connection) -> None:
    attempt = running(connection)
    commit = attempts.fail(attempt, JobState.FAILED, "bad data")
    connection.client.execute_command("ACL", "SETUSER", "default", "-rpush")
    try:
        with pytest.raises(stoker.StokerError):
            connection.run(commit)
    finally:
        connection.client.execute_command("ACL", "SETUSER", "default", "+rpush")
    assert connection.run(commit) is CommitReply.OK
    assert state(connection, attempt.job_id) is JobState.FAILED
    assert connection.run(commit) is CommitReply.OK
