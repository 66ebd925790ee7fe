"""Jobs that a newer Stoker has submitted: older workers and controllers leave them to those that know them."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, cast

import pytest

import stoker
from stoker import JobState, kinds
from stoker.fleet.topology import mailbox_of, queues_of
from stoker.kinds import KINDS, Spec
from stoker.ledger import attempts, dead_jobs, intake, presence, quarantine, records, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.ledger.replies import Refusal
from stoker.local import redis_url_of
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker.version import RELEASE

from ..conftest import PATIENCE_S, Eventually
from .conftest import attend

QUEUE = "cpu.batch\x06\x166"


class Later(stoker.Evaluate):
    """A kind of job that this version does not have."""

    kind: Literal["later"] = "later"  # type: ignore[assignment]


SPEC = cast(Spec, Later(model="digits@1", data="sample://digits"))


@pytest.fixture(autouse=True)
def _a_newer_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who submits here knows one kind more; scripts and workers do not."""
    monkeypatch.setattr(kinds, "KINDS", {**KINDS, "later": replace(KINDS["evaluate"], name="later", spec=Later)})


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


def submit(connection: Connection, spec: Spec = SPEC, count: int = 1) -> list[str]:
    return connection.run(intake.submit([NewJob(str(uuid.uuid4()), spec, "cpu.batch") for _ in range(count)]))


def worker(name: str, *kinds: str, release: int = RELEASE, slots: int = 1, busy: int = 0) -> presence.Worker:
    return presence.Worker(
        name=name,
        node="n",
        device="cpu",
        slots=slots,
        most_slots=slots,
        busy=busy,
        queues=queues_of("cpu"),
        mailbox=mailbox_of("cpu", name),
        kinds=kinds,
        release=release,
        host="h",
        pid=1,
    )


OLD, NEW = worker("old", *KINDS), worker("new", *KINDS, "later")


def refused(connection: Connection, job_id: str) -> None:
    """An old worker takes the job's message."""
    connection.client.rpop(QUEUE)
    assert connection.run(attempts.claim(job_id, str(uuid.uuid4()), "old", 15, OLD)) is Refusal.UNKNOWN


def waiting(connection: Connection) -> int:
    return connection.client.llen(QUEUE)


def mailed(connection: Connection, name: str = "new") -> int:
    """How many messages wait in a worker's mailbox."""
    return connection.client.llen(f"{mailbox_of('cpu', name)}\x06\x166")


def test_a_worker_that_does_not_know_a_kind_leaves_the_job_alone_at_no_cost(connection: Connection) -> None:
    attend(connection, OLD)
    [job_id] = submit(connection)
    refused(connection, job_id)
    status = connection.run(records.status(job_id))
    assert (status.state, status.kind, status.attempt) == (JobState.WAITING, "later", 0)
    assert status.reason == "no live worker knows kind later"
    assert [found.id for found in connection.run(records.query(None, None, 10))] == [job_id]
    assert connection.run(records.counts())["later", JobState.WAITING] == 1
    assert connection.run(dead_jobs.history(job_id)) == []


def test_nothing_rings_for_it_before_a_worker_comes_that_knows_it(connection: Connection) -> None:
    attend(connection, OLD)
    [job_id] = submit(connection)
    refused(connection, job_id)
    for _ in range(3):
        assert connection.run(upkeep.wake()) == 0
        assert connection.run(upkeep.resend(-1)) == []
    assert waiting(connection) == 0

    attend(connection, NEW)
    assert connection.run(upkeep.wake()) == 1
    assert (waiting(connection), mailed(connection)) == (0, 1)
    attempt = connection.run(attempts.claim(job_id, "owner", "new", 15, NEW))
    assert isinstance(attempt, Attempt)
    assert (attempt.number, attempt.kind) == (1, "later")
    assert connection.run(records.status(job_id)).reason is None
    assert not [*connection.client.scan_iter("stoker:unserved*"), *connection.client.scan_iter("stoker:needs*")]


def test_an_old_worker_that_takes_the_message_costs_one_message_as_long_as_a_newer_one_lives(
    connection: Connection,
) -> None:
    for one in (OLD, NEW):
        attend(connection, one)
    [job_id] = submit(connection)
    refused(connection, job_id)
    for _ in range(3):
        assert connection.run(records.status(job_id)).state is JobState.QUEUED
        assert (waiting(connection), mailed(connection), mailed(connection, "old")) == (0, 1, 0)
        assert connection.run(upkeep.wake()) == 0
        assert connection.run(upkeep.resend(-1)) == []
    story = [str(event.words()) for event in connection.run(records.events(job_id, None))]
    assert story == [
        "queued on cpu.batch",
        "queued on cpu.batch: for new, which can run it",
    ]


@pytest.mark.parametrize(("slots", "busy", "rung"), [(4, 1, 3), (4, 4, 1)])
def test_as_many_are_rung_for_as_can_run_and_one_at_least(
    connection: Connection, slots: int, busy: int, rung: int
) -> None:
    jobs = submit(connection, count=5)
    for job_id in jobs:
        refused(connection, job_id)
    attend(connection, worker("new", "later", slots=slots, busy=busy))
    assert connection.run(upkeep.wake()) == rung
    assert [connection.run(records.status(job_id)).state for job_id in jobs] == ["QUEUED"] * rung + ["WAITING"] * (
        5 - rung
    )


def test_it_stands_in_the_way_of_no_other_job(connection: Connection) -> None:
    for job_id in submit(connection, count=100):
        # Only those whose turn it is have a message.
        if connection.client.rpop(QUEUE):
            connection.run(attempts.claim(job_id, str(uuid.uuid4()), "old", 15, OLD))
    [mine] = submit(connection, stoker.Evaluate(model="digits@1", data="sample://digits"))
    connection.client.rpop(QUEUE)
    assert isinstance(connection.run(attempts.claim(mine, "owner", "old", 15, OLD)), Attempt)


def test_a_job_that_waits_for_such_a_worker_can_be_cancelled(connection: Connection) -> None:
    [job_id] = submit(connection)
    refused(connection, job_id)
    connection.run(records.cancel(job_id))
    assert connection.run(records.status(job_id)).state is JobState.CANCELLED
    assert not [*connection.client.scan_iter("stoker:unserved*"), *connection.client.scan_iter("stoker:needs*")]


@pytest.mark.parametrize("field", ["queue", "priority"])
def test_a_queue_or_priority_that_is_unknown_is_left_to_newer_controllers(connection: Connection, field: str) -> None:
    [job_id] = submit(connection, SPEC.model_copy(update={"not_before": datetime(2999, 1, 1, tzinfo=UTC)}))
    record = f"stoker:job:{job_id}"
    connection.client.hset(record, field, "later")
    before = connection.client.hgetall(record)
    for _ in range(3):
        connection.client.zadd("stoker:due", {job_id: 0})
        connection.run(upkeep.wake())
        assert connection.client.hgetall(record) == before
    assert connection.client.zscore("stoker:due", job_id)


def test_a_state_that_is_unknown_is_left_alone(connection: Connection) -> None:
    [job_id] = submit(connection)
    record = f"stoker:job:{job_id}"
    connection.client.hset(record, "state", "PAUSED")
    before = connection.client.hgetall(record)
    assert connection.run(attempts.claim(job_id, "owner", "old", 15, NEW)) is Refusal.TAKEN
    for index in ("stoker:due", "stoker:leases"):
        connection.client.zadd(index, {job_id: 0})
    connection.run(upkeep.wake())
    assert connection.run(upkeep.expired()) == []
    connection.run(upkeep.resend(-1))
    assert connection.client.hgetall(record) == before


def test_a_spec_that_only_a_newer_release_can_read_goes_to_a_live_worker_of_it_at_once(connection: Connection) -> None:
    newer = worker("newer", *KINDS, release=RELEASE + 1)
    for each in (OLD, newer):
        attend(connection, each)
    [job_id] = submit(connection, stoker.Evaluate(model="digits@1", data="sample://digits"))
    connection.client.hset(f"stoker:job:{job_id}", "release", RELEASE + 1)
    attempt = connection.run(attempts.claim(job_id, "owner", "old", 15, OLD))
    assert isinstance(attempt, Attempt)
    assert connection.run(attempts.release(attempt, "unknown", "no field 'x'")) is JobState.QUEUED
    assert mailed(connection, "newer") == 1


def test_a_spec_that_only_a_newer_release_can_read_waits_for_it(connection: Connection) -> None:
    attend(connection, OLD)
    [job_id] = submit(connection, stoker.Evaluate(model="digits@1", data="sample://digits"))
    connection.client.hset(f"stoker:job:{job_id}", "release", RELEASE + 1)
    connection.client.rpop(QUEUE)
    attempt = connection.run(attempts.claim(job_id, "owner", "old", 15, OLD))
    assert isinstance(attempt, Attempt)
    assert connection.run(attempts.release(attempt, "unknown", "no field 'x'")) is JobState.WAITING
    reason = connection.run(records.status(job_id)).reason
    assert reason == f"no live worker is of release {RELEASE + 1} or newer, which its spec needs"

    newer = worker("newer", *KINDS, release=RELEASE + 1)
    attend(connection, newer)
    assert connection.run(upkeep.wake()) == 1
    # A message too many, which an old worker takes.
    refused(connection, job_id)
    assert mailed(connection, "newer") == 1
    attempt = connection.run(attempts.claim(job_id, "another", "newer", 15, newer))
    assert isinstance(attempt, Attempt)


# --- with a real worker, which takes messages as it likes


@pytest.fixture
def ledger_of(stack: Settings) -> Iterator[Connection]:
    connection = Connection.open(stack, redis_url_of(stack))
    yield connection
    connection.close()


def test_a_real_worker_gives_back_what_it_does_not_know(
    client: stoker.Client, ledger_of: Connection, eventually: Eventually
) -> None:
    before = ledger_of.run(quarantine.quarantined())
    jobs = submit(ledger_of, count=20)
    try:
        for job_id in jobs:
            eventually(lambda job_id=job_id: client.job(job_id).state is JobState.WAITING)  # type: ignore[misc]
        other = client.submit(stoker.Train(model="beside", data="sample://iris", epochs=1))
        assert other.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
        assert ledger_of.run(quarantine.quarantined()) == before

        attend(ledger_of, NEW)
        eventually(lambda: mailed(ledger_of))
        assert isinstance(ledger_of.run(attempts.claim(jobs[0], "owner", "new", 60, NEW)), Attempt)
        assert client.job(jobs[0]).status().attempt == 1
    finally:
        ledger_of.run(presence.leave("new"))
        for job_id in jobs:
            client.job(job_id).cancel()


def test_a_real_worker_gives_back_a_spec_with_a_field_that_it_does_not_know(
    client: stoker.Client, ledger_of: Connection, eventually: Eventually
) -> None:
    spec = stoker.Evaluate(model="digits@1", data="sample://digits", not_before=datetime(2999, 1, 1, tzinfo=UTC))
    [job_id] = submit(ledger_of, spec)
    document = json.dumps(json.loads(spec.model_dump_json()) | {"field_of_tomorrow": 1})
    ledger_of.client.hset(f"stoker:job:{job_id}", mapping={"spec": document, "release": RELEASE + 1})
    ledger_of.client.zadd("stoker:due", {job_id: 0})
    eventually(lambda: client.job(job_id).status().reason)
    status = client.job(job_id).status()
    assert status.state is JobState.WAITING
    assert "no live worker is of release" in str(status.reason)
    client.job(job_id).cancel()
