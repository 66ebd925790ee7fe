"""Records that a newer version of Stoker has written, as this one reads them: nothing of them is an error."""

import asyncio
import json
import subprocess
from datetime import UTC, datetime

import pytest
import redis

import stoker
from stoker import events
from stoker.events import Other
from stoker.ledger import attempts, presence
from stoker.ledger.attempt import Attempt
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.signature import Signature
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S
from .echo import register

SPEC = stoker.Deploy(model="echo")


def cli(*arguments: str, redis_url: str) -> subprocess.CompletedProcess[str]:
    return commands.run(*arguments, env={"STOKER_REDIS_URL": redis_url})


def finish(redis_url: str, job_id: str) -> None:
    """Do a worker's part: claim the job, and let it fail."""
    connection = Connection.open(Settings(), redis_url)
    attempt = connection.run(attempts.claim(job_id, f"owner of {job_id}", "worker", 60))
    assert isinstance(attempt, Attempt)
    connection.run(attempts.fail(attempt, stoker.JobState.FAILED, "no data"))
    connection.close()


def write_event(server: "redis.Redis", job_id: str, event: object) -> None:
    server.xadd(f"stoker:events:{job_id}", {"event": json.dumps(event)})


def test_events_of_unknown_types_come_as_others_and_the_story_goes_on(redis_url: str) -> None:
    register(redis_url)
    with redis.Redis.from_url(redis_url) as server, stoker.Client(redis_url) as client:
        job = client.submit(SPEC)
        for event in (
            {"type": "paused", "by": "operator"},
            {"type": "epoch", "epoch": {"of": 3}},
            {"type": "queued", "queue": "cpu.batch", "place": 7},
            [1],
        ):
            write_event(server, job.id, event)
        server.xadd(f"stoker:events:{job.id}", {"another": "field"})
        # More than one answer holds.
        for _ in range(600):
            write_event(server, job.id, {"type": "paused"})
        finish(redis_url, job.id)
        story = list(job.events())
        paused, epoch, queued, listed, empty = story[1:6]
        assert isinstance(paused, Other)
        assert (paused.name, paused.fields["by"], paused.id > story[0].id) == ("paused", "operator", True)
        assert isinstance(epoch, Other)
        assert epoch.name == "epoch"
        assert isinstance(queued, events.Queued)
        assert isinstance(listed, Other)
        assert isinstance(empty, Other)
        assert "does not know: paused" in str(paused)
        assert [event.type for event in story[606:]] == ["started", "finished"]
        assert [event.id for event in job.events(after=paused.id)] == [event.id for event in story[2:]]
        assert job.wait(timeout=PATIENCE_S) is stoker.JobState.FAILED

    async def of_asyncio() -> list[events.Event]:
        async with stoker.AsyncClient(redis_url) as async_client:
            return [event async for event in (await async_client.job(job.id)).events()]

    assert asyncio.run(of_asyncio()) == story


def test_results_and_manifests_may_have_fields_that_are_not_known(redis_url: str) -> None:
    register(redis_url)
    with redis.Redis.from_url(redis_url) as server, stoker.Client(redis_url) as client:
        job = client.submit(SPEC)
        result = {"kind": "deploy", "model": "echo@1", "alias": "champion", "took_s": 3}
        server.hset(f"stoker:job:{job.id}", mapping={"state": "SUCCEEDED", "result": json.dumps(result)})
        assert job.result(timeout=PATIENCE_S) == stoker.DeployResult(model="echo@1", alias="champion")

        version = json.loads(server.hget("stoker:model:echo", "1") or b"")
        version["licence"] = "MIT"
        version["signature"]["labels"] = {"a": 1}
        version["signature"]["inputs"][0]["unit"] = "mm"
        version["files"] = {"keras": {"name": "model.keras", "digest": "0" * 64, "size": 1, "tier": "cold"}}
        server.hset("stoker:model:echo", "1", json.dumps(version))
        assert client.model("echo").files["keras"] == Artifact(name="model.keras", digest="0" * 64, size=1)
        assert [each.ref for each in client.models()] == ["echo@1"]


def test_a_result_of_an_unknown_kind_is_an_error_that_says_what_to_do(redis_url: str) -> None:
    register(redis_url)
    with redis.Redis.from_url(redis_url) as server, stoker.Client(redis_url) as client:
        job = client.submit(SPEC)
        for result in ('{"kind": "simulate", "steps": 3}', "junk"):
            server.hset(f"stoker:job:{job.id}", mapping={"state": "SUCCEEDED", "result": result})
            with pytest.raises(stoker.InvalidJob, match="a newer version of Stoker has written it"):
                job.result(timeout=PATIENCE_S)


def test_a_job_of_an_unknown_kind_is_shown(redis_url: str) -> None:
    register(redis_url)
    with redis.Redis.from_url(redis_url) as server, stoker.Client(redis_url) as client:
        job = client.submit(SPEC)
        record = server.hgetall(f"stoker:job:{job.id}")
        progress = {"type": "steps", "done": 3}
        newer = {
            b"kind": b"simulate",
            b"sequence": b"99",
            b"colour": b"red",
            b"spec": b'{"kind": "simulate"}',
            b"progress": json.dumps(progress).encode(),
        }
        server.hset("stoker:job:newer", mapping=dict(record | newer))
        server.zadd("stoker:jobs:simulate:QUEUED:cpu", {"newer": 99})
        server.sadd("stoker:kinds", "simulate")
        status = client.job("newer").status()
        assert (status.kind, status.progress) == ("simulate", None)
        assert [each.id for each in client.jobs()] == ["newer", job.id]
        with pytest.raises(stoker.InvalidJob, match="simulate"):
            client.job("newer").spec()
        shown = cli("show", "newer", redis_url=redis_url)
        assert (shown.returncode, "submitted" in shown.stdout, "simulate" in shown.stderr) == (2, True, True)


def test_a_state_that_is_not_known_is_shown_by_its_name_and_is_not_final(redis_url: str) -> None:
    register(redis_url)
    with redis.Redis.from_url(redis_url) as server, stoker.Client(redis_url) as client:
        job = client.submit(SPEC)
        server.hset(f"stoker:job:{job.id}", "state", "PAUSED")
        status = job.status()
        assert (status.state, status.state.name, status.state.final) == ("PAUSED", "PAUSED", False)
        assert status.state not in list(stoker.JobState)
        assert client.jobs() == [status]
        assert stoker.JobStatus.model_validate_json(status.model_dump_json()) == status
        for wait in (job.wait, job.result):
            with pytest.raises(stoker.Timeout, match=f"job {job.id} is PAUSED"):
                wait(timeout=0.1)
        job.cancel()
        listed = cli("jobs", redis_url=redis_url)
        assert (listed.returncode, "PAUSED" in listed.stdout) == (0, True), listed.stderr
        [shown] = json.loads(cli("jobs", "--json", redis_url=redis_url).stdout)
        assert shown["state"] == "PAUSED"


def test_an_end_that_is_not_known_ends_the_story_and_what_came_of_it_is_an_error_that_says_so(redis_url: str) -> None:
    register(redis_url)
    told = "has ended as EXPIRED, which this version of Stoker does not know"
    with redis.Redis.from_url(redis_url) as server, stoker.Client(redis_url) as client:
        job = client.submit(SPEC)
        server.hset(f"stoker:job:{job.id}", "state", "EXPIRED")
        write_event(server, job.id, {"type": "finished", "state": "EXPIRED"})
        assert [str(event.words()) for event in job.events()][-1] == "EXPIRED"
        assert job.wait(timeout=60) == "EXPIRED"
        with pytest.raises(stoker.InvalidJob, match=told):
            job.result(timeout=60)
        watched = cli("watch", job.id, redis_url=redis_url)
        assert (watched.returncode, "EXPIRED" in watched.stdout, told in watched.stderr) == (2, True, True)

    async def of_asyncio() -> stoker.JobState:
        async with stoker.AsyncClient(redis_url) as async_client:
            same = await async_client.job(job.id)
            with pytest.raises(stoker.InvalidJob, match=told):
                await same.result(timeout=60)
            return await same.wait(timeout=60)

    assert asyncio.run(of_asyncio()) == "EXPIRED"


def test_what_is_no_state_is_damage(redis_url: str) -> None:
    register(redis_url)
    with redis.Redis.from_url(redis_url) as server, stoker.Client(redis_url) as client:
        job = client.submit(SPEC)
        server.hset(f"stoker:job:{job.id}", "state", "no state")
        for step in (job.status, job.result, job.cancel):
            with pytest.raises(stoker.InvalidJob, match=f"the record of job {job.id} is damaged"):
                step()


def test_announcements_may_have_fields_that_are_not_known(redis_url: str) -> None:
    worker = presence.Worker(
        name="cpu-1@host", node="host", device="cpu", slots=1, most_slots=1, queues=("cpu.train",), host="host", pid=1
    )
    with redis.Redis.from_url(redis_url) as server, stoker.Client(redis_url) as client:
        server.hset("stoker:workers", worker.name, json.dumps(worker.model_dump(mode="json") | {"rack": 7}))
        server.zadd("stoker:workers:seen", {worker.name: datetime.now(UTC).timestamp() * 1000})
        assert client.workers() == [worker]


def test_specs_stay_strict() -> None:
    with pytest.raises(stoker.InvalidJob, match="has no field 'colour'"):
        stoker.Train(model="m", data="x", colour="red")  # type: ignore[call-arg]
    assert ModelVersion.model_config["extra"] == Signature.model_config["extra"] == "ignore"
