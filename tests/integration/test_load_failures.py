"""How long callers of a model that cannot be loaded are refused, and who tries again: the rules, on a real server."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis

from stoker.errors import InvalidJob, Unavailable
from stoker.lanes.failures import LoadFailure, admit_load, load_failed, load_failures, loaded
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S
from .test_watch import version

MODEL = version("hot")
BORN = MODEL.created_at.isoformat()


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


def fail(connection: Connection, **how: bool) -> LoadFailure:
    return connection.run(load_failed("hot@1", BORN, InvalidJob("hot@1 cannot be loaded: torn; mend it"), "w", **how))


def postpone(connection: Connection, ref: str = "hot@1", *, hours: int = 1) -> None:
    """Move the next try at a version, so that no pause is over before the test has looked; or its end into the past."""
    raw = connection.client.hget("stoker:load-failures", ref)
    assert raw
    failure = json.loads(raw)
    failure["retry_at_ms"] += hours * 3_600_000
    connection.client.hset("stoker:load-failures", ref, json.dumps(failure))


def test_who_failed_is_refused_with_the_reason_until_it_is_loaded(connection: Connection) -> None:
    assert connection.run(admit_load(MODEL)) is None
    fail(connection)
    postpone(connection)
    refused = connection.run(admit_load(MODEL))
    assert refused
    assert isinstance(refused.as_error(), InvalidJob)
    assert refused.as_error().message.startswith("hot@1 cannot be loaded: torn; mend it (since ")
    assert [failure.model for failure in connection.run(load_failures())] == ["hot@1"]
    connection.run(loaded(MODEL))
    assert connection.run(admit_load(MODEL)) is None
    assert connection.run(load_failures()) == []


def test_the_pause_doubles_up_to_five_minutes(connection: Connection) -> None:
    pauses = []
    for _ in range(9):
        failure = fail(connection)
        pauses.append(failure.retry_at - failure.since)
    assert pauses[0] == timedelta(seconds=5)
    assert pauses[1] >= timedelta(seconds=10)
    assert timedelta(seconds=300) <= pauses[8] < timedelta(seconds=300 + PATIENCE_S)


def test_after_the_pause_one_worker_tries_and_the_others_are_refused_meanwhile(connection: Connection) -> None:
    fail(connection)
    postpone(connection, hours=-1)
    assert connection.run(admit_load(MODEL)) is None
    assert connection.run(admit_load(MODEL))


def test_another_version_and_a_registry_begun_anew_are_not_refused(connection: Connection) -> None:
    fail(connection)
    for other in ({"version": 2}, {"created_at": MODEL.created_at + timedelta(seconds=1)}):
        assert connection.run(admit_load(MODEL.model_copy(update=other))) is None


def test_the_first_time_is_excused_where_something_else_may_have_been_the_cause(connection: Connection) -> None:
    fail(connection, excused=True)
    assert connection.run(admit_load(MODEL)) is None
    assert connection.run(load_failures()) == []
    fail(connection, excused=True)
    postpone(connection)
    assert connection.run(admit_load(MODEL))


def test_batches_that_end_their_process_count_although_the_model_loads(connection: Connection) -> None:
    fail(connection, excused=True, computed=True)
    connection.run(loaded(MODEL))
    fail(connection, excused=True, computed=True)
    postpone(connection)
    assert connection.run(admit_load(MODEL))


@pytest.mark.parametrize(
    "junk", ["", "7", "{}", '{"failures": 1}', '{"failures":1,"since_ms":1,"retry_at_ms":1,"shut":true}', "\x00"]
)
def test_what_something_else_has_written_refuses_nobody(connection: Connection, redis_url: str, junk: str) -> None:
    with redis.Redis.from_url(redis_url) as raw:
        raw.hset("stoker:load-failures", "hot@1", junk)
        assert connection.run(admit_load(MODEL)) is None
        assert connection.run(load_failures()) == []
        raw.delete("stoker:load-failures")
        raw.set("stoker:load-failures", junk)
        assert connection.run(admit_load(MODEL)) is None
        error = Unavailable("hot@1 cannot be loaded")
        assert isinstance(connection.run(load_failed("hot@1", BORN, error, "w")).as_error(), Unavailable)
        assert raw.ttl("stoker:load-failures") > 0
