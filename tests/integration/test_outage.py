"""Redis goes away: it is killed, it stops answering, it is gone. What clients and workers make of it."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest
import redis

import stoker
from stoker import JobState, events
from stoker.ledger import attempts, presence
from stoker.ledger.attempt import Attempt
from stoker.ledger.replies import ReportReply
from stoker.ledger.scripts import script
from stoker.local import redis_url_of
from stoker.local.server import local_server
from stoker.local.subprocesses import Subprocess
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .. import preloaded
from ..conftest import PATIENCE_S, Eventually
from .conftest import BRIEF, SLOW, SMALL
from .proxy import proxy_before

SPEC = stoker.Train(model="outage", data="sample://digits", epochs=1, batch_size=256, device="cpu", seed=1, **SMALL)
# A few seconds of work, and more than anyone waits for.
LONG = SPEC.model_copy(update={"epochs": 40, "architecture": SLOW})
ENDLESS = LONG.model_copy(update={"epochs": 1_000_000})


@pytest.fixture
def server_url(tmp_path: Path) -> Iterator[str]:
    """A server of this test's own, which is started again when it is killed."""
    with local_server(tmp_path / "server") as url:
        yield url


@pytest.fixture
def behind(server_url: str) -> Iterator[Connection]:
    """A patient connection to it."""
    connection = Connection.open(Settings(), server_url, patience_s=PATIENCE_S)
    yield connection
    connection.close()


def pid_of(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def kill_server(url: str) -> None:
    os.kill(pid_of(url), signal.SIGKILL)


@contextmanager
def silent(pid: int) -> Iterator[Callable[[], None]]:
    """A process that does not answer, as if every packet to it vanished; gives what lets it speak again."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield lambda: os.kill(pid, signal.SIGCONT)
    finally:
        os.kill(pid, signal.SIGCONT)


def finish(behind: Connection, job_id: str) -> None:
    """Do a worker's part: claim the job, tell of one epoch, fail it."""
    attempt = behind.run(attempts.claim(job_id, f"owner of {job_id}", "worker", 60))
    assert isinstance(attempt, Attempt)
    epoch = events.Epoch(epoch=1, epochs=1, metrics={}, rows_per_s=1, eta_s=0)
    behind.run(attempts.report(attempt, 60, [epoch]))
    behind.run(attempts.fail(attempt, JobState.FAILED, "no data"))


def test_a_submit_fails_fast_when_the_server_is_gone(tmp_path: Path) -> None:
    with local_server(tmp_path / "server") as url:
        client = stoker.Client(settings=Settings(redis_url=url, patience_s=0.1))
        job = client.submit(SPEC)
    told = r"Redis at redis://\*\*\*@127.0.0.1:\d+/0 cannot be reached: .*refused"
    for step in (lambda: client.submit(SPEC), job.status, job.cancel, client.models, lambda: client.infer("m", [[1]])):
        with pytest.raises(stoker.Unavailable, match=told):
            step()
    with pytest.raises(stoker.Unavailable, match=told):
        job.result(timeout=0.5)
    client.close()


def test_a_server_that_never_answers_is_asked_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}"
        settings = Settings(redis_url=url, socket_timeout_s=0.3, patience_s=0.1)
        with stoker.Client(settings=settings) as client, pytest.raises(stoker.Unavailable, match="Timeout reading"):
            client.submit(SPEC)

        async def story() -> None:
            async with stoker.AsyncClient(settings=settings) as client:
                with pytest.raises(stoker.Unavailable, match="Timeout"):
                    await client.submit(SPEC)

        asyncio.run(story())
        # Each client has connected once, and has sent nothing twice.
        listener.settimeout(0)
        for _ in range(2):
            listener.accept()[0].close()
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_patient_submit_outlasts_a_server_that_is_silent_or_starts_again(server_url: str, behind: Connection) -> None:
    settings = Settings(redis_url=server_url, socket_timeout_s=1, patience_s=PATIENCE_S)
    with stoker.Client(settings=settings) as client:
        before = client.submit(SPEC)
        with silent(pid_of(server_url)) as speak:
            timer = threading.Timer(2.5, speak)
            timer.start()
            during = client.submit(SPEC, idempotency_key="silent")
            timer.join()
        kill_server(server_url)
        after = client.submit(SPEC)
        assert {status.id for status in client.jobs()} == {before.id, during.id, after.id}


def test_events_go_on_behind_the_last_one_when_the_server_is_back(server_url: str, behind: Connection) -> None:
    with (
        stoker.Client(settings=Settings(redis_url=server_url, socket_timeout_s=1, patience_s=PATIENCE_S)) as client,
        ThreadPoolExecutor() as readers,
    ):
        job = client.submit(SPEC)
        story = readers.submit(lambda: [event.type for event in job.events()])
        result = readers.submit(lambda: job.wait(timeout=PATIENCE_S))
        kill_server(server_url)
        finish(behind, job.id)
        assert story.result(PATIENCE_S) == ["queued", "started", "epoch", "finished"]
        assert result.result(PATIENCE_S) is JobState.FAILED
        assert job.wait(timeout=0) is JobState.FAILED


def test_the_async_client_outlasts_it_too(server_url: str, behind: Connection) -> None:
    async def story() -> None:
        settings = Settings(redis_url=server_url, socket_timeout_s=1, patience_s=PATIENCE_S)
        async with stoker.AsyncClient(settings=settings) as client:
            job = await client.submit(SPEC)
            waiting = asyncio.create_task(job.wait(timeout=PATIENCE_S))
            await asyncio.to_thread(kill_server, server_url)
            later = await client.submit(SPEC)
            await asyncio.to_thread(finish, behind, job.id)
            assert await waiting is JobState.FAILED
            assert [event.type async for event in job.events()] == ["queued", "started", "epoch", "finished"]
            assert await later.state() is JobState.QUEUED

    asyncio.run(story())


def test_nobody_waits_longer_than_the_timeout_for_a_silent_server(server_url: str) -> None:
    # Longer than a server on a busy machine is silent by itself.
    with stoker.Client(settings=Settings(redis_url=server_url, socket_timeout_s=3)) as client:
        job = client.submit(SPEC)
        with silent(pid_of(server_url)):
            for wait in (job.wait, job.result):
                with pytest.raises(stoker.Unavailable):
                    wait(timeout=0.7)
        with pytest.raises(stoker.Timeout, match=r"is QUEUED after 0\.7 s of waiting"):
            job.wait(timeout=0.7)


def test_nobody_waits_for_a_job_that_was_forgotten_or_for_events_behind_the_last(
    server_url: str, behind: Connection
) -> None:
    with stoker.Client(server_url) as client:
        ended, forgotten = client.submit(SPEC), client.submit(SPEC)
        finish(behind, ended.id)
        last = list(ended.events())[-1]
        assert list(ended.events(after=last.id)) == []
        with ThreadPoolExecutor() as readers:
            waiting = readers.submit(forgotten.wait)
            behind.client.flushall()
            with pytest.raises(stoker.JobNotFound):
                waiting.result(PATIENCE_S)


def test_a_server_that_takes_no_writes_is_unavailable_and_says_why(server_url: str, behind: Connection) -> None:
    with stoker.Client(settings=Settings(redis_url=server_url, patience_s=0)) as client:
        for setting, value, back, told in (
            ("maxmemory", "1", "0", "takes no writes now: command not allowed when used memory"),
            ("min-replicas-to-write", "1", "0", "takes no writes now: NOREPLICAS"),
        ):
            behind.client.config_set(setting, value)
            with pytest.raises(stoker.Unavailable, match=told):
                client.submit(SPEC)
            behind.client.config_set(setting, back)
        client.submit(SPEC)


def test_a_server_without_memory_for_a_write_loses_nothing_that_was_written(
    server_url: str, behind: Connection
) -> None:
    with stoker.Client(settings=Settings(redis_url=server_url, patience_s=0)) as client:
        job = client.submit(SPEC)
        before = behind.client.xrange(f"stoker:events:{job.id}"), behind.client.get("stoker:rings")
        behind.client.config_set("maxmemory", "1")
        with pytest.raises(stoker.Unavailable):
            client.submit(SPEC)
        behind.client.config_set("maxmemory", "0")
        assert (behind.client.xrange(f"stoker:events:{job.id}"), behind.client.get("stoker:rings")) == before
        assert not behind.client.exists("stoker:repairs")


def running(client: stoker.Client, spec: stoker.Train) -> stoker.Job:
    """A job that has trained for an epoch."""
    job = client.submit(spec)
    assert any(isinstance(event, events.Epoch) for event in job.events())
    return job


def starts(job: stoker.Job) -> int:
    return len([event for event in job.events() if isinstance(event, events.Started)])


def test_running_and_queued_jobs_outlast_a_killed_server(stack: Settings) -> None:
    with (
        stoker.Client(settings=stack.model_copy(update={"patience_s": PATIENCE_S})) as client,
        ThreadPoolExecutor() as callers,
    ):
        model = client.submit(SPEC).result(timeout=PATIENCE_S)
        assert isinstance(model, stoker.TrainResult)
        workers = [worker.name for worker in client.workers()]
        both = [running(client, LONG) for _ in range(2)]
        queued = client.submit(BRIEF)
        kill_server(redis_url_of(stack))
        answer = callers.submit(client.infer, model.model, np.zeros((1, 64)), timeout=PATIENCE_S)
        later = client.submit(BRIEF)
        for job in (*both, queued, later):
            assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
            assert starts(job) == 1
        assert answer.result(PATIENCE_S).shape == (1, 10)
        assert [worker.name for worker in client.workers()] == workers, "no worker has ended for it"


def test_a_job_keeps_its_worker_through_an_outage_longer_than_its_lease(stack: Settings) -> None:
    with stoker.Client(settings=stack.model_copy(update={"patience_s": PATIENCE_S})) as client:
        job = running(client, ENDLESS)
        with silent(pid_of(redis_url_of(stack))):
            time.sleep(stack.lease_s + 2)
        after = client.submit(BRIEF)
        assert after.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
        assert job.status().attempt == 1
        job.cancel()
        assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED
        assert starts(job) == 1


def test_a_controller_lets_workers_speak_first_when_the_server_is_back(
    server_url: str, behind: Connection, tmp_path: Path, eventually: Eventually
) -> None:
    settings = Settings(redis_url=server_url, home=tmp_path, lease_s=5)
    environment = os.environ | settings.environment()
    controller = Subprocess(
        [preloaded.python(), "-m", "stoker_workers.controller"],
        log=tmp_path / "controller.log",
        environment=environment,
    )
    with ExitStack() as ending, stoker.Client(settings=settings) as client:
        ending.callback(controller.stop, PATIENCE_S)
        eventually(lambda: behind.client.exists("stoker:leader"))
        job = client.submit(SPEC)
        attempt = behind.run(attempts.claim(job.id, "owner", "worker", settings.lease_s))
        assert isinstance(attempt, Attempt)
        due = client.submit(SPEC.model_copy(update={"not_before": datetime.now(UTC) + timedelta(seconds=1)}))
        with silent(pid_of(server_url)):
            time.sleep(settings.lease_s + 1)
        eventually(lambda: due.state is JobState.QUEUED)
        assert behind.run(attempts.report(attempt, settings.lease_s)) is ReportReply.OK, "a whole round has passed"
        eventually(lambda: job.state is not JobState.RUNNING)


@contextmanager
def worker_of(settings: Settings, url: str, log: Path) -> Iterator[psutil.Process]:
    """A worker of this test's own, once it serves: the GPU's queues, so that nobody else takes its jobs."""
    own = {"STOKER_REDIS_URL": url, "STOKER_SLOTS": "1", "PYTHONPATH": str(Path(__file__).parent)}
    program = Subprocess(
        [preloaded.python(), "-m", "gpu_queues"], log=log, environment=os.environ | settings.environment() | own
    )
    with ExitStack() as ending:
        ending.callback(program.wait)
        ending.callback(program.kill)
        name, worker = announced(settings, program)
        ending.callback(leave, settings, name)
        ending.callback(kill_with_children, worker)
        yield worker


def announced(settings: Settings, program: Subprocess) -> tuple[str, psutil.Process]:
    """The name and the process of the one worker that serves the GPU's queues."""
    deadline = time.monotonic() + PATIENCE_S
    with stoker.Client(settings=settings) as client:
        while not (found := [worker for worker in client.workers() if worker.name.startswith("gpu-")]):
            assert program.wait(0) is None, program.last_lines()
            assert time.monotonic() < deadline, program.last_lines()
            time.sleep(0.05)
    [worker] = found
    return worker.name, psutil.Process(worker.pid)


def leave(settings: Settings, name: str) -> None:
    """A worker that was killed counts as live for some seconds, and jobs of other tests would wait for it."""
    connection = Connection.open(settings, redis_url_of(settings))
    connection.run(presence.leave(name), patience_s=PATIENCE_S)
    connection.close()


def kill_with_children(worker: psutil.Process) -> None:
    if not worker.is_running():
        return
    family = [worker, *worker.children(recursive=True)]
    for process in family:
        if process.is_running():
            process.kill()
    worker.wait()
    psutil.wait_procs(family)


def test_a_job_whose_message_came_but_could_not_be_claimed_is_rung_for_again(stack: Settings, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"device": "gpu"})
    url, log = redis_url_of(stack), tmp_path / "worker.log"
    with proxy_before(url) as line, stoker.Client(settings=stack) as client:
        with worker_of(stack, line.url, log) as worker:
            line.cut_at(script("claim").sha.encode())
            job = client.submit(spec)
            assert line.cut.wait(PATIENCE_S), log.read_text()
            with redis.Redis.from_url(url) as server:
                assert server.llen("gpu.train\x06\x166") == 0, "the message is out of its queue"
            assert job.state is JobState.QUEUED
            # It insists, for a minute and more; but now it dies, and the message with it.
            assert worker.is_running()
        with worker_of(stack, url, log):
            assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED, log.read_text()
            assert starts(job) == 1


def test_the_second_sigterm_hands_jobs_back_without_waiting_for_them(
    stack: Settings, tmp_path: Path, eventually: Eventually
) -> None:
    url, log = redis_url_of(stack), tmp_path / "worker.log"
    with stoker.Client(settings=stack) as client, worker_of(stack, url, log) as worker:
        job = running(client, ENDLESS.model_copy(update={"device": "gpu"}))
        [runner] = [process for slot in worker.children() for process in slot.children()]
        # It cannot save a checkpoint: a drain would wait a minute for it.
        runner.suspend()
        worker.terminate()
        eventually(lambda: log.read_text().count("Warm shutdown") == 1)
        assert job.state is JobState.RUNNING
        worker.terminate()
        worker.wait(timeout=PATIENCE_S)
        status = job.status()
        assert (status.state, status.attempt) == (JobState.QUEUED, 1)
        assert not runner.is_running()
        job.cancel()
        told = [event.words() for event in job.events() if isinstance(event, events.Queued)]
        assert told[1].endswith("was drained")
