"""Jobs, queues and tenants that are paused, on a real server. The test plays the slots."""

import json
import uuid
from collections.abc import Iterator

import pytest
import redis
from celery import Celery

import stoker
from stoker import JobState
from stoker.events import Checkpoint, Queued, Waiting
from stoker.kinds import Spec
from stoker.ledger import (
    attempts,
    autoscaling,
    celery_results,
    damage,
    intake,
    monitoring,
    pauses,
    presence,
    records,
    upkeep,
)
from stoker.ledger.attempt import Attempt
from stoker.ledger.celery_results import PendingResult
from stoker.ledger.children import await_children
from stoker.ledger.intake import NewJob
from stoker.ledger.replies import Refusal, ReportReply
from stoker.models.manifest import Artifact
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .conftest import CPU, attend
from .ledger_machine import result_of

LEASE_S = 3600.0
TRAIN = stoker.Train(model="digits", data="sample://digits")
DEPLOY = stoker.Deploy(model="digits@1", alias="live")


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def submit(connection: Connection, spec: Spec = TRAIN, after: tuple[str, ...] = (), queue: str = "cpu.train") -> str:
    new = NewJob(str(uuid.uuid4()), spec.model_copy(update={"after": after}), queue, after)
    [job_id] = connection.run(intake.submit([new]))
    return job_id


def claim(connection: Connection, job_id: str) -> Attempt | Refusal:
    return connection.run(attempts.claim(job_id, uuid.uuid4().hex, "worker", LEASE_S))


def started(connection: Connection, job_id: str) -> Attempt:
    attempt = claim(connection, job_id)
    assert isinstance(attempt, Attempt)
    return attempt


def taken(connection: Connection, server: redis.Redis, name: str = "cpu.train\x06\x166") -> list[str]:
    """What a slot that takes every message gets to run, in order; each job ends at once."""
    ids = []
    while popped := server.rpop(name):
        job_id = json.loads(str(popped))["headers"]["id"]
        attempt = claim(connection, job_id)
        if isinstance(attempt, Attempt):
            connection.run(attempts.succeed(attempt, result_of("digits")))
            ids.append(job_id)
    return ids


def of_tenant(name: str) -> stoker.Train:
    return TRAIN.model_copy(update={"tags": {"tenant": name}})


def state(connection: Connection, job_id: str) -> tuple[JobState, bool]:
    status = connection.run(records.status(job_id))
    return status.state, status.paused is not None


def test_a_running_job_is_asked_to_stop_keeps_its_checkpoint_and_costs_no_attempt(connection: Connection) -> None:
    job_id = submit(connection, TRAIN.model_copy(update={"max_attempts": 1}))
    attempt = started(connection, job_id)
    assert connection.run(pauses.pause(job_id)) is JobState.RUNNING
    artifact = Artifact(name="checkpoint.npz", digest="a" * 64, size=1)
    checkpoint = Checkpoint(epoch=1, step=1, artifact=artifact)
    assert connection.run(attempts.report(attempt, LEASE_S, [checkpoint])) is ReportReply.PAUSE
    assert connection.run(attempts.release(attempt, "drained", "worker w was drained")) is JobState.WAITING
    assert state(connection, job_id) == (JobState.WAITING, True)
    assert claim(connection, job_id) is Refusal.TAKEN
    connection.run(upkeep.wake())
    assert connection.run(damage.repair(keys=10_000)).damages == ()
    assert state(connection, job_id) == (JobState.WAITING, True)
    connection.run(pauses.resume(job_id))
    assert started(connection, job_id).checkpoints == (artifact,)
    words = [event.words() for event in connection.run(records.events(job_id, None))]
    assert [word for word in words if "pause" in word or "resume" in word] == [
        "waiting: paused",
        "queued on cpu.train: resumed",
    ]


def test_celery_knows_a_job_that_goes_on_later_as_a_task_to_be_retried(connection: Connection, redis_url: str) -> None:
    job_id = submit(connection)
    with Celery(broker=redis_url, backend=redis_url) as app:

        def seen() -> tuple[str, str]:
            shown = app.AsyncResult(job_id)
            return shown.state, str(shown.result)

        connection.run(pauses.pause(job_id))
        connection.run(pauses.resume(job_id))
        assert seen() == ("PENDING", "None")
        attempt = started(connection, job_id)
        connection.run(pauses.pause(job_id))
        assert seen()[0] == "STARTED"
        connection.run(attempts.release(attempt, "drained", "worker w was drained"))
        assert seen() == ("RETRY", "paused")
        connection.run(pauses.resume(job_id))
        assert seen() == ("RETRY", "resumed")
        attempt = started(connection, job_id)
        assert seen()[0] == "STARTED"
        connection.run(attempts.release(attempt, "drained", "worker w was drained"))
        assert seen() == ("RETRY", "worker w was drained")
        connection.run(attempts.succeed(started(connection, job_id), result_of("digits")))
        assert app.AsyncResult(job_id).get(timeout=1)["model"] == "digits"


def test_a_state_that_is_copied_late_takes_no_newer_one_back(connection: Connection, server: redis.Redis) -> None:
    name = "celery-task-meta-late"
    states = [f'{{"status":"{status}","attempt":{attempt}}}' for attempt in (1, 2) for status in ("STARTED", "RETRY")]
    states.append('{"status":"SUCCESS","attempt":2}')
    for number, newer in enumerate(states):
        for state in (newer, *states[:number]):
            connection.run(celery_results.copy(PendingResult("late", name, state.encode())))
            assert server.get(name) == newer


@pytest.mark.parametrize("resumes", [True, False])
def test_a_pause_outlasts_a_lost_worker_and_a_resume_calls_off_one_that_was_asked_for(
    connection: Connection, server: redis.Redis, resumes: bool
) -> None:
    job_id = submit(connection, TRAIN.model_copy(update={"max_attempts": 2}))
    attempt = started(connection, job_id)
    connection.run(pauses.pause(job_id))
    if resumes:
        connection.run(pauses.resume(job_id))
        assert connection.run(attempts.report(attempt, LEASE_S)) is ReportReply.OK
    connection.run(attempts.release(attempt, "lost", "its process was killed"))
    server.zadd("stoker:due", {job_id: 1}, xx=True)
    connection.run(upkeep.wake())
    assert state(connection, job_id) == (JobState.QUEUED if resumes else JobState.WAITING, not resumes)


def test_a_job_that_ends_before_it_hears_of_its_pause_has_ended(connection: Connection, server: redis.Redis) -> None:
    attempt = started(connection, submit(connection))
    connection.run(pauses.pause(attempt.job_id))
    connection.run(attempts.succeed(attempt, result_of("digits")))
    assert state(connection, attempt.job_id) == (JobState.SUCCEEDED, False)
    assert not server.exists("stoker:paused")
    for call in (pauses.pause, pauses.resume):
        with pytest.raises(stoker.InvalidJob, match="is SUCCEEDED: it has ended, and there is nothing to"):
            connection.run(call(attempt.job_id))
        with pytest.raises(stoker.JobNotFound):
            connection.run(call("nobody"))


def test_a_running_job_without_checkpoints_is_not_paused_and_says_what_to_do(connection: Connection) -> None:
    attempt = started(connection, submit(connection, DEPLOY, queue="cpu.batch"))
    with pytest.raises(stoker.InvalidJob, match=r"keeps no checkpoint.*let it end, or cancel it"):
        connection.run(pauses.pause(attempt.job_id))
    waiting = submit(connection, DEPLOY, queue="cpu.batch")
    connection.run(pauses.pause(waiting))
    assert state(connection, waiting) == (JobState.WAITING, True)


def test_a_paused_job_keeps_its_place_and_is_cancelled_at_once(connection: Connection, server: redis.Redis) -> None:
    ids = [submit(connection) for _ in range(40)]
    for job_id in ids[:20]:
        connection.run(pauses.pause(job_id))
    connection.run(records.cancel(ids[0]))
    assert state(connection, ids[0]) == (JobState.CANCELLED, False)
    for job_id in reversed(ids[1:20]):
        connection.run(pauses.resume(job_id))
    ran = taken(connection, server)
    # Those of the first window have their messages already.
    assert ran[16:] == [job_id for job_id in ids[1:] if job_id not in ran[:16]]
    assert sorted(ran) == sorted(ids[1:])
    assert not server.exists("stoker:paused")


def test_a_paused_job_waits_for_what_it_waits_for_and_then_for_its_resume(connection: Connection) -> None:
    first = submit(connection)
    after = submit(connection, after=(first,))
    connection.run(pauses.pause(after))
    connection.run(attempts.succeed(started(connection, first), result_of("digits")))
    assert state(connection, after) == (JobState.WAITING, True)
    assert connection.run(damage.repair(keys=10_000)).damages == ()
    connection.run(pauses.resume(after))
    assert state(connection, after) == (JobState.QUEUED, False)
    other = submit(connection, after=(after,))
    connection.run(pauses.pause(other))
    connection.run(pauses.resume(other))
    assert state(connection, other) == (JobState.WAITING, False)


def test_children_are_paused_and_resumed_with_their_parent(connection: Connection) -> None:
    parent = started(connection, submit(connection))
    assert connection.run(await_children(parent, TRAIN, [TRAIN, TRAIN, TRAIN]))
    children = [f"{parent.job_id}-1-{number}" for number in range(3)]
    attempt = started(connection, children[0])
    connection.run(pauses.pause(parent.job_id))
    assert connection.run(attempts.report(attempt, LEASE_S)) is ReportReply.PAUSE
    connection.run(attempts.succeed(attempt, result_of("digits")))
    assert [state(connection, child)[1] for child in children] == [False, True, True]
    connection.run(pauses.resume(parent.job_id))
    for child in children[1:]:
        connection.run(attempts.succeed(started(connection, child), result_of("digits")))
    assert state(connection, parent.job_id) == (JobState.QUEUED, False)


def test_the_children_that_a_paused_job_asks_for_are_paused(connection: Connection) -> None:
    parent = started(connection, submit(connection))
    connection.run(pauses.pause(parent.job_id))
    assert connection.run(await_children(parent, TRAIN, [TRAIN]))
    child = f"{parent.job_id}-1-0"
    assert state(connection, child) == (JobState.WAITING, True)
    connection.run(pauses.resume(child))
    connection.run(attempts.succeed(started(connection, child), result_of("digits")))
    assert state(connection, parent.job_id) == (JobState.WAITING, True)
    assert connection.run(damage.repair(keys=10_000)).damages == ()
    connection.run(pauses.resume(parent.job_id))
    assert state(connection, parent.job_id) == (JobState.QUEUED, False)


def test_a_job_that_an_older_version_queues_is_held_when_it_is_claimed(
    connection: Connection, server: redis.Redis
) -> None:
    job_id = submit(connection)
    server.hset(f"stoker:job:{job_id}", "paused", 1)
    assert claim(connection, job_id) is Refusal.TAKEN
    assert state(connection, job_id) == (JobState.WAITING, True)
    connection.run(damage.repair(keys=10_000))
    assert connection.run(pauses.paused()).jobs == 1


@pytest.mark.parametrize(("what", "name"), [("queue", "cpu.train"), ("tenant", "a")])
def test_what_is_paused_hands_out_nothing_and_goes_on_in_order(
    connection: Connection, server: redis.Redis, what: str, name: str
) -> None:
    spec = of_tenant("a")
    attend(connection)
    running = started(connection, submit(connection, spec))
    ids = [submit(connection, spec) for _ in range(30)]
    assert connection.run(pauses.set_paused(what, name, paused=True))  # type: ignore[arg-type]
    ids += connection.run(intake.submit([NewJob(str(uuid.uuid4()), spec, "cpu.train") for _ in range(30)]))
    assert taken(connection, server) == []
    connection.run(upkeep.resend(-1))
    connection.run(upkeep.wake())
    assert taken(connection, server) == []
    assert connection.run(attempts.report(running, LEASE_S)) is ReportReply.OK
    connection.run(attempts.succeed(running, result_of("digits")))
    [health] = [queue for queue in connection.run(monitoring.health()).queues if queue.queue == "cpu.train"]
    assert (health.jobs, health.paused, health.over_quota, health.oldest_s) == (60, 60, 0, 0)
    traffic = connection.run(autoscaling.traffic("cpu"))
    assert (traffic.kinds["train"].jobs, traffic.kinds["train"].queued, traffic.paused) == (60, 0, 60)
    assert damage_of(connection) == []
    assert connection.run(pauses.set_paused(what, name, paused=False))  # type: ignore[arg-type]
    assert taken(connection, server) == ids
    assert not server.exists("stoker:pauses")


def damage_of(connection: Connection) -> list[str]:
    return list(connection.run(damage.repair(keys=10_000)).damages)


def test_other_tenants_take_the_turns_of_a_paused_one(connection: Connection, server: redis.Redis) -> None:
    held = [submit(connection, of_tenant("a")) for _ in range(20)]
    others = [submit(connection, of_tenant("b")) for _ in range(20)]
    connection.run(pauses.set_paused("tenant", "a", paused=True))
    assert taken(connection, server) == others
    connection.run(pauses.set_paused("tenant", "a", paused=False))
    assert taken(connection, server) == held


def test_a_paused_queue_holds_what_waits_for_a_worker_that_has_what_it_needs(
    connection: Connection, server: redis.Redis
) -> None:
    able = CPU.model_copy(update={"mailbox": "cpu.of.able", "kinds": ("train",), "offers": ("label:site=north",)})
    job_id = submit(connection, TRAIN.model_copy(update={"needs": {"site": "north"}}))
    plain = presence.Worker.model_validate(CPU.model_dump() | {"name": "plain", "kinds": ("train",)})
    call = attempts.claim(job_id, "owner", "plain", LEASE_S, plain)
    assert connection.run(call) is Refusal.UNKNOWN
    connection.run(pauses.set_paused("queue", "cpu.train", paused=True))
    attend(connection, able)
    connection.run(upkeep.wake())
    assert not server.exists("cpu.of.able\x06\x166")
    assert isinstance(connection.run(records.events(job_id, None))[-1], Queued | Waiting)
    connection.run(pauses.set_paused("queue", "cpu.train", paused=False))
    assert isinstance(connection.run(attempts.claim(job_id, "new", "able", LEASE_S, able)), Attempt)
