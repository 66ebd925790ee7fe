"""Schedules on a real server: started once by controllers that are killed and stopped at will, and none missed."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

import stoker
from stoker.cli.doctor import schedules as doctor
from stoker.cli.doctor.check import Finding, System
from stoker.ledger import alarms, quotas, store_files
from stoker.redis.connection import Connection
from stoker.schedules.starting import job_ids
from stoker.settings import Settings
from stoker.tenants import Quota
from stoker_workers.controller.schedules import Schedules

from .. import commands
from ..conftest import Eventually
from .test_schedule_controllers import begin

START = datetime(2030, 1, 1, tzinfo=UTC)
TRAIN = stoker.Train(model="nightly", data="sample://iris")
CHAIN = [
    TRAIN,
    stoker.Evaluate(model="#0", data="sample://iris", min_metrics={"accuracy": 0.9}),
    stoker.Deploy(model="#0", after=("#1",), steps=(0.1, 0.5), shadow=100, approval="release-managers"),
]


@pytest.fixture
def client(redis_url: str) -> Iterator[stoker.Client]:
    with stoker.Client(redis_url) as client:
        yield client


def test_a_chain_starts_together_and_an_older_start_is_left_alone(
    connection: Connection, client: stoker.Client, server: redis.Redis
) -> None:
    added = client.schedule("every 1h", CHAIN, name="nightly")
    assert added.next_at == added.created_at + timedelta(hours=1)
    assert client.schedule("every 1h", CHAIN, name="nightly") == added
    with pytest.raises(stoker.InvalidJob, match="already"):
        client.schedule("every 2h", CHAIN, name="nightly")
    now = added.next_at
    Schedules(connection, lambda: now).step()
    Schedules(connection, lambda: now).step()
    [status] = client.schedules()
    assert status.last is not None
    assert list(status.last.jobs) == job_ids(status, now)
    train, evaluate, deploy = (client.job(job_id).status() for job_id in status.last.jobs)
    assert (train.state, evaluate.state, deploy.state) == ("QUEUED", "WAITING", "WAITING")
    assert (evaluate.model, deploy.model) == (f"job:{train.id}", f"job:{train.id}")
    assert train.tags == {"schedule": "nightly", "scheduled": now.isoformat()}
    assert len(client.jobs(tags={"schedule": "nightly"})) == len(CHAIN)
    # Whoever has read it before changes nothing.
    again = client.schedule("every 2h", CHAIN, name="nightly", replace=True)
    assert (again.started, again.when) == (1, "every 2h")
    client.remove_schedule("nightly")
    assert client.schedules() == []
    assert not server.exists("stoker:schedules", "stoker:schedule-states")
    with pytest.raises(stoker.InvalidArgument, match="no schedule 'nightly'; there are: none"):
        client.pause_schedule("nightly")


def test_a_paused_schedule_starts_nothing_and_goes_on_from_now(connection: Connection, client: stoker.Client) -> None:
    added = client.schedule("every 10m", TRAIN, name="nightly", catch_up="all")
    assert client.pause_schedule("nightly").paused
    assert client.pause_schedule("nightly").paused
    later = added.created_at + timedelta(hours=5)
    Schedules(connection, lambda: later).step()
    assert client.jobs() == []
    resumed = client.resume_schedule("nightly")
    assert resumed.paused is None
    assert resumed.next_at == added.next_at
    assert client.resume_schedule("nightly") == resumed


def test_a_start_that_is_left_out_begins_no_cool_down(connection: Connection, client: stoker.Client) -> None:
    open_one = client.submit(TRAIN, singleton="retrain")
    client.schedule("drift of digits", TRAIN.model_copy(update={"singleton": "retrain"}), name="react", at_most=1)
    connection.run(alarms.raise_("drift", "column x", model="digits@1"))
    Schedules(connection).step()
    [status] = client.schedules()
    assert (status.started, status.skipped, status.recent) == (0, 1, ())
    assert open_one.id in (status.problem or "")
    open_one.cancel()
    connection.run(alarms.raise_("drift", "column y", model="digits@1"))
    Schedules(connection).step()
    [status] = client.schedules()
    assert (status.started, status.skipped, status.problem) == (1, 1, None)


def test_an_alarm_starts_a_flow_once(connection: Connection, client: stoker.Client, server: redis.Redis) -> None:
    connection.run(alarms.raise_("drift", "old", model="digits@1"))
    client.schedule("drift of digits", CHAIN, name="react", cool_down_s=3600, at_most=2)
    controllers = [Schedules(connection) for _ in range(2)]
    for each in controllers:
        each.step()
    assert client.jobs() == []
    connection.run(alarms.raise_("drift", "drift of column x", model="wine@1"))
    connection.run(alarms.raise_("drift", "drift of column y", model="digits@2"))
    connection.run(alarms.raise_("drift", "drift of column z", model="digits@2"))
    for each in controllers:
        each.step()
    assert len(client.jobs()) == len(CHAIN)
    [status] = client.schedules()
    assert status.last is not None
    assert (status.last.why, status.started, status.skipped) == ("drift of column y", 1, 1)
    later = datetime.now(UTC) + timedelta(hours=2)
    connection.run(alarms.raise_("drift", "again", model="digits@2"))
    client.pause_schedule("react")
    Schedules(connection, lambda: later).step()
    assert len(client.jobs()) == len(CHAIN)
    # What came during a pause is over.
    client.resume_schedule("react")
    Schedules(connection, lambda: later).step()
    assert len(client.jobs()) == len(CHAIN)
    connection.run(alarms.raise_("drift", "and again", model="digits@2"))
    Schedules(connection, lambda: later).step()
    assert len(client.jobs()) == 2 * len(CHAIN)


def test_what_cannot_be_submitted_is_left_out_and_said(connection: Connection, client: stoker.Client) -> None:
    added = client.schedule("every 1h", TRAIN.model_copy(update={"singleton": "one"}), name="nightly")
    held = client.submit(TRAIN, singleton="one")
    times = iter([added.created_at + timedelta(hours=n, seconds=1) for n in range(1, 9)])

    def start() -> stoker.ScheduleStatus:
        now = next(times)
        Schedules(connection, lambda: now).step()
        return client.schedules()[0]

    status = start()
    assert (status.started, status.skipped) == (0, 1)
    assert status.problem == f"job {held.id} with its singleton key has not ended"
    held.cancel()
    status = start()
    assert (status.started, status.skipped, status.problem) == (1, 1, None)
    assert status.last is not None
    client.job(status.last.jobs[0]).cancel()
    # A quota holds it back until there is room.
    connection.run(quotas.set_quotas({"default": Quota(queued=0)}, 600))
    assert start().started == 1
    connection.run(quotas.set_quotas({}, 600))
    status = start()
    assert (status.started, status.skipped) == (2, 2)


def test_what_makes_no_sense_again_and_again_is_refused(client: stoker.Client, tmp_path: Any) -> None:
    def refused(why: str, spec: Any, when: str = "daily", **fields: Any) -> None:
        with pytest.raises(stoker.StokerError, match=why):
            client.schedule(when, spec, **{"name": "x", **fields})

    refused("is over after the first start", TRAIN.model_copy(update={"not_before": START}))
    refused("is a job of its own", TRAIN.model_copy(update={"after": ("abc",)}))
    refused("none a debounce", TRAIN.model_copy(update={"singleton": "a", "debounce": 5.0}))
    refused("1 to 50 jobs", [])
    refused("no model nobody", stoker.Evaluate(model="nobody", data="sample://iris"))
    refused("name", TRAIN, name="no name")
    refused("at_most", TRAIN, at_most=0)
    refused("no alarm is called 'joy'.*drift, performance", TRAIN, when="joy of digits")
    store = tmp_path / "store"
    (store / "artifacts").mkdir(parents=True)
    answers = store / "artifacts" / "answers.csv"
    answers.write_text("a,b,label\n1,2,x\n2,3,y\n3,4,x\n" * 10)
    with stoker.Client(settings=client.settings.model_copy(update={"store_url": str(store)})) as other:
        spec = stoker.Train(model="m", data=str(answers), target="label")
        with pytest.raises(stoker.InvalidJob, match="never from answers of a model"):
            other.schedule("drift of m", spec, name="x")
        assert other.schedule("daily", spec, name="x").started == 0


def test_what_a_schedule_names_stays_in_the_store(
    connection: Connection, client: stoker.Client, tmp_path: Path
) -> None:
    with stoker.Client(settings=client.settings.model_copy(update={"store_url": str(tmp_path)})) as uploader:
        data = uploader.upload({"a": [1, 2, 3], "label": ["x", "y", "x"]})
        uploader.schedule("drift of m", stoker.Train(model="m", data=data, target="label"), name="x")
    assert connection.run(store_files.named(0, 10_000)).digests


def test_doctor_says_what_starts_late_and_what_was_left_out(client: stoker.Client, server: redis.Redis) -> None:
    [check] = doctor.CHECKS

    def finding() -> Finding:
        return check.finding(System(client.settings))

    assert finding().told == "there are none"
    client.schedule("daily", TRAIN, name="nightly")
    assert finding().told == "1, of which 0 are paused"
    begin(server, "nightly", datetime.now(UTC) - timedelta(hours=3))
    assert finding().told.startswith("nightly was to start ")
    assert (finding().verdict, finding().numbers["late"]) == ("warn", 1)
    server.hset("stoker:schedule-states", "nightly", "x")
    assert finding().told.startswith("nightly cannot be read: something else than Stoker has written to it")
    assert client.schedules() == []
    with pytest.raises(stoker.InvalidJob, match="already, which cannot be read"):
        client.schedule("daily", TRAIN, name="nightly")
    assert client.schedule("daily", TRAIN, name="nightly", replace=True).started == 0
    server.delete("stoker:schedule-states")
    assert finding().numbers["unreadable"] == 1
    client.schedule("daily", TRAIN, name="nightly", replace=True)
    assert finding().verdict == "ok"


def test_asyncio_has_the_same(redis_url: str) -> None:
    async def schedule() -> None:
        async with stoker.AsyncClient(redis_url) as client:
            added = await client.schedule("daily", CHAIN, name="nightly")
            assert await client.schedules() == [added]
            assert (await client.pause_schedule("nightly")).paused
            assert not (await client.resume_schedule("nightly")).paused
            await client.remove_schedule("nightly")
            first = await client.submit(TRAIN, singleton="one")
            assert (await client.submit(TRAIN, singleton="one", debounce=5)).id != first.id

    asyncio.run(schedule())


def test_the_command_line_says_what_it_did_and_what_is_wrong(redis_url: str, tmp_path: Path) -> None:
    file = tmp_path / "retrain.yaml"
    file.write_text("{kind: train, model: m, data: 'sample://iris', singleton: m}")

    def told(*words: str) -> Any:
        ran = commands.run("schedule", *words, "--json", env={"STOKER_REDIS_URL": redis_url})
        return json.loads(ran.stdout)

    added = told("add", "0 3 * * MON-FRI", str(file), "--tz", "Europe/Berlin", "--catch-up", "none")
    assert (added["name"], added["zone"], added["jobs"][0]["singleton"]) == ("retrain", "Europe/Berlin", "m")
    assert told("list") == [added]
    assert all(time.endswith(":00:00+00:00") for time in told("next", "retrain", "--count", "3")["times"])
    assert told("pause", "retrain")["paused"]
    assert told("rm", "retrain")["started"] == 0
    for words, why in {
        ("add", "yesterday", str(file)): "neither a time nor an alarm",
        ("add", "daily", str(file), "--tz", "Mars"): "there is no time zone 'Mars'",
        ("add", "daily", str(file), "--catch-up", "some"): "--catch-up is latest, none or all",
        ("add", "drift of m", str(file), "--at-most", "often"): "--at-most is a number of starts a day",
        ("add", "drift of m", str(file), "--cool-down", "6"): "--cool-down is a length of time",
        ("next", "retrain"): "there is no schedule 'retrain'",
    }.items():
        assert why in told(*words)["message"], words


def test_a_controller_starts_what_an_alarm_asks_for_and_a_worker_does_it(
    stack: Settings, eventually: Eventually
) -> None:
    with stoker.Client(settings=stack) as client:
        client.schedule("drift of nobody", stoker.Run("searching:patient", {"waits": 0}), name="on-drift")
        client._run(alarms.raise_("drift", "drift of column x", model="nobody@1"))
        eventually(lambda: bool(client.jobs("SUCCEEDED", tags={"schedule": "on-drift"})))
        removed = client.remove_schedule("on-drift")
        assert (removed.started, removed.last and removed.last.why) == (1, "drift of column x")
