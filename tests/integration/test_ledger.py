"""The ledger's rules, on a real server: who may move a job from which state to which."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
import redis
from celery import Celery
from kombu.connection import Connection as KombuConnection

import stoker
from stoker import JobState
from stoker.errors import InvalidJob, ModelNotFound
from stoker.events import Checkpoint, Epoch, Finished, Log, Queued, Started, Waiting
from stoker.kinds import read_spec
from stoker.ledger import (
    attempts,
    celery_results,
    dead_jobs,
    intake,
    monitoring,
    presence,
    quarantine,
    records,
    registry,
    results,
    upkeep,
)
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.ledger.keys import key
from stoker.ledger.quarantine import QuarantineReason
from stoker.ledger.replies import CommitReply, Refusal, ReportReply
from stoker.models.effects import MoveAlias
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.signature import Signature
from stoker.outages import Dependency, Outage
from stoker.redis.calls import Call
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually

SPEC = stoker.Train(model="digits", data="sample://digits", max_attempts=2)
AWAY = Outage(of=Dependency.STORE, reason="the artifact store is read-only")


@pytest.fixture
def connection(redis_url: str) -> Connection:
    return Connection.open(Settings(), redis_url)


def new_job(spec: stoker.Train = SPEC, key: str | None = None) -> NewJob:
    return NewJob(str(uuid.uuid4()), spec, "cpu.train", spec.after, key)


def submitted(connection: Connection, spec: stoker.Train = SPEC) -> str:
    [job_id] = connection.run(intake.submit([new_job(spec)]))
    return job_id


def claimed(connection: Connection, job_id: str, owner: str = "one", lease_s: float = 15) -> Attempt:
    attempt = connection.run(attempts.claim(job_id, owner, "worker-1", lease_s))
    assert isinstance(attempt, Attempt)
    return attempt


def state(connection: Connection, job_id: str) -> JobState:
    return connection.run(records.status(job_id)).state


def pauses_s(connection: Connection, job_id: str) -> list[int]:
    """For how long the job had to wait each time, in seconds."""
    waits = [event for event in connection.run(records.events(job_id, None)) if isinstance(event, Waiting)]
    return [round((event.not_before - event.at).total_seconds()) for event in waits if event.not_before and event.at]


def result_of(model: str = "digits") -> stoker.TrainResult:
    return stoker.TrainResult(
        model=model, metrics={"loss": 0.5}, history={}, epochs=1, rows=1, parameters=1, seed=0, run_s=1, files={}
    )


def version(number: int, job_id: str) -> ModelVersion:
    signature = Signature(inputs=(), outputs=(), task="multiclass")
    return ModelVersion.model_validate(
        {"name": "digits", "version": number, "signature": signature, "metrics": {}, "files": {}, "parameters": 1}
        | {"job": job_id, "data": "sample://digits", "created_at": "2026-01-01T00:00:00Z"}
    )


def test_a_submitted_job_is_queued_listed_and_rung_for(connection: Connection, redis_url: str) -> None:
    job_id = submitted(connection)

    status = connection.run(records.status(job_id))
    assert (status.state, status.queue, status.attempt) == (JobState.QUEUED, "cpu.train", 0)
    assert [found.id for found in connection.run(records.query(None, [JobState.QUEUED], 10))] == [job_id]
    with redis.Redis.from_url(redis_url) as client:
        [message] = client.lrange("cpu.train\x06\x166", 0, -1)
    assert json.loads(message)["headers"]["id"] == job_id


def test_the_doorbell_is_a_message_that_kombu_reads_and_celery_would_have_written(
    connection: Connection, redis_url: str
) -> None:
    job_id = submitted(connection)
    options = {"priority_steps": [0, 3, 6, 9]}
    with KombuConnection(redis_url, transport_options=options) as broker:
        queue = broker.SimpleQueue("cpu.train")
        ours = queue.get(timeout=PATIENCE_S)
        ours.ack()
        app = Celery(broker=redis_url)
        app.conf.broker_transport_options = options
        app.send_task("stoker.train", args=[job_id], task_id=job_id, queue="cpu.train", priority=6)
        theirs = queue.get(timeout=PATIENCE_S)
        theirs.ack()
        queue.close()
    assert ours.payload == [*theirs.payload[:1], {}, theirs.payload[2]]
    for header in ("lang", "task", "id", "root_id", "parent_id", "eta", "expires", "retries", "timelimit", "group"):
        assert ours.headers[header] == theirs.headers[header]
    assert ours.content_type == theirs.content_type
    assert ours.content_encoding == theirs.content_encoding
    for name in ("correlation_id", "delivery_mode", "priority"):
        assert ours.properties[name] == theirs.properties[name]


def test_submitting_the_same_id_again_changes_nothing(connection: Connection, redis_url: str) -> None:
    job = new_job()
    connection.run(intake.submit([job]))
    connection.run(intake.submit([job]))
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("cpu.train\x06\x166") == 1
    assert len(connection.run(records.events(job.id, None))) == 1


def test_one_idempotency_key_is_one_job(connection: Connection) -> None:
    [first] = connection.run(intake.submit([new_job(key="monday")]))
    [second] = connection.run(intake.submit([new_job(key="monday")]))
    [other] = connection.run(intake.submit([new_job(key="tuesday")]))
    assert first == second
    assert other != first


def test_an_idempotency_key_lives_and_dies_with_the_record_of_its_job(connection: Connection) -> None:
    [first] = connection.run(intake.submit([new_job(key="monday")]))
    assert connection.client.ttl("stoker:idempotency:monday") == -1
    connection.run(records.cancel(first))
    assert connection.run(intake.submit([new_job(key="monday")])) == [first]
    connection.run(upkeep.expire(keep=0, age_s=-1))
    assert not connection.client.exists("stoker:idempotency:monday")
    [second] = connection.run(intake.submit([new_job(key="monday")]))
    assert second != first

    connection.client.delete(f"stoker:job:{second}")
    [third] = connection.run(intake.submit([new_job(key="monday")]))
    assert state(connection, third) is JobState.QUEUED


def test_states_to_copy_have_an_end_once_results_have_no_redis_of_their_own(connection: Connection) -> None:
    connection.run(celery_results.mirror())
    job_id = submitted(connection)
    connection.run(records.cancel(job_id))
    assert [found.job_id for found in connection.run(celery_results.pending())] == [job_id]
    assert 0 < int(connection.client.ttl("stoker:mirrored")) <= 24 * 3600
    connection.run(upkeep.expire(keep=10, age_s=3600))
    assert connection.run(celery_results.pending())

    connection.client.delete("stoker:mirrored")
    connection.run(records.cancel(submitted(connection)))
    connection.run(upkeep.expire(keep=10, age_s=3600))
    assert connection.run(celery_results.pending()) == []
    connection.run(celery_results.mirror())
    other = submitted(connection)
    connection.run(records.cancel(other))
    connection.run(upkeep.expire(keep=0, age_s=-1))
    assert connection.run(celery_results.pending()) == [], "what is forgotten is not copied either"


def test_an_idempotency_key_used_for_another_spec_is_refused_and_queues_nothing(connection: Connection) -> None:
    connection.run(intake.submit([new_job(key="monday")]))
    other = SPEC.model_copy(update={"epochs": 99})
    with pytest.raises(stoker.InvalidJob, match="'monday' belongs to a job with another spec"):
        connection.run(intake.submit([new_job(), new_job(other, key="monday")]))
    assert len(connection.run(records.query(None, None, 10))) == 1


def test_a_job_is_claimed_once(connection: Connection) -> None:
    job_id = submitted(connection)
    attempt = claimed(connection, job_id)
    assert (attempt.number, attempt.checkpoints) == (1, ())
    assert read_spec(attempt.spec) == SPEC
    assert connection.run(attempts.claim(job_id, "two", "worker-2", 15)) is Refusal.TAKEN
    assert connection.run(attempts.claim("no-such-job", "two", "worker-2", 15)) is Refusal.MISSING


def test_a_claim_repeated_because_its_answer_was_lost_is_the_same_attempt(connection: Connection) -> None:
    job_id = submitted(connection)
    assert claimed(connection, job_id) == claimed(connection, job_id)
    started = [event for event in connection.run(records.events(job_id, None)) if isinstance(event, Started)]
    assert len(started) == 1


def test_reports_reach_status_and_events(connection: Connection) -> None:
    attempt = claimed(connection, submitted(connection))
    epoch = Epoch(epoch=1, epochs=2, metrics={"loss": 0.5}, rows_per_s=10, eta_s=3)
    assert connection.run(attempts.report(attempt, 15, [epoch, Log(line="hello")])) is ReportReply.OK

    progress = connection.run(records.status(attempt.job_id)).progress
    assert isinstance(progress, Epoch)
    assert progress.metrics == {"loss": 0.5}
    types = [event.type for event in connection.run(records.events(attempt.job_id, None))]
    assert types == ["queued", "started", "epoch", "log"]


def test_events_resume_behind_any_id(connection: Connection) -> None:
    attempt = claimed(connection, submitted(connection))
    connection.run(attempts.report(attempt, 15, [Log(line=str(n)) for n in range(5)]))
    everything = connection.run(records.events(attempt.job_id, None))
    for n, event in enumerate(everything):
        assert connection.run(records.events(attempt.job_id, event.id)) == everything[n + 1 :]


def test_a_success_stores_result_model_and_last_event_in_one_step(connection: Connection) -> None:
    attempt = claimed(connection, submitted(connection))
    assert (
        connection.run(attempts.succeed(attempt, result_of("digits@1"), [version(1, attempt.job_id)])) is CommitReply.OK
    )

    assert connection.run(results.result(attempt.job_id)) == result_of("digits@1")
    assert connection.run(registry.resolve("digits")).ref == "digits@1"
    assert connection.run(registry.resolve("digits@champion")).aliases == ("champion",)
    last = connection.run(records.events(attempt.job_id, None))[-1]
    assert isinstance(last, Finished)
    assert last.state is JobState.SUCCEEDED


def test_a_commit_repeated_because_its_answer_was_lost_makes_one_version(connection: Connection) -> None:
    attempt = claimed(connection, submitted(connection))
    for _ in range(2):
        call = attempts.succeed(attempt, result_of("digits@1"), [version(1, attempt.job_id)])
        assert connection.run(call) is CommitReply.OK
    assert [found.ref for found in connection.run(registry.versions())] == ["digits@1"]


def test_a_version_number_that_is_taken_is_refused(connection: Connection) -> None:
    for number in (1, 2):
        attempt = claimed(connection, submitted(connection), owner=f"owner {number}")
        call = attempts.succeed(attempt, result_of(), [version(1, attempt.job_id)])
        expected = CommitReply.OK if number == 1 else CommitReply.VERSION_TAKEN
        assert connection.run(call) is expected
    assert state(connection, attempt.job_id) is JobState.RUNNING
    assert connection.run(registry.next_number("digits")) == 2


def test_the_champion_stays_when_a_second_version_comes(connection: Connection) -> None:
    for number in (1, 2):
        attempt = claimed(connection, submitted(connection), owner=f"owner {number}")
        connection.run(attempts.succeed(attempt, result_of(), [version(number, attempt.job_id)]))
    assert connection.run(registry.resolve("digits")).version == 1
    assert [found.version for found in connection.run(registry.versions())] == [2, 1]


def test_the_latest_version_is_the_newest_for_clients_and_for_jobs(connection: Connection) -> None:
    for number in (1, 2):
        attempt = claimed(connection, submitted(connection), owner=f"owner {number}")
        connection.run(attempts.succeed(attempt, result_of(), [version(number, attempt.job_id)]))
    assert connection.run(registry.resolve("digits@latest")).version == 2
    evaluation = stoker.Evaluate(model="digits@latest", data="sample://digits")
    [job_id] = connection.run(intake.submit([NewJob(str(uuid.uuid4()), evaluation, "cpu.batch", ())]))
    [reads] = claimed(connection, job_id).models
    assert json.loads(reads)["version"] == 2
    with pytest.raises(ModelNotFound, match="there is no model unknown@latest"):
        connection.run(registry.resolve("unknown@latest"))
    with pytest.raises(InvalidJob, match="'latest' is always the newest version and cannot be moved"):
        stoker.Deploy(model="digits@2", alias="latest")


def test_a_deployments_claim_brings_the_version_that_it_is_held_against(connection: Connection) -> None:
    attempt = claimed(connection, submitted(connection))
    connection.run(attempts.succeed(attempt, result_of(), [version(1, attempt.job_id)]))

    def beside(model: str, alias: str) -> bytes | None:
        job = NewJob(str(uuid.uuid4()), stoker.Deploy(model=model, alias=alias), "cpu.batch", ())
        [job_id] = connection.run(intake.submit([job]))
        return claimed(connection, job_id).beside

    assert json.loads(beside("digits@1", "champion") or b"")["version"] == 1
    assert beside("digits@1", "live") == b""
    assert beside(f"job:{attempt.job_id}", "champion") is None


def test_a_version_that_comes_with_an_alias_has_it_at_once(connection: Connection) -> None:
    attempt = claimed(connection, submitted(connection))
    canary = MoveAlias(model="digits@1", alias="canary")
    connection.run(attempts.succeed(attempt, result_of(), [version(1, attempt.job_id), canary]))
    assert connection.run(registry.resolve("digits@canary")).aliases == ("canary", "champion")


def test_a_lost_attempt_can_write_nothing(connection: Connection) -> None:
    job_id = submitted(connection)
    stale = claimed(connection, job_id, owner="stale")
    connection.run(attempts.release(stale, "drained", "moved"))
    claimed(connection, job_id, owner="fresh")
    events = connection.run(records.events(job_id, None))

    assert connection.run(attempts.report(stale, 15, [Log(line="ghost")])) is ReportReply.LOST
    assert connection.run(attempts.succeed(stale, result_of(), [version(1, job_id)])) is CommitReply.LOST
    assert connection.run(attempts.fail(stale, JobState.FAILED, "ghost")) is CommitReply.LOST
    connection.run(attempts.release(stale, "lost", "ghost"))

    assert connection.run(records.events(job_id, None)) == events
    assert state(connection, job_id) is JobState.RUNNING
    assert connection.run(registry.versions()) == []


def test_a_jobs_status_tells_when_it_last_told_anything(connection: Connection, redis_url: str) -> None:
    job_id = submitted(connection)
    assert connection.run(records.status(job_id)).last_event_at is None
    attempt = claimed(connection, job_id)
    epoch = Epoch(epoch=1, epochs=2, metrics={}, rows_per_s=1, eta_s=1)
    connection.run(attempts.report(attempt, 15, [epoch, Log(line="and a line")]))
    with redis.Redis.from_url(redis_url) as client:
        client.hset(f"stoker:job:{job_id}", "last_event_at", 1_000)
        client.zadd("stoker:last-events", {job_id: 1_000})

    connection.run(attempts.report(attempt, 15, sent_before=2))

    status = connection.run(records.status(job_id))
    assert status.last_event_at == datetime.fromtimestamp(1, UTC), "a lease that is renewed is no sign of life"
    [reported] = [event for event in connection.run(records.events(job_id, None)) if isinstance(event, Epoch)]
    assert status.progress == reported
    assert reported.at
    [silent] = connection.run(monitoring.silent(3600)).longest
    assert (silent.job_id, silent.worker) == (job_id, status.worker)
    connection.run(attempts.report(attempt, 15, [Log(line="it goes on")], sent_before=2))
    assert connection.run(monitoring.silent(3600)).count == 0
    connection.run(attempts.release(attempt, "drained", "moved"))
    assert connection.run(monitoring.silent()).count == 0


def test_checkpoints_go_to_the_next_attempt(connection: Connection) -> None:
    job_id = submitted(connection)
    first = claimed(connection, job_id, owner="first")
    kept = [Artifact(name=f"checkpoint-{n}.npz", digest=f"{n}" * 64, size=n) for n in (1, 2)]
    events = [Checkpoint(epoch=1, step=n, artifact=artifact) for n, artifact in enumerate(kept)]
    connection.run(attempts.report(first, 15, events, keep=2))
    connection.run(attempts.release(first, "drained", "moved"))
    assert claimed(connection, job_id, owner="second").checkpoints == tuple(kept)


def test_a_drain_costs_no_attempt_and_rings_again(connection: Connection, redis_url: str) -> None:
    job_id = submitted(connection)
    for n in range(5):
        connection.run(attempts.release(claimed(connection, job_id, owner=str(n)), "drained", "moved"))
    assert state(connection, job_id) is JobState.QUEUED
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("cpu.train\x06\x166") == 6


def lose(connection: Connection, job_id: str, eventually: Eventually) -> None:
    """Lose both of the attempts that SPEC allows."""
    first = claimed(connection, job_id, owner=f"{job_id} 1")
    connection.run(attempts.report(first, 15, [Log(line="a last word")]))
    assert connection.run(attempts.release(first, "lost", "killed by SIGKILL")) is JobState.WAITING
    eventually(lambda: connection.run(upkeep.wake()))
    second = claimed(connection, job_id, owner=f"{job_id} 2")
    assert connection.run(attempts.release(second, "lost", "killed by SIGKILL")) is JobState.DEAD


def test_a_job_that_loses_its_workers_too_often_is_dead(connection: Connection, eventually: Eventually) -> None:
    job_id = submitted(connection)
    lose(connection, job_id, eventually)
    assert state(connection, job_id) is JobState.DEAD
    with pytest.raises(stoker.JobDead, match="gave up after 2 lost workers; the last: killed by SIGKILL"):
        connection.run(results.result(job_id))


def test_a_job_waits_longer_after_each_loss_until_it_has_got_further(
    connection: Connection, eventually: Eventually
) -> None:
    job_id = submitted(connection, SPEC.model_copy(update={"max_attempts": 10}))
    checkpoint = Artifact(name="checkpoint.npz", digest="0" * 64, size=1)
    for loss in range(4):
        eventually(lambda: connection.run(upkeep.wake()) or state(connection, job_id) is not JobState.WAITING)
        attempt = claimed(connection, job_id, f"owner {loss}")
        if loss == 2:
            connection.run(attempts.report(attempt, 15, [Checkpoint(epoch=1, step=0, artifact=checkpoint)]))
        connection.run(attempts.release(attempt, "lost", "killed by SIGKILL"))
    assert pauses_s(connection, job_id) == [1, 2, 1, 2]


def test_a_silent_workers_job_is_reclaimed_and_a_living_ones_is_not(connection: Connection) -> None:
    silent = claimed(connection, submitted(connection), owner="silent", lease_s=0)
    living = claimed(connection, submitted(connection), owner="living", lease_s=15)
    [lost] = connection.run(upkeep.expired())
    assert lost.job_id == silent.job_id
    assert 0 <= lost.overdue_s < PATIENCE_S
    connection.run(upkeep.reclaim(lost))
    assert state(connection, silent.job_id) is JobState.QUEUED
    assert state(connection, living.job_id) is JobState.RUNNING


def test_a_job_waits_after_its_second_silent_worker_not_after_the_first(connection: Connection) -> None:
    job_id = submitted(connection, SPEC.model_copy(update={"max_attempts": 10}))
    for owner, then in (("first", JobState.QUEUED), ("second", JobState.WAITING)):
        claimed(connection, job_id, owner=owner, lease_s=0)
        [lost] = connection.run(upkeep.expired())
        assert connection.run(upkeep.reclaim(lost)) is then
    assert pauses_s(connection, job_id) == [2]


def test_the_job_of_a_slot_that_has_died_is_taken_from_that_slot_alone(connection: Connection) -> None:
    job_id = claimed(connection, submitted(connection), owner="worker/12/first").job_id
    for other in ("worker/1/", "worker/123/", "other/12/"):
        assert connection.run(upkeep.reclaim_from_slot(job_id, other, "killed")) is None
    assert connection.run(upkeep.reclaim_from_slot(job_id, "worker/12/", "killed")) is JobState.QUEUED
    claimed(connection, job_id, owner="worker/13/second")
    assert connection.run(upkeep.reclaim_from_slot(job_id, "worker/12/", "killed")) is None
    assert connection.run(upkeep.reclaim_from_slot("nobody", "worker/12/", "killed")) is None


def test_no_lease_is_looked_at_where_none_can_be_renewed(connection: Connection, redis_url: str) -> None:
    claimed(connection, submitted(connection), lease_s=0)
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", 1)
        try:
            for call in (upkeep.expired(), upkeep.look([key("leases")], [])):
                with pytest.raises(stoker.Unavailable, match="takes no writes now"):
                    connection.run(call, patience_s=0)
        finally:
            client.config_set("maxmemory", 0)
    assert len(connection.run(upkeep.expired())) == 1


def test_a_look_finds_what_is_due_and_what_exists(connection: Connection) -> None:
    look = upkeep.look([key("leases"), key("due")], [key("seats"), key("ended"), key("needs")])
    assert connection.run(look) == set()
    claimed(connection, submitted(connection), lease_s=60)
    connection.client.zadd(key("due"), {"later": 10**14})
    assert connection.run(look) == {key("seats")}
    claimed(connection, submitted(connection), lease_s=0)
    assert connection.run(look) == {key("leases"), key("seats")}
    # What something else has written there is looked at by who knows what to do about it.
    connection.client.set(key("ended"), "no set")
    connection.client.set(key("due"), "no sorted set")
    assert connection.run(look) == {key("leases"), key("seats"), key("ended")}
    assert connection.client.exists(key("damaged"))


def test_a_worker_that_speaks_again_before_it_is_reclaimed_keeps_its_job(connection: Connection) -> None:
    attempt = claimed(connection, submitted(connection), lease_s=0)
    [lost] = connection.run(upkeep.expired())
    connection.run(attempts.report(attempt, 15))
    connection.run(upkeep.reclaim(lost))
    assert state(connection, attempt.job_id) is JobState.RUNNING


def test_cancelling_a_queued_job_ends_it_and_its_message_rings_in_vain(connection: Connection) -> None:
    job_id = submitted(connection)
    assert connection.run(records.cancel(job_id)) is JobState.QUEUED
    assert state(connection, job_id) is JobState.CANCELLED
    assert connection.run(attempts.claim(job_id, "one", "worker-1", 15)) is Refusal.TAKEN


def test_cancelling_a_running_job_asks_its_worker(connection: Connection) -> None:
    attempt = claimed(connection, submitted(connection))
    connection.run(records.cancel(attempt.job_id))
    assert state(connection, attempt.job_id) is JobState.RUNNING
    assert connection.run(attempts.report(attempt, 15)) is ReportReply.CANCEL


def test_a_job_asked_to_stop_is_not_queued_again_when_its_worker_is_lost(connection: Connection) -> None:
    attempt = claimed(connection, submitted(connection))
    connection.run(records.cancel(attempt.job_id))
    connection.run(attempts.release(attempt, "lost", "killed by SIGKILL"))
    assert state(connection, attempt.job_id) is JobState.CANCELLED


def test_cancelling_a_finished_job_changes_nothing(connection: Connection) -> None:
    attempt = claimed(connection, submitted(connection))
    connection.run(attempts.fail(attempt, JobState.FAILED, "bad data"))
    assert connection.run(records.cancel(attempt.job_id)) is JobState.FAILED
    assert state(connection, attempt.job_id) is JobState.FAILED


def test_celerys_own_result_api_sees_each_state(connection: Connection, redis_url: str) -> None:
    app = Celery(broker=redis_url, backend=redis_url)
    job_id = submitted(connection)
    assert app.AsyncResult(job_id).state == "PENDING"

    attempt = claimed(connection, job_id)
    assert app.AsyncResult(job_id).state == "STARTED"

    connection.run(attempts.succeed(attempt, result_of()))
    assert app.AsyncResult(job_id).state == "SUCCESS"
    assert app.AsyncResult(job_id).get(timeout=PATIENCE_S) == result_of().model_dump(mode="json")

    failed = claimed(connection, submitted(connection))
    connection.run(attempts.fail(failed, JobState.FAILED, "column 'age' is missing", "Traceback …"))
    assert app.AsyncResult(failed.job_id).state == "FAILURE"
    assert app.AsyncResult(failed.job_id).traceback == "Traceback …"
    with pytest.raises(stoker.JobFailed, match="column 'age' is missing"):
        app.AsyncResult(failed.job_id).get(timeout=PATIENCE_S)

    cancelled = submitted(connection)
    connection.run(records.cancel(cancelled))
    assert app.AsyncResult(cancelled).state == "REVOKED"


def test_an_unknown_job_is_said_to_be_unknown(connection: Connection) -> None:
    calls: list[Call[Any]] = [
        records.status("nope"),
        results.result("nope"),
        records.cancel("nope"),
        records.spec("nope"),
    ]
    for call in calls:
        with pytest.raises(stoker.JobNotFound, match="no job has the id 'nope'"):
            connection.run(call)


def test_queries_give_the_newest_first_and_filter_by_kind_and_state(connection: Connection) -> None:
    ids = [submitted(connection) for _ in range(5)]
    connection.run(records.cancel(ids[2]))
    assert [found.id for found in connection.run(records.query(None, None, 3))] == ids[:1:-1]
    assert [found.id for found in connection.run(records.query(["train"], [JobState.CANCELLED], 10))] == [ids[2]]
    assert connection.run(records.query(["evaluate"], None, 10)) == []
    counts = connection.run(records.counts())
    assert counts["train", JobState.QUEUED] == 4
    assert counts["train", JobState.CANCELLED] == 1


def test_a_job_waits_until_all_it_comes_after_have_succeeded(connection: Connection) -> None:
    first, second = submitted(connection), submitted(connection)
    third = submitted(connection, SPEC.model_copy(update={"after": (first, second)}))
    assert state(connection, third) is JobState.WAITING
    [waiting] = connection.run(records.events(third, None))
    assert isinstance(waiting, Waiting)
    assert waiting.after == (first, second)

    connection.run(attempts.succeed(claimed(connection, first, owner="1"), result_of()))
    assert state(connection, third) is JobState.WAITING
    connection.run(attempts.succeed(claimed(connection, second, owner="2"), result_of()))
    assert state(connection, third) is JobState.QUEUED
    claimed(connection, third, owner="3")


def test_a_whole_chain_is_cancelled_when_its_first_job_fails(connection: Connection) -> None:
    first = submitted(connection)
    second = submitted(connection, SPEC.model_copy(update={"after": (first,)}))
    third = submitted(connection, SPEC.model_copy(update={"after": (second,)}))
    connection.run(attempts.fail(claimed(connection, first), JobState.FAILED, "bad data"))
    with pytest.raises(stoker.JobCancelled, match=f"job {first}, which it comes after, is FAILED"):
        connection.run(results.result(second))
    with pytest.raises(stoker.JobCancelled, match=f"job {second}, which it comes after, is CANCELLED"):
        connection.run(results.result(third))


def test_a_job_can_come_after_one_of_the_same_submit_or_one_that_has_succeeded(connection: Connection) -> None:
    first = new_job()
    second = new_job(SPEC.model_copy(update={"after": (first.id,)}))
    connection.run(intake.submit([first, second]))
    assert state(connection, second.id) is JobState.WAITING
    connection.run(attempts.succeed(claimed(connection, first.id), result_of()))
    assert state(connection, submitted(connection, second.spec)) is JobState.QUEUED  # type: ignore[arg-type]


@pytest.mark.parametrize("ended", [JobState.FAILED, JobState.CANCELLED])
def test_nothing_can_come_after_a_job_that_ended_otherwise(
    connection: Connection, ended: Literal[JobState.FAILED, JobState.CANCELLED]
) -> None:
    first = submitted(connection)
    connection.run(attempts.fail(claimed(connection, first), ended, "bad data"))
    with pytest.raises(stoker.InvalidJob, match="nothing can come after it"):
        submitted(connection, SPEC.model_copy(update={"after": (first,)}))
    with pytest.raises(stoker.JobNotFound, match="'nobody', which the new job comes after, is unknown"):
        submitted(connection, SPEC.model_copy(update={"after": ("nobody",)}))
    assert len(connection.run(records.query(None, None, 10))) == 1


def test_a_job_is_not_queued_before_its_time(connection: Connection, eventually: Eventually) -> None:
    soon = submitted(connection, SPEC.model_copy(update={"not_before": datetime.now(UTC) + timedelta(seconds=0.5)}))
    later = submitted(connection, SPEC.model_copy(update={"not_before": datetime.now(UTC) + timedelta(hours=1)}))
    past = submitted(connection, SPEC.model_copy(update={"not_before": datetime.now(UTC) - timedelta(hours=1)}))
    assert connection.run(upkeep.wake()) == 0
    eventually(lambda: connection.run(upkeep.wake()))
    assert [state(connection, job_id) for job_id in (soon, later, past)] == ["QUEUED", "WAITING", "QUEUED"]
    connection.run(records.cancel(later))
    assert state(connection, later) is JobState.CANCELLED


def test_a_job_whose_message_was_lost_from_an_empty_queue_is_rung_for_again(
    connection: Connection, redis_url: str
) -> None:
    job_id = submitted(connection)
    assert connection.run(upkeep.resend(0)) == [], "the message is still in its queue"
    with redis.Redis.from_url(redis_url) as client:
        client.delete("cpu.train\x06\x166")
        assert connection.run(upkeep.resend(60)) == [], "a worker may have it in hand"
        client.hset(f"stoker:job:{job_id}", "rung_at", 0)
        assert connection.run(upkeep.resend(60)) == [job_id]
        assert client.llen("cpu.train\x06\x166") == 1
    claimed(connection, job_id)
    assert connection.run(upkeep.resend(-1)) == []


def test_a_job_whose_message_was_lost_from_a_queue_that_is_never_empty_is_rung_for_again(
    connection: Connection, redis_url: str
) -> None:
    lost, heard, behind = submitted(connection), submitted(connection), submitted(connection)
    with redis.Redis.from_url(redis_url) as client:
        client.rpop("cpu.train\x06\x166", 2)
    assert connection.run(upkeep.resend(-1)) == []
    claimed(connection, heard)
    assert connection.run(upkeep.resend(-1)) == [lost], "a later message was heard, an earlier one was not"
    assert behind not in connection.run(upkeep.resend(-1))


def test_dead_jobs_keep_the_history_of_their_attempts(connection: Connection, eventually: Eventually) -> None:
    job_id = submitted(connection)
    lose(connection, job_id, eventually)
    first, second = connection.run(dead_jobs.history(job_id))
    assert (first.attempt, first.worker, first.how, first.reason) == (1, "worker-1", "lost", "killed by SIGKILL")
    assert first.log == "a last word"
    assert first.started_at <= first.ended_at <= second.started_at
    assert (second.attempt, second.how, second.log) == (2, "DEAD", "")


def test_a_dead_job_that_is_requeued_has_all_its_attempts_again(connection: Connection, eventually: Eventually) -> None:
    job_id = submitted(connection)
    lose(connection, job_id, eventually)
    connection.run(dead_jobs.requeue(job_id))
    last = connection.run(records.events(job_id, None))[-1]
    assert isinstance(last, Queued)
    assert not any(isinstance(event, Finished) for event in connection.run(records.events(job_id, None)))
    assert connection.run(results.result(job_id)) is None
    connection.run(attempts.succeed(claimed(connection, job_id, owner="third"), result_of()))
    assert connection.run(results.result(job_id)) == result_of()


def test_only_dead_jobs_are_requeued_or_dropped(connection: Connection, eventually: Eventually, redis_url: str) -> None:
    job_id = submitted(connection)
    for call in (dead_jobs.requeue(job_id), dead_jobs.drop(job_id)):
        with pytest.raises(stoker.InvalidJob, match="is QUEUED, not DEAD"):
            connection.run(call)
    lose(connection, job_id, eventually)
    connection.run(dead_jobs.drop(job_id))
    with pytest.raises(stoker.JobNotFound):
        connection.run(records.status(job_id))
    with redis.Redis.from_url(redis_url) as client:
        assert not [key for key in client.scan_iter() if job_id in key.decode()]


def test_finished_jobs_are_forgotten_beyond_a_number_and_an_age_and_leave_no_key(
    connection: Connection, redis_url: str
) -> None:
    ids = [submitted(connection) for _ in range(6)]
    for job_id in ids[:5]:
        connection.run(attempts.succeed(claimed(connection, job_id, owner=job_id), result_of()))
    assert connection.run(upkeep.expire(keep=3, age_s=3600)) == 2
    assert len(connection.run(records.query(None, [JobState.SUCCEEDED], 10))) == 3
    assert connection.run(upkeep.expire(keep=3, age_s=3600)) == 0
    assert connection.run(upkeep.expire(keep=3, age_s=-1)) == 3
    assert [found.id for found in connection.run(records.query(None, None, 10))] == [ids[5]]
    with redis.Redis.from_url(redis_url) as client:
        left = {key.decode() for key in client.scan_iter()}
    assert not {key for key in left if any(job_id in key for job_id in ids[:5])}


def test_one_controller_leads_until_it_resigns_or_falls_silent(connection: Connection, eventually: Eventually) -> None:
    assert connection.run(upkeep.lead("a", 60))
    assert not connection.run(upkeep.lead("b", 60))
    assert connection.run(upkeep.lead("a", 60))
    connection.run(upkeep.resign("b"))
    assert not connection.run(upkeep.lead("b", 60))
    connection.run(upkeep.resign("a"))
    assert connection.run(upkeep.lead("b", 0.05))
    eventually(lambda: connection.run(upkeep.lead("a", 60)))


def test_the_quarantine_counts_all_and_keeps_the_newest(connection: Connection, redis_url: str) -> None:
    for n in range(1010):
        connection.run(quarantine.put_aside(QuarantineReason.NOT_JSON, "cpu.train", b"x" * 5000 + str(n).encode()))
    assert connection.run(quarantine.quarantined()) == {"not JSON": 1010}
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("stoker:quarantine") == 1000
        [newest] = client.lrange("stoker:quarantine", 0, 0)
    assert len(newest) < 2000


def test_every_key_the_ledger_writes_is_in_its_table_of_keys(connection: Connection, redis_url: str) -> None:
    from stoker.ledger.keys import PREFIX

    connection.run(intake.submit([new_job(key="monday")]))
    attempt = claimed(connection, submitted(connection))
    connection.run(attempts.succeed(attempt, result_of(), [version(1, attempt.job_id)]))
    worker = presence.Worker(
        name="w", node="n", device="cpu", slots=1, most_slots=4, queues=("cpu.train",), host="h", pid=1
    )
    connection.run(presence.announce(worker))
    assert connection.run(presence.workers()) == [worker]
    with redis.Redis.from_url(redis_url) as client:
        keys = {key.decode() for key in client.scan_iter()}
    stray = {key for key in keys if not key.startswith((*PREFIX.values(), "cpu.train"))}
    assert not stray


def test_a_job_that_meets_an_outage_waits_for_its_end_and_loses_nothing(
    connection: Connection, eventually: Eventually
) -> None:
    job_id = submitted(connection)
    checkpoint = Artifact(name="checkpoint.npz", digest="0" * 64, size=1)
    connection.run(attempts.report(claimed(connection, job_id), 15, [Checkpoint(epoch=1, step=0, artifact=checkpoint)]))
    met_at: datetime | None = None
    # More often than the job may lose its worker.
    for times in range(2, 5):
        eventually(lambda: connection.run(upkeep.wake()) or state(connection, job_id) is not JobState.WAITING)
        owner = "one" if times == 2 else f"owner {times}"
        attempt = claimed(connection, job_id, owner)
        assert [artifact.digest for artifact in attempt.checkpoints] == [checkpoint.digest]
        assert connection.run(records.status(job_id)).outage is None, "it runs, so that it waits for nothing"
        assert connection.run(attempts.await_outage(attempt, AWAY)) is JobState.WAITING
        outage = connection.run(records.status(job_id)).outage
        assert outage
        assert (outage.of, outage.reason) == ("store", "the artifact store is read-only")
        met_at = met_at or outage.since
        assert outage.since == met_at, "it is one outage, however often it was met"
    assert pauses_s(connection, job_id) == [1, 2, 3]
    assert [past.how for past in connection.run(dead_jobs.history(job_id))] == ["outage"] * 3


@pytest.mark.parametrize("why", ["drained", "lost"])
def test_an_outage_that_is_over_is_not_told_of_after_another_end(
    connection: Connection, eventually: Eventually, why: Literal["drained", "lost"]
) -> None:
    job_id = submitted(connection)
    assert connection.run(attempts.put_off(job_id, AWAY))
    eventually(lambda: connection.run(upkeep.wake()))
    connection.run(attempts.release(claimed(connection, job_id), why, "gone"))
    assert connection.run(records.status(job_id)).outage is None


def test_a_job_that_waits_for_the_end_of_an_outage_can_be_cancelled(connection: Connection) -> None:
    job_id = submitted(connection)
    assert connection.run(attempts.put_off(job_id, AWAY))
    assert connection.run(records.status(job_id)).outage
    connection.run(records.cancel(job_id))
    status = connection.run(records.status(job_id))
    assert (status.state, status.outage) == (JobState.CANCELLED, None)


def test_only_a_queued_job_is_put_off(connection: Connection) -> None:
    job_id = submitted(connection)
    attempt = claimed(connection, job_id)
    assert not connection.run(attempts.put_off(job_id, AWAY))
    assert connection.run(attempts.report(attempt, 15)) is ReportReply.OK
    assert not connection.run(attempts.put_off("nobody", AWAY))


def test_the_history_of_a_job_that_meets_outages_for_ever_has_an_end(connection: Connection, redis_url: str) -> None:
    job_id = submitted(connection)
    with redis.Redis.from_url(redis_url) as client:
        client.rpush(f"stoker:history:{job_id}", *["{}"] * 300)
        connection.run(attempts.await_outage(claimed(connection, job_id), AWAY))
        assert client.llen(f"stoker:history:{job_id}") == 100


def test_a_copier_that_stood_still_writes_no_older_state_over_a_newer_one(
    connection: Connection, eventually: Eventually
) -> None:
    connection.run(celery_results.mirror())
    job_id = submitted(connection)
    states = []
    for owner in ("one", "two"):
        eventually(lambda: connection.run(upkeep.wake()) or state(connection, job_id) is not JobState.WAITING)
        attempt = claimed(connection, job_id, owner)
        states += connection.run(celery_results.pending())
        if owner == "one":
            connection.run(attempts.release(attempt, "lost", "gone"))
    connection.run(attempts.fail(attempt, JobState.FAILED, "wrong"))
    states += connection.run(celery_results.pending())
    # Each copier wakes up at another time; the newest that was copied stays.
    for newest, late in ((1, 0), (2, 0), (2, 1)):
        name = f"copy {newest} {late}"
        for number in (newest, late):
            connection.run(celery_results.copy(replace(states[number], name=name)))
        assert connection.client.get(name) == states[newest].value
