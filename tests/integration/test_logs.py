"""What jobs print, on a real worker: all of it is there while they run and after, whatever ends them."""

import asyncio
import os
import shutil
import signal
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

import stoker
from stoker import JobState
from stoker.events import Log
from stoker.ledger import attempts, intake, logs
from stoker.ledger.intake import NewJob
from stoker.ledger.keys import key
from stoker.ledger.logs import KeptLog
from stoker.local import redis_url_of
from stoker.models.store import Store
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.controller import leftovers

from .. import commands
from ..conftest import PATIENCE_S
from .test_ledger import claimed
from .test_leftovers import look

ODD = "dït \x1b[31mred\x1b[0m\x00\u2028behind"


def talk(folder: Path, *ends: str, lines: int = 3) -> stoker.Run:
    return stoker.Run("shop.jobs:talk", {"folder": str(folder), "ends": ends, "lines": lines})


def said(attempt: int, lines: int = 3) -> list[str]:
    beginning = [f"… attempt {attempt} begins here …"] if attempt > 1 else []
    return [*beginning, *(f"line {n} of attempt {attempt}" for n in range(lines)), ODD, "no end"]


def kept(client: stoker.Client, job: stoker.Job[stoker.RunResult]) -> KeptLog | None:
    return client._run(logs.kept(job.id))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "attempts"
    folder.mkdir()
    return folder


@pytest.fixture
def command(stack: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOKER_REDIS_URL", redis_url_of(stack))
    monkeypatch.setenv("STOKER_STORE_URL", stack.store)


@pytest.mark.usefixtures("command")
def test_what_two_attempts_printed_is_a_file_at_the_end_and_none_comes_twice(
    client: stoker.Client, stack: Settings, folder: Path
) -> None:
    job = client.submit(talk(folder, "kill", "end"))
    job.result(timeout=PATIENCE_S)
    told = [*said(1), *said(2)]
    assert job.logs() == told
    assert job.files["log.txt"].read().decode() == "".join(f"{line}\n" for line in told)
    assert list(job.follow_logs()) == told
    assert "line 2 of attempt 2" in commands.run("logs", job.id[:8], "-f").stdout.splitlines()
    # Without the file the events are told, and it is said.
    log = kept(client, job)
    assert log is not None
    Store(stack.store).delete(log.artifact)
    first, *rest = job.logs()
    assert "cannot be read, here is what its events have" in first
    assert rest == told


def test_many_more_lines_than_the_ledger_keeps_events_are_all_there(client: stoker.Client, folder: Path) -> None:
    job = client.submit(talk(folder, "end", lines=30_000))
    job.result(timeout=PATIENCE_S)
    assert job.logs() == said(1, 30_000)
    assert client._connection.client.xlen(key("events", job.id)) < 11_000


@pytest.mark.parametrize(("end", "state"), [("fail", JobState.FAILED), ("wait", JobState.CANCELLED)])
def test_what_failed_and_cancelled_jobs_printed_is_kept(
    client: stoker.Client, folder: Path, end: str, state: JobState
) -> None:
    job = client.submit(talk(folder, end))
    if end == "wait":
        next(event for event in job.events() if isinstance(event, Log) and event.line == "no end")
        job.cancel()
    assert job.wait(timeout=PATIENCE_S) is state
    log = kept(client, job)
    assert log is not None
    assert log.attempt == 1
    # A line without an end is one only once it is sure that nothing follows.
    assert set(said(1)) <= set(job.logs())
    assert job.logs()[:4] == said(1)[:4]


def test_who_follows_hears_all_and_ends_with_the_job(client: stoker.Client, stack: Settings, folder: Path) -> None:
    job = client.submit(talk(folder, "wait"))
    heard: list[str] = []
    has_heard = threading.Event()

    def follow() -> None:
        for line in job.follow_logs():
            heard.append(line)
            if line == "no end":
                has_heard.set()

    follower = threading.Thread(target=follow)
    follower.start()
    assert has_heard.wait(PATIENCE_S)
    job.cancel()
    follower.join(PATIENCE_S)
    assert heard == said(1)

    async def story() -> tuple[list[str], list[str]]:
        async with stoker.AsyncClient(settings=stack) as other:
            same = await other.job(job.id)
            return await same.logs(), [line async for line in same.follow_logs()]

    assert asyncio.run(story()) == (heard, heard)


def test_what_was_printed_before_a_slot_was_killed_is_there_and_goes_into_the_file(
    client: stoker.Client, folder: Path
) -> None:
    job = client.submit(talk(folder, "wait", "end"))
    next(event for event in job.events() if isinstance(event, Log) and event.line == "no end")
    worker = job.status().worker
    assert worker is not None
    slots = psutil.Process(int(worker.partition("@")[0].rpartition("-")[2])).children()
    [attempt] = folder.iterdir()
    [slot] = [slot for slot in slots if int(attempt.name) in [child.pid for child in slot.children()]]
    os.kill(slot.pid, signal.SIGKILL)
    job.result(timeout=PATIENCE_S)
    assert job.logs() == [*said(1), *said(2)]
    assert b"line 2 of attempt 1\n" in job.files["log.txt"].read()


def test_what_prints_nothing_has_no_file(client: stoker.Client) -> None:
    job = client.submit(stoker.Run("shop.jobs:tidy", {"what": ["a"]}))
    job.result(timeout=PATIENCE_S)
    assert (job.logs(), kept(client, job), "log.txt" in job.files) == ([], None, False)


def test_a_store_that_takes_no_file_fails_no_job(
    client: stoker.Client, stack: Settings, folder: Path, tmp_path: Path
) -> None:
    root = Path(stack.store) / "sha256"
    root.mkdir(exist_ok=True, parents=True)
    aside = tmp_path / "aside"
    shutil.move(root, aside)
    root.touch()
    try:
        job = client.submit(talk(folder, "end"))
        job.result(timeout=PATIENCE_S)
    finally:
        root.unlink()
        shutil.move(aside, root)
    *told, warning = job.logs()
    assert told == said(1)
    assert "is not kept as a file, its events have the newest 10,000 lines" in warning
    assert kept(client, job) is None


def test_the_clean_up_keeps_the_file_as_long_as_the_record(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "YOUNG", -timedelta(minutes=5))
    monkeypatch.setattr(leftovers, "SECOND_LOOK", timedelta(0))
    store = Store(str(tmp_path / "store"))
    with closing(Connection.open(Settings(), redis_url)) as connection:
        connection.run(intake.submit([NewJob("job", talk(tmp_path, "end"), "cpu.batch")]))
        attempt = claimed(connection, "job", "owner")
        log = KeptLog(attempt=1, artifact=store.put_bytes(b"a line\n", "log.txt"))
        assert connection.run(logs.keep(attempt, log))
        connection.run(attempts.fail(attempt, JobState.FAILED, "for a test"))
        look(store, connection)
        assert Path(store.location(log.artifact)).exists()
        connection.client.delete(key("job", "job"))
        look(store, connection)
        assert not Path(store.location(log.artifact)).exists()
