"""The checker of the chaos runs sees every kind of damage it is there for, and none where there is none."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

import stoker
from stoker.ledger import attempts, intake, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature
from stoker.models.store import Store
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .callers import Said
from .checker import Evidence, problems
from .plain import Redis
from .workload import Submitted

JOB = "11111111-1111-1111-1111-111111111111"
SPEC = stoker.Train(model="m", data="sample://digits", tags={"label": "it"})


@pytest.fixture
def evidence(redis_url: str, tmp_path: Path) -> Evidence:
    """What one training leaves that was executed once and succeeded."""
    connection, store = Connection.open(Settings(), redis_url), Store(str(tmp_path / "store"))
    connection.run(intake.submit([NewJob(JOB, SPEC, "cpu.train")]))
    attempt = connection.run(attempts.claim(JOB, "owner", "worker", 15))
    assert isinstance(attempt, Attempt)
    file = store.put_bytes(b"weights", "model.keras")
    version = ModelVersion(
        name="m",
        version=1,
        signature=Signature(inputs=(), outputs=(), task="binary"),
        metrics={},
        files={"keras": file},
        parameters=1,
        job=JOB,
        data=SPEC.data,
        created_at=datetime.now(UTC),
    )
    result = stoker.TrainResult(
        model="m@1", metrics={}, history={}, epochs=1, rows=1, parameters=1, seed=0, run_s=1, files={"keras": file}
    )
    connection.run(attempts.succeed(attempt, result, [version]))
    connection.run(upkeep.cleared(JOB))
    connection.close()
    (tmp_path / "effects").write_text("it\n")
    with redis.Redis.from_url(redis_url) as client:
        client.delete("cpu.train\x06\x166")
    submitted = {"it": Submitted("it", ("SUCCEEDED",), {JOB})}
    return Evidence(
        client=(client := Redis(redis_url)),
        results=client,
        store=tmp_path / "store",
        effects=tmp_path / "effects",
        said=[Said(right=1)],
        submitted=submitted,
        most_unacked=0,
        most_orphans=0,
    )


def test_it_finds_nothing_where_nothing_is_wrong(evidence: Evidence) -> None:
    assert list(problems(evidence)) == []


def _tell(client: redis.Redis, **event: str) -> None:
    client.xadd(f"stoker:events:{JOB}", {"event": json.dumps(event)})


def _second_version(client: redis.Redis) -> None:
    client.hset("stoker:model:m", "2", client.hget("stoker:model:m", "1"))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda client: client.delete(f"stoker:job:{JOB}"), "and lost"),
        (lambda client: client.hset(f"stoker:job:{JOB}", "state", "RUNNING"), "has not ended, it is RUNNING"),
        (lambda client: client.hset(f"stoker:job:{JOB}", "state", "DEAD"), "ended as DEAD, not SUCCEEDED"),
        (lambda client: client.hset(f"stoker:job:{JOB}", "checkpoints", "[]"), "still lists checkpoints"),
        (lambda client: client.hset(f"stoker:job:{JOB}", "attempt", 2), "counts 2 attempts, its events tell of [1]"),
        (lambda client: _tell(client, type="finished", state="SUCCEEDED"), "2 events say that it finished"),
        (lambda client: _tell(client, type="log", line="boo"), "the last event is log"),
        (_second_version, "made m@1 and m@2"),
        (lambda client: client.hdel("stoker:model:m", "1"), "the registry None"),
        (lambda client: client.set(f"celery-task-meta-{JOB}", '{"status": "STARTED"}'), "Celery says STARTED"),
        (lambda client: client.zadd("stoker:leases", {JOB: 1}), "'stoker:leases' has leaked"),
        (lambda client: client.sadd("stoker:after:gone", JOB), "'stoker:after:gone' has leaked"),
        (lambda client: client.set("celery-task-meta-gone", "{}"), "'celery-task-meta-gone' has leaked"),
        (lambda client: client.zadd("stoker:jobs:train:FAILED:cpu", {JOB: 1}), "is indexed under"),
        (lambda client: client.hset("unacked", "1", "…"), "1 messages are unacknowledged"),
    ],
)
def test_it_sees_what_is_wrong_in_redis(
    evidence: Evidence, redis_url: str, damage: Callable[[redis.Redis], object], told: str
) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        damage(client)
    assert any(told in problem for problem in problems(evidence))


def test_it_sees_what_is_wrong_in_the_store_and_among_the_effects(evidence: Evidence) -> None:
    [file] = evidence.store.glob("sha256/*/*/model.keras")
    file.write_bytes(b"other weights")
    Store(str(evidence.store)).of_job("other").put_bytes(b"left", "checkpoint-1-0.npz")
    evidence.effects.write_text("it\nit\n")
    found = "\n".join(problems(evidence))
    assert "model.keras is damaged" in found
    assert "1 checkpoint files are nobody's" in found
    assert "it was executed 2 times, at most 1 in its attempts" in found


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (Said(right=19, wrong=1), "a thread: 1 of its predictions were not its own"),
        (Said(right=20, label="forked"), "forked: the forked process never submitted its job"),
        (Said(refused={"Timeout": 20}), "none of the callers ever got an answer"),
    ],
)
def test_it_sees_what_forked_callers_missed(evidence: Evidence, said: Said, told: str) -> None:
    assert told in list(problems(replace(evidence, said=[said])))
