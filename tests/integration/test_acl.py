"""The users of config/users.acl: each can do its work, and nothing else."""

import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

import stoker
from stoker import JobState, events, lanes
from stoker.access.loading import load_missing
from stoker.fleet.topology import queues_of
from stoker.kinds.tuning.halving import Halving
from stoker.lanes import LaneRequests, frames
from stoker.ledger import attempts, children, guards, intake, presence, waits
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.local.server import local_server
from stoker.local.subprocesses import Subprocess
from stoker.redis.calls import Call, drive
from stoker.redis.celery_app import celery_app
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.controller.schedules import Schedules

from .. import commands, preloaded
from ..conftest import PATIENCE_S, Eventually
from ..flower import running_flower
from .conftest import BRIEF, CPU, SMALL, attend, await_worker

USERS = (Path(__file__).parents[2] / "config" / "users.acl").read_text().splitlines()
PASSWORDS = {name: line.split(">")[1].split()[0] for line in USERS if ">" in line for name in [line.split()[1]]}
SCRIPTS = (Path(stoker.__file__).parent / "ledger" / "lua", Path(stoker.__file__).parent / "lanes" / "lua")
# The search for leftovers is the controller's; queues and batches of requests are the worker's.
NEVER_RUN = {"worker": {"SCAN"}, "controller": {"PTTL", "MEMORY USAGE", "UNLINK"}}
SPEC = stoker.Train(model="guarded", data="sample://digits", epochs=1, batch_size=256, device="cpu", seed=1, **SMALL)
GPU = CPU.model_copy(update={"name": "gpu-1@here", "device": "gpu", "queues": queues_of("gpu")})


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with these users; the URL of its default user, who may still do everything."""
    with local_server(tmp_path_factory.mktemp("server")) as url, redis.Redis.from_url(url) as admin:
        for _, name, *rules in map(str.split, USERS):
            if name != "default":
                admin.execute_command("ACL", "SETUSER", name, *rules)
        with closing(Connection.open(Settings(), url)) as connection:
            drive(load_missing(), connection.run)
        yield url


def url_of(user: str, server_url: str) -> str:
    return f"redis://{user}:{PASSWORDS[user]}@127.0.0.1:{urlsplit(server_url).port}/0"


@dataclass(frozen=True)
class Fleet:
    """A controller and a worker, each its own user.

    Attributes:
        settings: of a client.
        waiting: the id of a job for a device that nobody has, submitted before there was any worker.
    """

    settings: Settings
    waiting: str


@pytest.fixture(scope="module")
def fleet(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    home = tmp_path_factory.mktemp("fleet")
    settings = Settings(redis_url=url_of("client", server_url), home=home, slots=2)
    with ExitStack() as running, redis.Redis.from_url(server_url) as admin:
        admin.acl_log_reset()
        # As long as no worker is there, a job may wait for a device that none will have.
        with stoker.Client(settings=settings) as client:
            waiting = client.submit(SPEC.model_copy(update={"device": "gpu"})).id
        for user, module in (("controller", "stoker_workers.controller"), ("worker", "stoker_workers")):
            environment = os.environ | settings.environment() | {"STOKER_REDIS_URL": url_of(user, server_url)}
            child = Subprocess([preloaded.python(), "-m", module], log=home / f"{user}.log", environment=environment)
            running.callback(child.stop, PATIENCE_S)
        await_worker(settings)
        assert denied(admin) == []
        yield Fleet(settings, waiting)


def denied(admin: redis.Redis) -> list[str]:
    """What users tried and may not, since the log was reset."""
    return [f"{entry['username']}: {entry['reason']} {entry['object']}" for entry in admin.acl_log()]


def test_every_user_can_do_its_work(server_url: str, fleet: Fleet) -> None:
    with stoker.Client(settings=fleet.settings) as client, redis.Redis.from_url(server_url) as admin:
        admin.acl_log_reset()
        result = client.submit(SPEC, idempotency_key="monday", reuse="identical").result(timeout=PATIENCE_S)
        assert isinstance(result, stoker.TrainResult)
        assert client.submit(SPEC, reuse="identical").result(timeout=PATIENCE_S) == result
        assert client.infer(result.model, [[0.0] * 64], timeout=PATIENCE_S).shape == (1, 10)
        pipeline = client.submit_many(
            [SPEC, stoker.Evaluate(model="#0", data="sample://digits", bootstrap=100, noise=())]
        )
        assert [job.wait(timeout=PATIENCE_S) for job in pipeline] == [JobState.SUCCEEDED] * 2

        endless = client.submit(SPEC.model_copy(update={"epochs": 1_000_000}))
        assert any(isinstance(event, events.Epoch) for event in endless.events())
        endless.pause()
        assert any(isinstance(event, events.Waiting) for event in endless.events())
        endless.resume()
        client.job(fleet.waiting).pause()
        endless.cancel()
        assert endless.wait(timeout=PATIENCE_S) is JobState.CANCELLED
        wrong = client.submit(stoker.Train(model="bad", data="sample://diabetes", loss="binary_crossentropy"))
        assert wrong.wait(timeout=PATIENCE_S) is JobState.FAILED
        client.job(fleet.waiting).cancel()
        assert len(client.jobs(limit=10)) == 6

        [worker] = client.workers()
        app = celery_app(fleet.settings, url_of("worker", server_url))
        assert app.control.inspect([worker.name], timeout=PATIENCE_S).ping()
        app.close()
        assert denied(admin) == []


def test_a_client_may_wait_for_a_result_by_celery(server_url: str, fleet: Fleet) -> None:
    with stoker.Client(settings=fleet.settings) as client, redis.Redis.from_url(server_url) as admin:
        admin.acl_log_reset()
        job = client.submit(BRIEF)
        app = celery_app(fleet.settings, url_of("client", server_url))
        assert app.AsyncResult(job.id).get(timeout=PATIENCE_S)["rows"] == 120
        app.close()
        assert denied(admin) == []


def test_a_client_may_end_a_search_with_all_that_it_has(server_url: str) -> None:
    spec = SPEC.model_copy(update={"device": "gpu"})
    connection = Connection.open(Settings(), server_url)
    with redis.Redis.from_url(server_url) as admin, closing(connection):
        admin.acl_log_reset()
        [search] = connection.run(intake.submit([NewJob(str(uuid.uuid4()), spec, "gpu.train")]))
        attempt = connection.run(attempts.claim(search, "search", "nobody", 60))
        assert isinstance(attempt, Attempt)
        connection.run(children.await_children(attempt, spec, [spec], each=True, halving=Halving()))
        trial = connection.run(attempts.claim(f"{search}-1-0", "trial", "nobody", 60))
        assert isinstance(trial, Attempt)
        connection.run(children.reach(trial, 1, 0.5, is_last=False))
        with stoker.Client(settings=Settings(redis_url=url_of("client", server_url))) as client:
            client.job(search).cancel()
            assert client.job(search).state is JobState.CANCELLED
        connection.run(attempts.fail(trial, JobState.CANCELLED, "cancelled while it ran"))
        assert denied(admin) == []
        assert not admin.exists(f"stoker:reached:{search}")


def test_a_client_may_schedule_jobs_and_wake_and_cancel_those_that_wait(server_url: str) -> None:
    spec = SPEC.model_copy(update={"device": "gpu"})
    with (
        redis.Redis.from_url(server_url) as admin,
        closing(Connection.open(Settings(), url_of("worker", server_url))) as worker,
        closing(Connection.open(Settings(), server_url)) as everyone,
        closing(Connection.open(Settings(), url_of("controller", server_url))) as controller,
        stoker.Client(settings=Settings(redis_url=url_of("client", server_url))) as client,
    ):
        # A worker of other tests may be there, which lacks the device.
        attend(everyone, GPU)
        admin.acl_log_reset()
        added = client.schedule("every 1h", spec, name="guarded")
        client.schedule("drift of guarded", spec, name="on-drift")
        client.pause_schedule("guarded")
        client.resume_schedule("guarded")
        Schedules(controller, lambda: added.created_at + timedelta(hours=1, seconds=30)).step()
        [started] = client.jobs(tags={"schedule": "guarded"})
        for name in ("guarded", "on-drift"):
            client.remove_schedule(name)
        job = client.submit(spec, singleton="one", debounce=60)
        assert client.submit(spec, singleton="one").id == job.id
        job = client.submit(spec, singleton="one", debounce=60)
        for job_id in (started.id, job.id):
            attempt = worker.run(attempts.claim(job_id, "owner", "nobody", 60))
            if isinstance(attempt, Attempt):
                worker.run(waits.wait(attempt, "waits", keep=b"\xff"))
                client._run(waits.wake(job_id))
            client.job(job_id).cancel()
        assert client.job(started.id).status().attempt == 1
        assert denied(admin) == []
        everyone.run(presence.leave(GPU.name))


@pytest.mark.parametrize("user", NEVER_RUN)
def test_a_user_may_run_each_command_of_the_scripts(server_url: str, user: str) -> None:
    called = re.compile(r"(?:redis|server)\.p?call\(\s*'([A-Z]+)'(?:, '([A-Z]+)')?")
    commands = {
        " ".join(filter(None, words))
        for folder in SCRIPTS
        for script in folder.glob("*.lua")
        for words in called.findall(script.read_text())
    }
    assert NEVER_RUN[user] < commands
    with redis.Redis.from_url(server_url) as admin:
        for command in sorted(commands - NEVER_RUN[user]):
            name, *rest = command.split()
            arity = abs(admin.execute_command("COMMAND", "INFO", name)[name.lower()]["arity"])
            # The name of a key, and of a channel, that every user may have.
            words = [name, *rest, *["celery-task-meta-x"] * (arity - 1)]
            answer = admin.execute_command("ACL", "DRYRUN", user, *words)
            assert answer == b"OK", (command, answer)


def test_flower_and_celerys_commands_see_and_reach_workers(
    server_url: str, fleet: Fleet, tmp_path: Path, eventually: Eventually
) -> None:
    url = url_of("worker", server_url)
    settings = Settings(redis_url=url, home=tmp_path)
    with ExitStack() as running, redis.Redis.from_url(server_url) as admin:
        admin.acl_log_reset()
        flower = running.enter_context(running_flower(settings))
        [worker] = admin.hkeys("stoker:workers")
        eventually(lambda: "cpu" in flower.get("/workers?json=1").decode())
        eventually(lambda: b'"status": true' in flower.get("/workers?json=1"))
        options = ("--timeout", str(PATIENCE_S), "--destination", worker.decode())
        for command in ("inspect ping", "inspect stats", "inspect active", "status", "control enable_events"):
            told = subprocess.run(
                [preloaded.python(), "-m", "celery", "--broker", url, *command.split(), *options],
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
            )
            assert (told.returncode, told.stderr) == (0, ""), command
            assert "OK" in told.stdout or "online" in told.stdout
        assert denied(admin) == []


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        (["add_consumer", "another-app"], "serves the queues of its device"),
        (["cancel_consumer", "cpu.train"], "serves the queues of its device"),
        (["rate_limit", "stoker.train", "1/h"], "give a job a timeout"),
        (["time_limit", "stoker.train", "1", "1"], "give a job a timeout"),
    ],
)
def test_a_worker_refuses_celerys_commands_that_would_keep_it_from_its_work(
    server_url: str, fleet: Fleet, command: list[str], instead: str
) -> None:
    with stoker.Client(settings=fleet.settings) as client, redis.Redis.from_url(server_url) as admin:
        admin.acl_log_reset()
        [worker] = client.workers()
        options = ("--timeout", str(PATIENCE_S), "--destination", worker.name)
        celery = [preloaded.python(), "-m", "celery", "--broker", url_of("worker", server_url), "control"]
        answer = subprocess.run([*celery, *command, *options], capture_output=True, text=True, timeout=PATIENCE_S)
        assert f"{command[0]} is refused: " in answer.stdout
        assert instead in answer.stdout
        assert client.submit(BRIEF).wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
        assert [each.pid for each in client.workers()] == [worker.pid]
        assert denied(admin) == []


@pytest.mark.parametrize("user", PASSWORDS)
def test_doctor_says_what_a_user_may_not_ask_and_checks_the_rest(server_url: str, user: str) -> None:
    told = commands.run("doctor", "--json", env={"STOKER_REDIS_URL": url_of(user, server_url)})
    checks = {check["name"]: check for check in json.loads(told.stdout)["checks"]}
    refused = {name for name, check in checks.items() if "may not ask" in check["told"]}
    assert all(checks[name]["verdict"] == "warn" for name in refused)
    assert {"redis", "durability", "memory", "eviction"} <= refused or user == "operator"
    assert refused == set() or user != "operator"
    # Whoever approves does nothing else, and most checks are scripts that could write.
    assert user == "approver" or not {"access", "controller", "workers", "queues", "leases", "dead jobs"} & refused
    assert not [name for name, check in checks.items() if "could not be checked" in check["told"]]


@pytest.mark.parametrize("user", ["client", "worker", "controller"])
@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("CONFIG", "GET", "requirepass"),
        ("KEYS", "*"),
        ("ACL", "LIST"),
        ("MONITOR",),
        ("SHUTDOWN", "NOSAVE"),
        ("REPLICAOF", "10.0.0.1", "6379"),
        ("SCRIPT", "FLUSH"),
        ("FUNCTION", "FLUSH"),
        ("GET", "another-app"),
        ("SET", "another-app", "x"),
        ("EVAL", "return redis.call('SET', 'another-app', 'x')", "0"),
        ("PUBLISH", "another-app", "x"),
    ],
    ids=" ".join,
)
def test_no_user_can_do_more(server_url: str, user: str, command: tuple[str, ...]) -> None:
    refused_to(user, server_url, command)


@pytest.mark.parametrize(
    "command",
    [
        ("HSET", "stoker:model:guarded", "1", "{}"),
        ("HSET", "stoker:aliases:guarded", "champion", "1"),
        ("HSET", "stoker:workers", "a-worker", "{}"),
        ("SET", "stoker:asked:worker:guarded", "0 0 0"),
        ("DEL", "stoker:guards"),
        ("HSET", "stoker:pauses", "queue cpu.train", "1"),
        ("SET", "stoker:leader", "me"),
        ("EVAL", "return redis.call('DEL', 'stoker:model:guarded')", "0"),
        ("PUBLISH", "/0.celery.pidbox", "{}"),
        ("SUBSCRIBE", "/0.celery.pidbox"),
    ],
    ids=" ".join,
)
def test_a_client_can_touch_neither_models_nor_workers(server_url: str, command: tuple[str, ...]) -> None:
    refused_to("client", server_url, command)


def test_a_client_is_counted_by_the_name_that_the_server_knows(server_url: str) -> None:
    worker, client = (Connection.open(Settings(), url_of(user, server_url)) for user in ("worker", "client"))
    worker.run(guards.put("bounded", stoker.Guard(most_a_minute=1)))
    requests = [(1000, frames.encode_request(uuid.uuid4(), number, b"")) for number in range(2)]
    lane = LaneRequests("bounded", "cpu.infer", "normal", 9, requests)
    for first in (1, 0):
        [refused] = client.run(lanes.push([lane]))
        assert refused
        assert (refused.first, type(refused.error)) == (first, stoker.TooManyRequests)
    assert worker.run(guards.drop("bounded"))
    for connection in (worker, client):
        connection.close()


def refused_to(user: str, server_url: str, command: tuple[str, ...]) -> None:
    connection = Connection.open(Settings(), url_of(user, server_url))
    with pytest.raises(stoker.Unauthorized, match=r"forbids this user a command: .*docs/security\.md"):
        connection.run(Call(command, lambda answer: answer))
    connection.close()


def test_a_wrong_password_and_an_unknown_user_are_refused(server_url: str) -> None:
    for login in ("client:guessed", "nobody:guessed"):
        url = f"redis://{login}@127.0.0.1:{urlsplit(server_url).port}/0"
        connection = Connection.open(Settings(), url)
        with pytest.raises(stoker.Unauthorized, match=r"refused the login: .*check the user and password") as told:
            connection.run(presence.workers())
        assert "guessed" not in told.value.message
        connection.close()
