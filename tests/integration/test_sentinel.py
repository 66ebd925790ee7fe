"""Sentinels that name the master: everything goes on after a failover."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from celery import Celery

import stoker
from stoker import JobState, events
from stoker.local.server import server_binary
from stoker.local.subprocesses import Subprocess
from stoker.redis.celery_app import celery_app
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import BRIEF, SMALL, serving

PASSWORD, SENTINEL_PASSWORD = "of-the-servers", "of-the-sentinels"
SPEC = stoker.Train(model="failover", data="sample://digits", epochs=1, batch_size=256, device="cpu", seed=1, **SMALL)
LONG = SPEC.model_copy(update={"epochs": 400})
# A master that stands still for less, as on a busy machine, is not taken for dead.
DOWN_AFTER_MS = 5_000


@dataclass(frozen=True)
class SentinelSetup:
    """Two servers and three sentinels, by their ports."""

    servers: tuple[int, int]
    sentinels: tuple[int, int, int]

    @property
    def url(self) -> str:
        """What an app sets as STOKER_REDIS_URL."""
        first, *others = (f"127.0.0.1:{port}" for port in self.sentinels)
        addresses = ";".join([f"sentinel://:{PASSWORD}@{first}", *(f"sentinel://{other}" for other in others)])
        return f"{addresses}/1?master_name=stoker&sentinel_password={SENTINEL_PASSWORD}"

    def server(self, port: int) -> "redis.Redis":
        return redis.Redis(port=port, password=PASSWORD, db=1, socket_timeout=PATIENCE_S)

    def sentinel(self, port: int) -> "redis.Redis":
        return redis.Redis(port=port, password=SENTINEL_PASSWORD, socket_timeout=PATIENCE_S)

    def master(self) -> int:
        with self.sentinel(self.sentinels[0]) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name("stoker")[1])


@pytest.fixture
def setup(tmp_path: Path, eventually: Eventually) -> Iterator[SentinelSetup]:
    ports = free_ports(5)
    setup = SentinelSetup((ports[0], ports[1]), (ports[2], ports[3], ports[4]))
    with ExitStack() as running:
        for port in setup.servers:
            lines = [
                f"requirepass {PASSWORD}",
                f"masterauth {PASSWORD}",
                "appendonly yes",
                "repl-diskless-sync-delay 0",
            ]
            if port != setup.servers[0]:
                lines.append(f"replicaof 127.0.0.1 {setup.servers[0]}")
            running.enter_context(valkey(tmp_path / str(port), port, lines))
        # Sentinels that see the replica when they start need not wait for their next look at the master, in 10 s.
        eventually(lambda: is_replicating(setup))
        for port in setup.sentinels:
            lines = [
                f"requirepass {SENTINEL_PASSWORD}",
                f"sentinel monitor stoker 127.0.0.1 {setup.servers[0]} 2",
                f"sentinel auth-pass stoker {PASSWORD}",
                f"sentinel sentinel-pass {SENTINEL_PASSWORD}",
                f"sentinel down-after-milliseconds stoker {DOWN_AFTER_MS}",
                f"sentinel failover-timeout stoker {3 * DOWN_AFTER_MS}",
            ]
            running.enter_context(valkey(tmp_path / str(port), port, lines, "--sentinel"))
        eventually(lambda: is_complete(setup))
        yield setup


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


@contextmanager
def valkey(folder: Path, port: int, lines: list[str], *arguments: str) -> Iterator[None]:
    folder.mkdir()
    config = folder / "valkey.conf"
    config.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f'dir "{folder}"', 'save ""', *lines]))
    process = Subprocess([str(server_binary()), str(config), *arguments], log=folder / "log")
    try:
        yield
    finally:
        process.kill()
        process.wait()


def is_replicating(setup: SentinelSetup) -> bool:
    try:
        with setup.server(setup.servers[0]) as master:
            return bool(master.info("replication").get("slave0", {}).get("state") == "online")
    except redis.ConnectionError:
        return False


def is_complete(setup: SentinelSetup) -> bool:
    """Whether every sentinel sees the master, its replica and the other sentinels."""
    try:
        for port in setup.sentinels:
            with setup.sentinel(port) as sentinel:
                master = sentinel.sentinel_masters()["stoker"]
                if (master["num-slaves"], master["num-other-sentinels"]) != (1, 2):
                    return False
    except redis.ConnectionError:
        return False
    return True


def kill_master(setup: SentinelSetup) -> None:
    with setup.server(setup.servers[0]) as master:
        os.kill(int(master.info("server")["process_id"]), signal.SIGKILL)


def running(client: stoker.Client, spec: stoker.Train) -> stoker.Job:
    job = client.submit(spec)
    assert any(isinstance(event, events.Epoch) for event in job.events())
    return job


def test_everything_goes_on_after_a_failover(setup: SentinelSetup, tmp_path: Path, eventually: Eventually) -> None:
    settings = Settings(home=tmp_path / "home", redis_url=setup.url, slots=2, patience_s=PATIENCE_S)
    with serving(settings), stoker.Client(settings=settings) as client:
        [worker] = client.workers()
        long = running(client, LONG)
        acknowledged = [client.submit(BRIEF) for _ in range(5)]
        with setup.server(setup.servers[0]) as master:
            assert master.wait(1, 60_000) == 1, "the replica has them all"
        kill_master(setup)

        later = client.submit(SPEC)
        eventually(lambda: setup.master() == setup.servers[1])
        for job in (long, *acknowledged, later):
            assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
            assert len([event for event in job.events() if isinstance(event, events.Started)]) == 1
        assert [one.pid for one in client.workers()] == [worker.pid], "the worker has not ended for it"

        app = celery_app(settings, setup.url)
        assert app.AsyncResult(later.id).get(timeout=PATIENCE_S)["model"].startswith("failover@")
        assert app.control.inspect([worker.name], timeout=PATIENCE_S).ping()
        close(app)


def close(app: Celery) -> None:
    """Close what an app keeps open to ask for results and workers."""
    app.backend.client.close()
    app.backend.result_consumer.stop()
    app.close()


def test_the_async_client_finds_the_new_master(setup: SentinelSetup) -> None:
    async def story() -> None:
        async with stoker.AsyncClient(
            setup.url, settings=Settings(redis_url=setup.url, patience_s=PATIENCE_S)
        ) as client:
            job = await client.submit(SPEC)
            with setup.server(setup.servers[0]) as master:
                assert master.wait(1, 60_000) == 1
            await asyncio.to_thread(kill_master, setup)
            later = await client.submit(SPEC)
            assert [status.id for status in await client.jobs()] == [later.id, job.id]

    asyncio.run(story())


def test_a_wrong_password_or_name_or_a_replica_is_told_at_once(setup: SentinelSetup) -> None:
    replica = f"redis://:{PASSWORD}@127.0.0.1:{setup.servers[1]}/1"
    for url, error, told in (
        (setup.url.replace(PASSWORD, "guessed"), stoker.Unauthorized, "refused the login"),
        (setup.url.replace(SENTINEL_PASSWORD, "guessed"), stoker.Unauthorized, "the sentinels of .* refused the login"),
        (setup.url.replace("=stoker", "=nobody"), stoker.Unavailable, "no sentinel of .* check master_name"),
        (replica, stoker.Unavailable, "takes no writes now"),
    ):
        with stoker.Client(settings=Settings(redis_url=url, patience_s=0)) as client:
            with pytest.raises(error, match=told) as raised:
                client.submit(SPEC)
            assert "guessed" not in raised.value.message
