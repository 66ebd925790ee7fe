"""The controller's duties: what fails or takes long in one of them is seen, and stops no other."""

import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

import stoker
from stoker import JobState
from stoker.ledger import attempts, celery_results, duty_runs, intake, presence, records
from stoker.ledger.attempt import Attempt
from stoker.ledger.duty_runs import DutyState
from stoker.ledger.intake import NewJob
from stoker.ledger.keys import key
from stoker.models.manifest import Artifact
from stoker.models.store import Missing, Store
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.controller.duties import Duty, DutyThread

from ..conftest import Eventually
from .conftest import CPU, attend, controlled, free_port
from .test_doctor import checks

SPEC = stoker.Train(model="duties", data="sample://iris", device="cpu")


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a controller that has a fleet to scale."""
    monkeypatch.chdir(tmp_path)
    Path("stoker.toml").write_text("[fleet.cpu]\nmin = 2\n")
    return Settings(redis_url=redis_url, home=tmp_path / "home", lease_s=0.5)


@pytest.fixture
def connection(settings: Settings, redis_url: str) -> Iterator[Connection]:
    with closing(Connection.open(settings, redis_url)) as connection:
        attend(connection)
        yield connection


class LockedFileSystem(LocalFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A folder in which a delete waits until it is let through."""

    protocol = "locked"
    entered: ClassVar[threading.Event]
    allowed: ClassVar[threading.Event]

    def rm(self, *arguments: Any, **options: Any) -> None:
        """Delete, at last."""
        self.entered.set()
        self.allowed.wait()
        super().rm(*arguments, **options)


@pytest.fixture
def slow_store(tmp_path: Path) -> Iterator[str]:
    """The URL of a store whose deletes take as long as the test."""
    LockedFileSystem.entered, LockedFileSystem.allowed = threading.Event(), threading.Event()
    fsspec.register_implementation("locked", LockedFileSystem, clobber=True)
    yield f"locked://{tmp_path}/slow"
    LockedFileSystem.allowed.set()


def silent_job(connection: Connection) -> str:
    """A job whose worker has claimed it and fallen silent."""
    [job_id] = connection.run(intake.submit([NewJob(str(uuid.uuid4()), SPEC, "cpu.train")]))
    assert isinstance(connection.run(attempts.claim(job_id, f"owner of {job_id}", "worker", 0.1)), Attempt)
    return job_id


def discard(connection: Connection, artifact: Artifact, job_id: str = "job-1") -> None:
    """Note that no job lists a checkpoint any more."""
    connection.client.hset(key("discarded"), f"{job_id}/{artifact.digest}", artifact.model_dump_json())


def is_reclaimed(connection: Connection, job_id: str) -> bool:
    return connection.run(records.status(job_id)).state is not JobState.RUNNING


def duty(connection: Connection, name: str) -> DutyState | None:
    return {state.name: state for state in connection.run(duty_runs.duties())}.get(name)


def fails(connection: Connection, name: str) -> bool:
    state = duty(connection, name)
    return bool(state and state.failing_since)


def works(connection: Connection, name: str) -> bool:
    state = duty(connection, name)
    return bool(state and not state.failing_since)


def sees_to_the_rest(connection: Connection, job_id: str) -> bool:
    """Whether the controller has taken a job from a silent worker, and scaled a fleet to its least at least."""
    return is_reclaimed(connection, job_id) and (connection.run(presence.wanted_slots(CPU.name)) or 0) >= 2


def test_while_the_redis_of_results_is_away_jobs_are_reclaimed_and_fleets_scaled(
    settings: Settings, connection: Connection, redis_url: str, eventually: Eventually
) -> None:
    job_id = silent_job(connection)
    connection.run(celery_results.mirror())
    silent_job(connection)
    away = settings.model_copy(update={"result_url": f"redis://127.0.0.1:{free_port()}/0"})
    with controlled(away, redis_url):
        eventually(lambda: sees_to_the_rest(connection, job_id))
        eventually(lambda: fails(connection, "copy results"))
        told = checks(redis_url)["duties"]
        assert told["verdict"] == "fail"
        assert "'copy results' has failed since" in told["told"]
        assert "cannot be reached" in told["told"]
        eventually(lambda: works(connection, "reclaim jobs"))


def test_while_the_store_is_away_jobs_are_reclaimed_and_fleets_scaled(
    settings: Settings, connection: Connection, redis_url: str, eventually: Eventually, tmp_path: Path
) -> None:
    job_id = silent_job(connection)
    settings = settings.model_copy(update={"store_url": str(tmp_path / "store")})
    store = Store(settings.store)
    first, second = (store.of_job("job-1").put_bytes(data, "checkpoint") for data in (b"first", b"second"))
    discard(connection, first)
    connection.client.sadd(key("ended"), "job-2")
    (tmp_path / "store").rename(tmp_path / "aside")
    (tmp_path / "store").write_text("what is no folder")
    with controlled(settings, redis_url):
        eventually(lambda: sees_to_the_rest(connection, job_id))
        eventually(lambda: fails(connection, "delete checkpoints"))
        (tmp_path / "store").unlink()
        (tmp_path / "aside").rename(tmp_path / "store")
        eventually(lambda: works(connection, "delete checkpoints") and works(connection, "clear ended jobs"))
        assert not connection.client.exists(key("discarded"), key("ended"))
        assert not Path(store.of_job("job-1").location(first)).exists()
        assert Path(store.of_job("job-1").location(second)).exists()


def test_a_hundred_deletes_that_take_long_cost_neither_the_lead_nor_another_duty(
    settings: Settings, connection: Connection, redis_url: str, slow_store: str, eventually: Eventually
) -> None:
    store = Store(slow_store).of_job("job-1")
    for n in range(100):
        discard(connection, store.put_bytes(str(n).encode(), "checkpoint"))
    with controlled(settings.model_copy(update={"store_url": slow_store}), redis_url):
        eventually(LockedFileSystem.entered.is_set)
        leader = connection.client.get(key("leader"))
        job_id = silent_job(connection)
        renewals = renewals_of_the_lead(connection)
        # More of them than fit into one lease.
        eventually(lambda: renewals() >= 4)
        eventually(lambda: connection.client.get(key("leader")) == leader)
        eventually(lambda: is_reclaimed(connection, job_id))
        assert connection.client.hlen(key("discarded")) == 100
        LockedFileSystem.allowed.set()
        eventually(lambda: not connection.client.exists(key("discarded")))


def renewals_of_the_lead(connection: Connection) -> Callable[[], int]:
    """Counts how often the lease of the leader was seen to have been renewed."""
    count, left = 0, connection.client.pttl(key("leader"))

    def renewals() -> int:
        nonlocal count, left
        before, left = left, connection.client.pttl(key("leader"))
        count += left > before
        return count

    return renewals


def test_a_damaged_record_costs_other_jobs_nothing(
    settings: Settings, connection: Connection, redis_url: str, eventually: Eventually
) -> None:
    damaged, *others = (silent_job(connection) for _ in range(4))
    connection.client.hdel(key("job", damaged), "lease_until", "max_attempts")
    connection.client.zadd(key("leases"), {damaged: 0})
    with controlled(settings, redis_url):
        eventually(lambda: all(is_reclaimed(connection, job_id) for job_id in (damaged, *others)))
    states = [connection.run(records.status(job_id)).state for job_id in (damaged, *others)]
    # Of how often it may be tried nothing is known.
    assert states == [JobState.DEAD, *[JobState.QUEUED] * 3]


def test_whatever_a_duty_raises_is_logged_and_counted_and_the_next_one_runs(
    connection: Connection, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    turns = iter(range(10_000))

    def fail() -> None:
        if next(turns) < 3:
            raise KeyError("nobody has foreseen this")

    duties = [Duty("fail at first", 0.01, fail), Duty("go on", 0.01, lambda: None)]
    with caplog.at_level(logging.INFO):
        thread = DutyThread("test", duties, lambda: True, connection)
        thread.start()
        eventually(lambda: fails(connection, "fail at first"))
        eventually(lambda: works(connection, "fail at first") and works(connection, "go on"))
        thread.end()
        thread.join()
    state = duty(connection, "fail at first")
    assert state is not None
    assert (state.failures, state.failure) == (3, None)
    assert state.runs > 3
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1, "the same failure is logged once"
    assert "KeyError" in warnings[0].getMessage()
    assert warnings[0].exc_info
    assert "works again" in caplog.text


def test_a_duty_rests_until_there_is_something_to_do(connection: Connection, eventually: Eventually) -> None:
    ran: list[str] = []
    more = iter([True, False, False, True])

    def work() -> bool:
        ran.append("work")
        return next(more, False)

    duties = [
        Duty("work", 0.01, work, rest_s=3600, due=("work",)),
        Duty("rest", 0.01, lambda: ran.append("rest"), rest_s=3600, kept=("rest",)),
    ]
    thread = DutyThread("test", duties, lambda: True, connection)
    thread.start()
    # Once at first, and again as long as there may be more.
    eventually(lambda: sorted(ran) == ["rest", "work", "work"])
    thread.wake({"work", "what no duty is about"})
    eventually(lambda: ran.count("work") == 3)
    thread.wake({"rest"})
    eventually(lambda: ran.count("rest") == 2)
    thread.wake()
    eventually(lambda: ran.count("work") == 5 and ran.count("rest") == 3)
    thread.end()
    thread.join()
    runs = {name: state.runs for name in ("work", "rest") if (state := duty(connection, name))}
    assert runs == {"work": 5, "rest": 3}, "all are noted by the end"


def test_a_duty_that_always_has_something_to_do_keeps_no_other_from_its_turn(
    connection: Connection, eventually: Eventually
) -> None:
    turns: list[str] = []

    def go_on() -> None:
        turns.append("go on")
        thread.wake({"work"})

    duties = [
        Duty("go on", 0.01, go_on, rest_s=3600, due=("work",)),
        Duty("work", 0.01, lambda: turns.append("work"), rest_s=3600, due=("work",)),
    ]
    thread = DutyThread("test", duties, lambda: True, connection)
    thread.start()
    eventually(lambda: turns.count("work") >= 5)
    thread.end()
    thread.join()


def test_duties_go_on_where_something_else_was_written_in_the_place_of_their_states(
    settings: Settings, connection: Connection, redis_url: str, eventually: Eventually
) -> None:
    connection.client.set(key("duties"), "no hash")
    assert connection.run(duty_runs.duties()) == []
    with controlled(settings, redis_url):
        eventually(lambda: works(connection, "follow settings"))
        strange: dict[Any, Any] = {"follow settings": "[]", "load scripts": json.dumps({"runs": "x"})}
        connection.client.hset(key("duties"), mapping=strange)
        eventually(lambda: works(connection, "follow settings") and works(connection, "load scripts"))


def test_the_duties_of_another_version_are_forgotten_by_the_next_leader(
    settings: Settings, connection: Connection, redis_url: str, eventually: Eventually
) -> None:
    connection.run(duty_runs.duties_ran([duty_runs.DutyRun("a duty of old", 1.0, "it broke")]))
    assert fails(connection, "a duty of old")
    with controlled(settings, redis_url):
        eventually(lambda: works(connection, "reclaim jobs"))
        assert duty(connection, "a duty of old") is None


def test_a_controller_that_stands_by_takes_over_when_the_leader_ends(
    settings: Settings, connection: Connection, redis_url: str, eventually: Eventually
) -> None:
    def leader() -> bytes | None:
        found = connection.client.get(key("leader"))
        assert not isinstance(found, str)
        return found

    with controlled(settings, redis_url):
        eventually(leader)
        first = leader()
        second = controlled(settings, redis_url)
        second.__enter__()
    try:
        eventually(lambda: leader() not in (None, first))
        job_id = silent_job(connection)
        eventually(lambda: is_reclaimed(connection, job_id))
    finally:
        second.__exit__(None, None, None)
    assert leader() is None


def test_a_file_is_deleted_of_the_job_alone_that_discarded_it(
    settings: Settings, connection: Connection, eventually: Eventually, redis_url: str
) -> None:
    store = Store(settings.store)
    everybodys, discarded, kept = store, store.of_job("job-1"), store.of_job("job-2")
    [artifact] = {place.put_bytes(b"equal bytes", "checkpoint.npz") for place in (everybodys, discarded, kept)}
    discard(connection, artifact, "job-1")

    with controlled(settings, redis_url):
        eventually(lambda: not connection.client.exists(key("discarded")))

    with pytest.raises(Missing):
        discarded.read(artifact)
    assert everybodys.read(artifact) == kept.read(artifact) == b"equal bytes"


def test_a_controller_follows_its_settings_file_and_fails_to_for_as_long_as_that_is_damaged(
    settings: Settings, connection: Connection, redis_url: str, eventually: Eventually
) -> None:
    file = Path("stoker.toml")

    def tenants() -> set[bytes | str]:
        return set(connection.client.hkeys(key("quotas")))

    def failures() -> int:
        state = duty(connection, "follow settings")
        return state.failures if state else 0

    with controlled(settings, redis_url):
        file.write_text("[tenants.blue]\nrunning = 3\n")
        eventually(lambda: b"tenant blue" in tenants())
        file.write_text("no TOML")
        eventually(lambda: failures() >= 2)
        assert b"tenant blue" in tenants()
        file.write_text("[tenants.red]\nrunning = 3\n")
        eventually(lambda: b"tenant red" in tenants() and b"tenant blue" not in tenants())
        eventually(lambda: works(connection, "follow settings"))
