"""`stoker doctor`: each thing that can be wrong is found, named, and comes with what to do."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
import redis

import stoker
from stoker.cli.doctor import server as server_checks
from stoker.cli.doctor.check import System
from stoker.cli.doctor.models import CHECKS as MODEL_CHECKS
from stoker.cli.doctor.server import CHECKS
from stoker.ledger import attempts, damage, intake, pauses, quarantine, quotas, upkeep, uploads
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.ledger.quarantine import QuarantineReason
from stoker.local import redis_url_of
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.models.store import Store
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker.tenants import Quota

from .. import commands
from .conftest import CPU, attend

SPEC = stoker.Train(model="digits", data="sample://digits", max_attempts=1)


def doctor(redis_url: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return commands.run("doctor", *arguments, env={"STOKER_REDIS_URL": redis_url} | variables)


def checks(redis_url: str, **variables: str) -> dict[str, dict[str, Any]]:
    report = json.loads(doctor(redis_url, "--json", **variables).stdout)
    return {check["name"]: check for check in report["checks"]}


@pytest.fixture
def connection(redis_url: str) -> Connection:
    return Connection.open(Settings(), redis_url)


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    """The server; its configuration is as before after the test."""
    with redis.Redis.from_url(redis_url) as client:
        before = {name: client.config_get(name)[name] for name in ("appendonly", "maxmemory", "maxmemory-policy")}
        yield client
        for name, value in before.items():
            client.config_set(name, value)


@pytest.fixture(autouse=True)
def store_folder() -> Path:
    """The folder of the default store, which somebody has written to."""
    folder = Path(Settings().store)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def attended(connection: Connection) -> None:
    """A controller that leads, and a worker, however long doctor takes."""
    connection.run(upkeep.lead("here/1", 3600))
    attend(connection)


def test_a_running_stoker_is_well(stack: Settings) -> None:
    url = redis_url_of(stack)
    found = doctor(url, STOKER_STORE_URL=stack.store)
    assert found.returncode == 0, found.stdout
    lines = found.stdout.splitlines()
    assert all(line.startswith(("ok", "warn")) for line in lines)
    assert {"store", "redis", "durability", "controller", "workers", "queues", "quarantine"} <= {
        line.split()[1] for line in lines
    }
    assert checks(url)["workers"]["numbers"] == {"cpu": 1}
    assert url.split("@")[0].rpartition(":")[2] not in found.stdout, "the password is not shown"


def test_a_running_job_that_tells_nothing_is_named(connection: Connection, redis_url: str, server: redis.Redis) -> None:
    connection.run(intake.submit([NewJob("hangs", SPEC, "cpu.train")]))
    connection.run(attempts.claim("hangs", "owner", "cpu-1@here", 60))
    assert checks(redis_url)["silence"]["verdict"] == "ok"
    server.zadd("stoker:last-events", {"hangs": 1_000})

    found = checks(redis_url)["silence"]

    assert (found["verdict"], found["numbers"]) == ("warn", {"silent": 1})
    assert "job hangs on cpu-1@here for" in found["told"]


def test_of_many_silent_jobs_all_are_counted_and_ten_named(redis_url: str, server: redis.Redis) -> None:
    server.zadd("stoker:last-events", {f"hangs-{n}": 1_000 + n for n in range(12)})
    found = checks(redis_url)["silence"]
    assert found["numbers"] == {"silent": 12}
    assert "job hangs-9 on" in found["told"]
    assert "job hangs-10 on" not in found["told"]
    assert "and 2 more" in found["told"]


def test_a_lone_server_fails_for_want_of_a_controller_and_a_worker(redis_url: str) -> None:
    found = doctor(redis_url, "--json")
    report = json.loads(found.stdout)
    assert found.returncode == 1
    assert report["verdict"] == "fail"
    failed = {check["name"]: check["told"] for check in report["checks"] if check["verdict"] == "fail"}
    assert set(failed) == {"controller", "workers"}
    assert "stoker controller" in failed["controller"]
    assert "stoker worker" in failed["workers"]


def test_a_store_that_is_not_there_is_told_and_not_made(redis_url: str, store_folder: Path) -> None:
    store_folder.rmdir()
    found = checks(redis_url)["store"]
    assert (found["verdict"], "mount it" in found["told"]) == ("warn", True)
    assert not store_folder.exists()


@pytest.mark.usefixtures("attended")
def test_a_store_that_lacks_the_files_of_a_model_is_told(server: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    signature = Signature(inputs=(TensorSpec(name="x", dtype="float32"),), outputs=(), task="regression")
    made = datetime(2026, 1, 1, tzinfo=UTC)
    kept, lost = (
        ModelVersion(
            name=name,
            version=1,
            signature=signature,
            metrics={},
            files={"keras": store.put_bytes(name.encode(), "model.keras")},
            parameters=1,
            job="",
            data="",
            created_at=made,
        )
        for name in ("kept", "lost")
    )
    for version in (kept, lost):
        server.hset(f"stoker:model:{version.name}", "1", version.model_dump_json())
        server.sadd("stoker:models", version.name)
        server.hset(f"stoker:aliases:{version.name}", "champion", "1")
    [files] = [check for check in MODEL_CHECKS if check.name == "files"]
    system = System(Settings(redis_url=redis_url, store_url=store.url))
    with closing(system.connection):
        assert files.finding(system).verdict == "ok"
        store.delete(lost.files["keras"])
        found = files.finding(system)
    assert (found.verdict, found.numbers) == ("warn", {"looked_at": 2, "gone": 1})
    assert "lost@1" in found.told


@pytest.mark.usefixtures("attended")
def test_why_tensorflow_alone_computes_a_version_is_told(server: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    signature = Signature(inputs=(TensorSpec(name="x", dtype="string"),), outputs=(), task="regression")
    made = datetime(2026, 1, 1, tzinfo=UTC)
    version = ModelVersion(
        name="words",
        version=2,
        signature=signature,
        metrics={},
        files={},
        parameters=1,
        job="",
        data="",
        created_at=made,
    )
    for number, why in enumerate(("", "it takes text"), 1):
        told = version.model_copy(update={"version": number, "tensorflow_why": why})
        # A version of an older Stoker has no such field.
        record = told.model_dump_json(exclude=set() if why else {"tensorflow_why"})
        server.hset("stoker:model:words", str(number), record)
    server.sadd("stoker:models", "words")
    server.hset("stoker:aliases:words", "champion", "1")
    assert checks(redis_url)["engines"]["numbers"] == {"served": 1, "tensorflow_alone": 0}
    server.hset("stoker:aliases:words", "champion", "2")
    assert "TensorFlow alone computes words@2, for it takes text" in checks(redis_url)["engines"]["told"]
    here = {"STOKER_REDIS_URL": redis_url, "STOKER_STORE_URL": str(tmp_path)}
    shown = [commands.run("models", "show", f"words@{number}", env=here).stdout for number in (1, 2)]
    assert ["TensorFlow alone, for it takes text" in told for told in shown] == [False, True]


def test_jobs_that_no_worker_serves_are_told_by_queue(connection: Connection, redis_url: str) -> None:
    connection.run(intake.submit([NewJob(f"job-{n}", SPEC, "gpu.train") for n in range(3)]))
    queues = checks(redis_url)["queues"]
    assert queues["verdict"] == "fail"
    assert queues["numbers"]["gpu.train"] == 3
    assert "no gpu worker is running: run `stoker worker --device gpu`" in queues["told"]
    attend(connection, CPU.model_copy(update={"name": "gpu-1@here", "device": "gpu"}))
    assert checks(redis_url)["queues"]["verdict"] == "ok"


@pytest.mark.usefixtures("attended")
def test_jobs_that_wait_for_their_tenants_quota_are_counted(connection: Connection, redis_url: str) -> None:
    connection.run(quotas.set_quotas({"default": Quota(running=1)}, 600))
    connection.run(intake.submit([NewJob(f"job-{n}", SPEC, "cpu.train") for n in range(3)]))
    connection.run(attempts.claim("job-0", "owner", "worker", 60))
    told = checks(redis_url)["queues"]["told"]
    assert told == "2 cpu.train wait, 2 of them because their tenants have as many running as they may"


@pytest.mark.usefixtures("attended")
def test_a_queue_whose_key_holds_something_else_is_found(server: redis.Redis, redis_url: str) -> None:
    server.set("cpu.train\x06\x166", "x")
    queues = checks(redis_url)["queues"]
    assert queues["verdict"] == "fail"
    assert "cpu.train" in queues["told"]


def test_a_count_of_messages_that_is_no_number_hides_no_other(connection: Connection, server: redis.Redis) -> None:
    connection.run(quarantine.put_aside(QuarantineReason.NOT_JSON, "cpu.train", b"{"))
    server.hset("stoker:quarantined", mapping={"unknown task": "many", b"\xff": "1"})
    assert connection.run(quarantine.quarantined()) == {"not JSON": 1, "\N{REPLACEMENT CHARACTER}": 1}


@pytest.mark.usefixtures("attended")
def test_quarantined_messages_are_counted_by_reason(connection: Connection, redis_url: str) -> None:
    for reason, count in ((QuarantineReason.NOT_JSON, 3), (QuarantineReason.TOO_LARGE, 1)):
        for _ in range(count):
            connection.run(quarantine.put_aside(reason, "cpu.train", b"\xff"))
    found = checks(redis_url)["quarantine"]
    assert found["verdict"] == "warn"
    assert found["numbers"] == {"not JSON": 3, "too large": 1}
    assert "4 messages were no jobs: 3 not JSON, 1 too large" in found["told"]
    assert doctor(redis_url).returncode == 0


def test_keys_of_a_wrong_type_are_named_with_what_mends_them(
    connection: Connection, server: redis.Redis, redis_url: str
) -> None:
    assert checks(redis_url)["ledger"]["verdict"] == "ok"
    server.set("stoker:leases", "x")
    server.set("stoker:intakes", "x")
    found = checks(redis_url)["ledger"]
    assert (found["verdict"], found["numbers"]) == ("fail", {"misplaced": 2})
    assert "stoker:intakes holds a string and should hold a set" in found["told"]
    assert "stoker:leases holds a string and should hold a zset" in found["told"]
    assert "none runs: run `stoker controller`" in found["told"]
    connection.run(upkeep.lead("here/1", 3600))
    found = checks(redis_url)["ledger"]
    assert (found["verdict"], found["numbers"]) == ("warn", {"misplaced": 1}), "a script has met the other"
    assert "the controller's duty to repair the ledger mends that" in found["told"]


@pytest.mark.parametrize(
    "key",
    [
        "stoker:rung:cpu.train:high",
        "stoker:tenants:gpu.infer:low",
        "stoker:fallback:gpu.train",
        "stoker:gathering:tpu.train",
    ],
)
def test_keys_of_one_queue_are_looked_at_too(
    connection: Connection, server: redis.Redis, redis_url: str, key: str
) -> None:
    server.rpush(key, "x")
    found = checks(redis_url)["ledger"]
    assert found["numbers"] == {"misplaced": 1}
    assert f"{key} holds a list" in found["told"]
    connection.run(damage.repair())
    assert connection.run(damage.misplaced()) == []


def test_damages_that_were_mended_are_counted_and_the_last_is_named_for_a_day_as_a_warning(
    connection: Connection, server: redis.Redis, redis_url: str
) -> None:
    server.set("stoker:leases", "x")
    connection.run(damage.repair())
    found = checks(redis_url)["ledger"]
    assert (found["verdict"], found["numbers"]) == ("warn", {"misplaced": 0, "mended": 1})
    assert "damages mended so far: 1, the last at" in found["told"]
    assert "stoker:leases, a string" in found["told"]
    server.lset("stoker:repairs", 0, '{"at": 1700000000000, "where": "stoker:leases", "was": "a string"}')
    found = checks(redis_url)["ledger"]
    assert (found["verdict"], "2023-11-14" in found["told"]) == ("ok", True)


@pytest.mark.usefixtures("attended")
def test_dead_jobs_and_silent_workers_are_counted(connection: Connection, server: redis.Redis, redis_url: str) -> None:
    connection.run(intake.submit([NewJob(job_id, SPEC, "cpu.train") for job_id in ("dead", "silent")]))
    attempt = connection.run(attempts.claim("dead", "one", "worker-1", 15))
    assert isinstance(attempt, Attempt)
    connection.run(attempts.release(attempt, "lost", "killed"))
    connection.run(attempts.claim("silent", "two", "worker-1", 15))
    server.zadd("stoker:leases", {"silent": 0})
    found = checks(redis_url)
    assert (found["dead jobs"]["verdict"], found["dead jobs"]["numbers"]) == ("warn", {"dead": 1})
    assert (found["leases"]["verdict"], found["leases"]["numbers"]) == ("fail", {"overdue": 1})


@pytest.mark.usefixtures("attended")
def test_what_is_paused_is_named_and_warned_of_after_a_day(
    connection: Connection, server: redis.Redis, redis_url: str
) -> None:
    connection.run(intake.submit([NewJob(job_id, SPEC, "cpu.train") for job_id in ("one", "two")]))
    assert checks(redis_url)["paused"]["told"] == "nothing is"
    connection.run(pauses.pause("one"))
    connection.run(pauses.set_paused("queue", "cpu.train", paused=True))
    connection.run(pauses.set_paused("tenant", "blue", paused=True))
    found = checks(redis_url)
    assert found["paused"]["verdict"] == "ok"
    assert found["paused"]["numbers"] == {"jobs": 1, "queues": 1, "tenants": 1}
    assert "1 of them because their queue or tenant is paused" in found["queues"]["told"]
    server.zadd("stoker:paused", {"one": 1})
    told = checks(redis_url)["paused"]
    assert told["verdict"] == "warn"
    for what in ("queue cpu.train for ", "tenant 'blue' for ", "job one for ", "`stoker resume`"):
        assert what in told["told"]


@pytest.mark.usefixtures("attended")
def test_uploads_are_counted_and_the_next_to_go_is_named(connection: Connection, redis_url: str) -> None:
    assert checks(redis_url)["uploads"]["told"] == "none"
    for digest, days in (("a", 30), ("b", 2), ("c", 0)):
        connection.run(uploads.keep(uploads.new_upload(f"store://{digest * 64}/rows.csv", 1000, 1, days)))
    Store(Settings().store).put_bytes(b"rows", "rows.csv")
    told = checks(redis_url)["uploads"]
    assert (told["verdict"], told["numbers"]) == ("ok", {"uploads": 3, "bytes": 3000})
    assert f"store://{'b' * 64}/rows.csv goes in" in told["told"]


@pytest.mark.usefixtures("attended")
def test_a_server_that_may_lose_jobs_is_found(server: redis.Redis, redis_url: str) -> None:
    server.config_set("maxmemory-policy", "allkeys-lru")
    assert checks(redis_url)["eviction"]["verdict"] == "warn"
    server.config_set("maxmemory", 1_000_000_000)
    found = checks(redis_url)
    assert found["eviction"]["verdict"] == "fail"
    assert found["memory"]["numbers"]["max_bytes"] == 1_000_000_000
    server.config_set("maxmemory-policy", "noeviction")
    server.config_set("maxmemory", server.info("memory")["used_memory"] + 100_000)
    server.config_set("appendonly", "no")
    found = checks(redis_url)
    assert found["memory"]["verdict"] == "warn"
    assert found["durability"]["verdict"] == "fail"
    assert "appendonly yes" in found["durability"]["told"]


@pytest.mark.usefixtures("attended")
def test_a_full_server_fails(server: redis.Redis, redis_url: str) -> None:
    server.config_set("maxmemory", 1)
    found = doctor(redis_url, "--json")
    assert found.returncode == 1
    [memory] = [check for check in json.loads(found.stdout)["checks"] if check["name"] == "memory"]
    assert (memory["verdict"], "full" in memory["told"]) == ("fail", True)


@pytest.mark.parametrize("command", ["doctor", "jobs"])
def test_a_database_that_the_server_does_not_have_is_a_wrong_setting(redis_url: str, command: str) -> None:
    refused = commands.run(command, env={"STOKER_REDIS_URL": redis_url.rpartition("/")[0] + "/99"})
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "has no such database" in refused.stderr


@pytest.mark.usefixtures("attended")
def test_a_server_without_a_password_is_warned_of(server: redis.Redis, redis_url: str) -> None:
    assert checks(redis_url)["access"]["verdict"] == "ok"
    server.execute_command("ACL", "SETUSER", "nobody", "on", "nopass", "~*", "&*", "+@all")
    open_url = f"redis://nobody:@{redis_url.rpartition('@')[2]}"
    assert checks(open_url)["access"]["verdict"] == "warn"
    server.execute_command("ACL", "DELUSER", "nobody")


def test_a_replica_is_named_as_what_takes_no_writes(server: redis.Redis, redis_url: str) -> None:
    server.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        answers = checks(redis_url)["redis"]
    finally:
        server.execute_command("REPLICAOF", "NO", "ONE")
    assert (answers["verdict"], "is a replica and takes no writes" in answers["told"]) == ("fail", True)


@pytest.mark.parametrize(("ahead_s", "told"), [(18_000, "5 h ahead of"), (-90_000, "25 h behind"), (0, "agrees")])
def test_a_clock_that_differs_from_that_of_redis_is_told(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, ahead_s: float, told: str
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=ahead_s)

    monkeypatch.setattr(server_checks, "datetime", Wrong)
    [clock] = [check for check in CHECKS if check.name == "clock"]
    system = System(Settings(redis_url=redis_url))
    with closing(system.connection):
        found = clock.finding(system)
    assert (found.verdict, told in found.told) == ("warn" if ahead_s else "ok", True), found.told


def test_the_password_of_a_certificates_key_is_none_of_redis() -> None:
    [access] = [check for check in CHECKS if check.name == "access"]
    for login, verdict in (("", "warn"), (":word@", "ok")):
        url = f"rediss://{login}redis.example:6379/0?ssl_keyfile=key.pem&ssl_password=word"
        assert access.finding(System(Settings(redis_url=url))).verdict == verdict


@pytest.mark.usefixtures("attended")
def test_what_a_user_may_not_ask_is_said_and_the_rest_is_checked(server: redis.Redis, redis_url: str) -> None:
    server.execute_command("ACL", "SETUSER", "curious", "on", ">password", "~*", "&*", "+@all", "-info")
    url = f"redis://curious:password@{redis_url.rpartition('@')[2]}"
    assert doctor(url).returncode == 0
    found = checks(url)
    assert {name for name, check in found.items() if "may not ask" in check["told"]} == {
        "redis",
        "durability",
        "memory",
        "eviction",
    }
    assert "'info'" in found["memory"]["told"]
    assert found["workers"]["numbers"] == {"cpu": 1}
    server.execute_command("ACL", "SETUSER", "curious", "-type")
    found = checks(url)
    assert (found["ledger"]["verdict"], "may not ask" in found["ledger"]["told"]) == ("warn", True)
    assert found["workers"]["numbers"] == {"cpu": 1}
    server.execute_command("ACL", "DELUSER", "curious")


@pytest.mark.usefixtures("attended")
def test_a_check_that_breaks_fails_alone(server: redis.Redis, redis_url: str) -> None:
    server.set("stoker:quarantined", "no hash")
    found = checks(redis_url)
    assert {name for name, check in found.items() if check["verdict"] == "fail"} == {"quarantine"}
    assert found["ledger"]["verdict"] == "warn"
    assert "WRONGTYPE" in found["quarantine"]["told"]


@pytest.mark.usefixtures("attended")
def test_a_store_that_cannot_be_written_fails(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    for url in (str(tmp_path / "a-file" / "store"), "nosuchscheme://store"):
        found = checks(redis_url, STOKER_STORE_URL=url)
        assert found["store"]["verdict"] == "fail"
        assert "STOKER_STORE_URL" in found["store"]["told"]


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", ""])
def test_a_server_out_of_reach_exits_with_3_and_still_reports(url: str) -> None:
    found = doctor(url, "--json")
    assert found.returncode == 3
    by_name = {check["name"]: check["verdict"] for check in json.loads(found.stdout)["checks"]}
    assert by_name == {"store": "ok", "keys": "ok", "redis": "fail"}
