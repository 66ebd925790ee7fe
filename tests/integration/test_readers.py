"""What waits for Redis in a client's background survives whatever Redis answers, and costs others nothing."""

import asyncio
import socketserver
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import redis

import stoker
from stoker import events
from stoker.client.async_job import AsyncJob
from stoker.errors import public_class
from stoker.ledger import attempts, dead_jobs
from stoker.ledger.attempt import Attempt
from stoker.local.server import local_server
from stoker.redis.calls import Call
from stoker.redis.connection import AsyncConnection, Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .echo import echo_of, register

SPEC = stoker.Train(model="followed", data="sample://digits", device="cpu")
# How long to wait for an answer that may have been lost with its connection.
LOST_S = 5.0
# How long a silent server is believed; a reader that waits for news asks again after half of it.
SOON_S = 4.0


@pytest.fixture
def server_url(tmp_path: Path) -> Iterator[str]:
    """A server of this test's own, which can be made a replica."""
    with local_server(tmp_path / "server") as url:
        yield url


def demote(server: "redis.Redis") -> None:
    """A failover in good order, and back: the server is somebody's replica for a moment."""
    # That one knows no such login, so this server keeps what it has.
    server.replicaof("127.0.0.1", server.connection_pool.connection_kwargs["port"])
    time.sleep(0.5)
    server.replicaof("NO", "ONE")


def unblock(server: "redis.Redis") -> None:
    """Whoever waits inside the server gets an error instead of an answer."""
    for client in server.client_list():
        if "b" in client["flags"]:
            server.client_unblock(int(client["id"]), error=True)


def cut(server: "redis.Redis") -> None:
    """Every connection is closed by the server."""
    server.client_kill_filter(_type="normal", skipme=True)


def finish(connection: Connection, job_id: str) -> None:
    attempt = connection.run(attempts.claim(job_id, f"owner of {job_id}", "worker", 60))
    assert isinstance(attempt, Attempt)
    connection.run(attempts.fail(attempt, stoker.JobState.FAILED, "no data"))


def blocked(server: "redis.Redis") -> int:
    return int(server.info("clients")["blocked_clients"])


@pytest.mark.parametrize("trouble", [demote, unblock, cut])
def test_callers_and_followers_outlast_it(
    server_url: str, trouble: Callable[["redis.Redis"], None], eventually: Eventually
) -> None:
    settings = Settings(redis_url=server_url, patience_s=PATIENCE_S)
    behind = Connection.open(settings, server_url, patience_s=PATIENCE_S)
    with (
        echo_of(server_url),
        redis.Redis.from_url(server_url) as server,
        stoker.Client(settings=settings) as client,
        ThreadPoolExecutor(40) as callers,
    ):
        jobs = client.submit_many([SPEC] * 15)
        results = [callers.submit(job.wait, PATIENCE_S) for job in jobs]
        answers = [callers.submit(_ask, client, n, LOST_S if trouble is cut else PATIENCE_S) for n in range(20)]
        eventually(lambda: blocked(server) >= 2)
        for _ in range(3):
            trouble(server)
        for job in jobs:
            finish(behind, job.id)
        assert [result.result(PATIENCE_S) for result in results] == [stoker.JobState.FAILED] * len(jobs)
        for answer in answers:
            answer.result(PATIENCE_S)
        _ask(client, 99)
    behind.close()


def _ask(client: stoker.Client, n: int, timeout: float = PATIENCE_S) -> None:
    for m in range(30):
        rows = np.array([n, m], float)
        with suppress(stoker.Timeout):
            assert np.array_equal(client.infer("echo", rows, timeout=timeout), rows)
            continue
        assert timeout < PATIENCE_S, "an answer is lost only where a connection is cut, on its way"


@pytest.mark.parametrize("trouble", [demote, unblock, cut])
def test_asyncio_callers_and_followers_outlast_it(
    server_url: str, trouble: Callable[["redis.Redis"], None], eventually: Eventually
) -> None:
    settings = Settings(redis_url=server_url, patience_s=PATIENCE_S)

    async def ask(client: stoker.AsyncClient, n: int) -> None:
        for m in range(30):
            rows = np.array([n, m], float)
            with suppress(stoker.Timeout):
                assert np.array_equal(
                    await client.infer("echo", rows, timeout=LOST_S if trouble is cut else PATIENCE_S), rows
                )
                continue
            assert trouble is cut, "an answer is lost only where a connection is cut, on its way"

    async def story(server: "redis.Redis", behind: Connection) -> None:
        async with stoker.AsyncClient(settings=settings) as client:
            jobs = await client.submit_many([SPEC] * 15)
            waiting = [asyncio.create_task(job.wait(PATIENCE_S)) for job in jobs]
            asking = [asyncio.create_task(ask(client, n)) for n in range(20)]
            await asyncio.to_thread(eventually, lambda: blocked(server) >= 2)
            for _ in range(3):
                await asyncio.to_thread(trouble, server)
            for job in jobs:
                await asyncio.to_thread(finish, behind, job.id)
            assert await asyncio.gather(*waiting) == [stoker.JobState.FAILED] * len(jobs)
            await asyncio.gather(*asking)
            await ask(client, 99)

    behind = Connection.open(settings, server_url, patience_s=PATIENCE_S)
    with echo_of(server_url), redis.Redis.from_url(server_url) as server:
        asyncio.run(story(server, behind))
    behind.close()


@contextmanager
def server_that_answers(answer: bytes) -> Iterator[str]:
    """A server that gives one answer to whatever comes; its URL."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while data := self.request.recv(1 << 20):
                # One answer to each command of a pipeline.
                commands = sum(1 for line in data.split(b"\r\n") if line.startswith(b"*"))
                self.request.sendall(answer * max(1, commands))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"redis://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b"-READONLY You can't write against a read only replica.", stoker.Unavailable, "takes no writes now"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.", stoker.Unavailable, "takes no writes now"),
        (b"-MISCONF Redis is configured to save RDB snapshots", stoker.Unavailable, "takes no writes now"),
        (b"-NOREPLICAS Not enough good replicas to write.", stoker.Unavailable, "takes no writes now"),
        (b"-LOADING Redis is loading the dataset in memory", stoker.Unavailable, "answers nothing now"),
        (b"-BUSY Redis is busy running a script.", stoker.Unavailable, "answers nothing now"),
        (b"-MASTERDOWN Link with MASTER is down", stoker.Unavailable, "answers nothing now"),
        (b"-UNBLOCKED force unblock from blocking operation", stoker.Unavailable, "answers nothing now"),
        (b"-CLUSTERDOWN The cluster is down", stoker.Unavailable, "answers nothing now"),
        (b"-TRYAGAIN Multiple keys request during rehashing of slot", stoker.Unavailable, "answers nothing now"),
        (b"-ERR max number of clients reached", stoker.Unavailable, "takes no more connections"),
        (b"-NOAUTH Authentication required.", stoker.Unauthorized, "refused the login"),
        (b"-WRONGPASS invalid username-password pair", stoker.Unauthorized, "refused the login"),
        (b"-NOPERM this user has no permissions to run the 'xread' command", stoker.Unauthorized, "forbids this user"),
        (b"-DENIED Redis is running in protected mode", stoker.Unauthorized, "forbids this user"),
        (b"-WRONGTYPE Operation against a key holding the wrong kind of value", stoker.StokerError, "wrong type"),
        (b"-MOVED 3999 127.0.0.1:6381", stoker.StokerError, "no cluster"),
        (b"-ERR unknown command 'EVALSHA'", stoker.StokerError, "unknown command"),
        (b"-SOMETHING that nobody has heard of", stoker.StokerError, "that nobody has heard of"),
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n", stoker.Unavailable, "does not speak Redis' protocol"),
    ],
)
def test_every_answer_of_redis_is_an_error_of_ours(answer: bytes, error: type[stoker.StokerError], says: str) -> None:
    with server_that_answers(answer + b"\r\n") as url:
        settings = Settings(redis_url=url, patience_s=0.1)

        async def both() -> None:
            with stoker.Client(settings=settings) as client, pytest.raises(error, match=says) as raised:
                client.jobs()
            assert public_class(raised.value) is error
            async with stoker.AsyncClient(settings=settings) as async_client:
                with pytest.raises(error, match=says) as raised:
                    await async_client.jobs()
            assert public_class(raised.value) is error

        asyncio.run(both())


def test_a_reader_that_may_not_read_tells_the_callers_at_once(server_url: str) -> None:
    register(server_url)
    with redis.Redis.from_url(server_url) as server:
        server.acl_setuser("poor", enabled=True, passwords=["+word"], keys=["*"], commands=["+@all", "-blpop"])
    url = f"redis://poor:word@127.0.0.1:{urlsplit(server_url).port}/0"

    async def ask() -> None:
        async with stoker.AsyncClient(url) as client:
            for _ in range(2):
                with pytest.raises(stoker.Unauthorized, match="blpop"):
                    await client.infer("echo", np.zeros(1), timeout=PATIENCE_S)

    with stoker.Client(url) as client:
        for _ in range(2):
            with pytest.raises(stoker.Unauthorized, match="blpop"):
                client.infer("echo", np.zeros(1), timeout=PATIENCE_S)
    asyncio.run(ask())


def test_an_answer_that_cannot_be_read_fails_whom_it_may_concern_and_no_later_caller(
    redis_url: str, eventually: Eventually
) -> None:
    register(redis_url)
    with redis.Redis.from_url(redis_url) as server, stoker.Client(redis_url) as client:
        with ThreadPoolExecutor(1) as caller:
            waiting = caller.submit(client.infer, "echo", np.zeros(1), timeout=PATIENCE_S)
            eventually(lambda: blocked(server) == 1)
            server.rpush(f"stoker:answers:{client._lanes.get()._pending.client}", b"junk")
            with pytest.raises(stoker.StokerError, match="could not be read"):
                waiting.result(PATIENCE_S)
        with echo_of(redis_url):
            assert client.infer("echo", np.ones(1), timeout=PATIENCE_S) == [1]


def types(job: stoker.Job) -> list[str]:
    return [event.type for event in job.events()]


def test_many_who_wait_take_nothing_from_others(redis_url: str, eventually: Eventually) -> None:
    behind = Connection.open(Settings(), redis_url)
    with (
        echo_of(redis_url),
        redis.Redis.from_url(redis_url) as server,
        stoker.Client(redis_url) as client,
        ThreadPoolExecutor(200) as readers,
    ):
        jobs = client.submit_many([SPEC] * 100)
        stories = [readers.submit(types, job) for job in jobs[:60]]
        waits = [readers.submit(job.wait) for job in jobs]
        result = readers.submit(jobs[0].result, PATIENCE_S)
        _ask(client, 1)
        assert len(client.jobs(limit=200)) == 100
        assert client.submit(SPEC).state is stoker.JobState.QUEUED
        for job in jobs:
            finish(behind, job.id)
        with pytest.raises(stoker.JobFailed, match="no data"):
            result.result(PATIENCE_S)
        assert [story.result(PATIENCE_S) for story in stories] == [["queued", "started", "finished"]] * 60
        assert [wait.result(PATIENCE_S) for wait in waits] == [stoker.JobState.FAILED] * 100
        assert int(server.info("clients")["connected_clients"]) < 60
    behind.close()


def test_many_asyncio_tasks_that_wait_take_nothing_from_others(redis_url: str) -> None:
    behind = Connection.open(Settings(), redis_url)

    async def story() -> None:
        async with stoker.AsyncClient(redis_url) as client:
            jobs = await client.submit_many([SPEC] * 300)
            # Each of these would want a connection at the same moment.
            assert {status.id for status in await asyncio.gather(*(job.status() for job in jobs))} == {
                job.id for job in jobs
            }

            async def types(job: AsyncJob) -> list[str]:
                return [event.type async for event in job.events()]

            stories = [asyncio.create_task(types(job)) for job in jobs]
            assert await client.infer("echo", np.ones(1), timeout=PATIENCE_S) == [1]
            assert len(await client.jobs(limit=500)) == 300
            for job in jobs:
                await asyncio.to_thread(finish, behind, job.id)
            assert await asyncio.gather(*stories) == [["queued", "started", "finished"]] * 300

    with echo_of(redis_url):
        asyncio.run(story())
    behind.close()


def test_a_damaged_stream_of_events_ends_the_wait_for_it_and_no_other(redis_url: str, eventually: Eventually) -> None:
    behind = Connection.open(Settings(), redis_url)
    with (
        redis.Redis.from_url(redis_url) as server,
        stoker.Client(settings=Settings(redis_url=redis_url, socket_timeout_s=SOON_S)) as client,
        ThreadPoolExecutor(2) as readers,
    ):
        damaged, sound = client.submit_many([SPEC, SPEC])
        waits = [readers.submit(job.wait, PATIENCE_S) for job in (damaged, sound)]
        eventually(lambda: blocked(server) == 1)
        server.delete(f"stoker:events:{damaged.id}")
        server.set(f"stoker:events:{damaged.id}", "junk")
        with pytest.raises(stoker.StokerError, match="something else than Stoker"):
            waits[0].result(PATIENCE_S)
        finish(behind, sound.id)
        assert waits[1].result(PATIENCE_S) is stoker.JobState.FAILED
    behind.close()


def test_two_who_follow_one_job_from_different_places(redis_url: str) -> None:
    behind = Connection.open(Settings(), redis_url)
    settings = Settings(redis_url=redis_url, socket_timeout_s=SOON_S)
    with stoker.Client(settings=settings) as client, ThreadPoolExecutor(3) as readers:
        job = client.submit(SPEC)
        first = next(job.events())
        never = readers.submit(lambda: list(job.events(after="99999999999999-0")))
        late = readers.submit(lambda: [event.type for event in job.events(after=first.id)])
        whole = readers.submit(lambda: [event.type for event in job.events()])
        attempt = behind.run(attempts.claim(job.id, "owner", "worker", 60))
        assert isinstance(attempt, Attempt)
        epochs = [events.Epoch(epoch=n, epochs=5, metrics={}, rows_per_s=1, eta_s=0) for n in range(1, 6)]
        behind.run(attempts.report(attempt, 60, epochs))
        behind.run(attempts.fail(attempt, stoker.JobState.FAILED, "no data"))
        assert late.result(PATIENCE_S) == ["started", *["epoch"] * 5, "finished"]
        assert whole.result(PATIENCE_S) == ["queued", "started", *["epoch"] * 5, "finished"]
        assert never.result(PATIENCE_S) == []
    behind.close()


def reads(server: "redis.Redis") -> int:
    """How often a stream has been read."""
    return int(server.info("commandstats")["cmdstat_xread"]["calls"])


def lose_newest_event(server: "redis.Redis", job_id: str) -> None:
    """As a failover does to a replica that had not got it yet."""
    newest = server.xinfo_stream(f"stoker:events:{job_id}")["last-generated-id"]
    server.xdel(f"stoker:events:{job_id}", newest)


def test_who_comes_for_an_event_that_redis_has_lost_waits_for_the_next_one(
    redis_url: str, eventually: Eventually
) -> None:
    behind = Connection.open(Settings(), redis_url)
    with (
        redis.Redis.from_url(redis_url) as server,
        ThreadPoolExecutor(2) as readers,
        stoker.Client(redis_url) as client,
    ):
        job = client.submit(SPEC)
        late, quick = job.events(), job.events()
        assert next(late).type == next(quick).type == "queued"
        news = readers.submit(next, quick)
        eventually(lambda: blocked(server) == 1)
        attempt = behind.run(attempts.claim(job.id, "owner", "worker", 60))
        assert isinstance(attempt, Attempt)
        assert news.result(PATIENCE_S).type == "started"
        lose_newest_event(server, job.id)
        before = reads(server)
        rest = readers.submit(lambda: [event.type for event in late])
        streams = client._listener.get()._streams
        eventually(lambda: streams.has_waiters or reads(server) > before + 100)
        assert streams.has_waiters
        behind.run(attempts.fail(attempt, stoker.JobState.FAILED, "no data"))
        assert rest.result(PATIENCE_S) == ["finished"]
        assert reads(server) <= before + 100
    behind.close()


def test_an_asyncio_task_that_comes_for_an_event_that_redis_has_lost_waits_for_the_next_one(
    redis_url: str, eventually: Eventually
) -> None:
    behind = Connection.open(Settings(), redis_url)

    async def story(server: "redis.Redis") -> None:
        async with stoker.AsyncClient(redis_url) as client:
            job = await client.submit(SPEC)
            late, quick = job.events(), job.events()
            assert (await anext(late)).type == (await anext(quick)).type == "queued"
            news = asyncio.ensure_future(anext(quick))
            await asyncio.to_thread(eventually, lambda: blocked(server) == 1)
            attempt = behind.run(attempts.claim(job.id, "owner", "worker", 60))
            assert isinstance(attempt, Attempt)
            assert (await news).type == "started"
            lose_newest_event(server, job.id)
            before = reads(server)
            rest = asyncio.ensure_future(anext(late))
            streams = client._listener.get()._streams
            await asyncio.to_thread(eventually, lambda: streams.has_waiters or reads(server) > before + 100)
            assert streams.has_waiters
            behind.run(attempts.fail(attempt, stoker.JobState.FAILED, "no data"))
            assert (await rest).type == "finished"
            assert reads(server) <= before + 100

    with redis.Redis.from_url(redis_url) as server:
        asyncio.run(story(server))
    behind.close()


def test_who_comes_for_the_last_event_of_a_job_that_is_forgotten_is_told(
    redis_url: str, eventually: Eventually
) -> None:
    behind = Connection.open(Settings(), redis_url)
    with (
        redis.Redis.from_url(redis_url) as server,
        ThreadPoolExecutor(2) as readers,
        stoker.Client(redis_url) as client,
    ):
        job = client.submit(SPEC.model_copy(update={"max_attempts": 1}))
        late, quick = job.events(), job.events()
        assert next(late).type == next(quick).type == "queued"
        news = readers.submit(lambda: [event.type for event in quick])
        eventually(lambda: blocked(server) == 1)
        attempt = behind.run(attempts.claim(job.id, "owner", "worker", 60))
        assert isinstance(attempt, Attempt)
        behind.run(attempts.release(attempt, "lost", "its worker died"))
        assert news.result(PATIENCE_S) == ["started", "finished"]
        behind.run(dead_jobs.drop(job.id))
        before = reads(server)
        rest = readers.submit(next, late)
        eventually(lambda: rest.done() or reads(server) > before + 100)
        with pytest.raises(stoker.JobNotFound):
            rest.result(0)
        # Looked up at once, and not only when a wait for what cannot come is over.
        assert reads(server) == before + 2
    behind.close()


def test_when_no_connection_is_free_the_error_names_the_setting(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url, max_connections=4, socket_timeout_s=0.1)
    with stoker.Client(settings=settings) as client:
        links = client._connection._links.get()
        taken = [links.take() for _ in range(4)]
        with pytest.raises(stoker.Unavailable, match=r"^all 4 connections to Redis .* raise STOKER_MAX_CONNECTIONS$"):
            client.jobs()
        for link in taken:
            links.give_back(link)
        assert client.jobs() == []


def test_who_still_waits_when_a_client_is_closed_is_told_and_nothing_works_after(
    redis_url: str, eventually: Eventually
) -> None:
    register(redis_url)
    with redis.Redis.from_url(redis_url) as server, ThreadPoolExecutor(2) as callers:
        client = stoker.Client(redis_url)
        job = client.submit(SPEC)
        waiting: list[Future[object]] = [
            callers.submit(client.infer, "echo", np.zeros(1), timeout=PATIENCE_S),
            callers.submit(job.wait, PATIENCE_S),
        ]
        eventually(lambda: blocked(server) == 2)
        client.close()
        client.close()
        for call in waiting:
            with pytest.raises(stoker.ClientClosed):
                call.result(PATIENCE_S)
    uses: list[Callable[[], object]] = [
        lambda: client.infer("echo", np.zeros(1)),
        lambda: client.infer_many("echo", np.zeros(1)),
        lambda: client.infer_later("echo", np.zeros(1)),
        lambda: client.submit(SPEC),
        lambda: client.submit_many([SPEC]),
        lambda: client.job(job.id),
        client.jobs,
        client.models,
        lambda: client.model("echo"),
        client.workers,
        job.status,
        job.wait,
        job.result,
        job.cancel,
        lambda: next(job.events()),
    ]
    for use in uses:
        with pytest.raises(stoker.ClientClosed, match="has been closed: make a new one"):
            use()


def test_the_same_for_asyncio(redis_url: str, eventually: Eventually) -> None:
    register(redis_url)

    async def story() -> None:
        client = stoker.AsyncClient(redis_url)
        job = await client.submit(SPEC)
        waiting = [
            asyncio.create_task(client.infer("echo", np.zeros(1), timeout=PATIENCE_S)),
            asyncio.create_task(job.wait(PATIENCE_S)),
        ]
        with redis.Redis.from_url(redis_url) as server:
            await asyncio.to_thread(eventually, lambda: blocked(server) == 2)
        await client.close()
        await client.close()
        for call in waiting:
            with pytest.raises(stoker.ClientClosed):
                await call
        uses: list[Callable[[], Awaitable[object]]] = [
            lambda: client.infer("echo", np.zeros(1)),
            lambda: client.infer_later("echo", np.zeros(1)),
            lambda: client.submit(SPEC),
            client.jobs,
            client.models,
            job.status,
            job.wait,
            job.result,
        ]
        for use in uses:
            with pytest.raises(stoker.ClientClosed, match="has been closed: make a new one"):
                await use()

    asyncio.run(story())


def test_what_was_popped_while_an_event_loop_stood_still_is_not_lost(redis_url: str, eventually: Eventually) -> None:
    async def story() -> None:
        connection = AsyncConnection.open(Settings(socket_timeout_s=1), redis_url)
        popping = asyncio.create_task(connection.run(Call(("BLPOP", "answers", 0), list), patience_s=0))
        with redis.Redis.from_url(redis_url) as server:
            await asyncio.to_thread(eventually, lambda: blocked(server))
            server.rpush("answers", "one")
        time.sleep(1.5)  # noqa: ASYNC251  # as where an app computes in its loop
        assert await popping == [b"answers", b"one"]
        await connection.close()

    asyncio.run(story())
