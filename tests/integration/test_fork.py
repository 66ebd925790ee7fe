"""A client that was made before a fork: each process goes on with it as if it had made its own."""

import asyncio
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import stoker
from stoker import events
from stoker.ledger import attempts
from stoker.ledger.attempt import Attempt
from stoker.redis.connection import Connection
from stoker.redis.scopes import PerLoop, PerProcess
from stoker.settings import Settings

from ..conftest import PATIENCE_S
from .echo import echo_of

SPEC = stoker.Train(model="forked", data="sample://digits", device="cpu")
CHILDREN, CALLS = 4, 50
# Children inherit locks and sockets only from a fork.
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def echo(redis_url: str) -> Iterator[str]:
    with echo_of(redis_url):
        yield redis_url


def in_child(work: Callable[[], None]) -> "multiprocessing.process.BaseProcess":
    """Fork, and let the child do something; it ends with status 1 if that raises."""
    child = FORK.Process(target=work)
    child.start()
    return child


def succeeded(child: "multiprocessing.process.BaseProcess") -> bool:
    child.join(timeout=PATIENCE_S)
    if child.is_alive():
        child.kill()
        child.join()
    return child.exitcode == 0


def ask(client: stoker.Client, first: int) -> None:
    """Several threads' predictions, each with rows of its own."""

    def call(n: int) -> None:
        rows = np.array([n, -n], float)
        assert np.array_equal(client.infer("echo", rows, timeout=PATIENCE_S), rows)

    with ThreadPoolExecutor(4) as callers:
        assert len(list(callers.map(call, range(first, first + CALLS)))) == CALLS


def finish(connection: Connection, job_id: str) -> None:
    attempt = connection.run(attempts.claim(job_id, f"owner of {job_id}", "worker", 60))
    assert isinstance(attempt, Attempt)
    connection.run(attempts.fail(attempt, stoker.JobState.FAILED, "no data"))


def test_children_and_their_parent_get_each_their_own_answers(echo: str) -> None:
    with stoker.Client(echo) as client:
        ask(client, 0)
        children = [in_child(partial(ask, client, n * 1000)) for n in range(1, CHILDREN + 1)]
        ask(client, 0)
        assert [succeeded(child) for child in children] == [True] * CHILDREN
        ask(client, 0)


def test_a_fork_while_threads_predict_and_follow_jobs(echo: str) -> None:
    connection = Connection.open(Settings(), echo)
    with stoker.Client(echo) as client, ThreadPoolExecutor(8) as callers:
        job = client.submit(SPEC)
        ended = threading.Event()

        def keep_asking(n: int) -> None:
            while not ended.is_set():
                ask(client, n * 1000)

        busy = [callers.submit(keep_asking, n) for n in range(2)]
        following = [callers.submit(lambda: [event.type for event in job.events()]) for _ in range(3)]

        def follow_too() -> None:
            ask(client, 9000)
            assert job.wait(timeout=PATIENCE_S) is stoker.JobState.FAILED
            client.close()

        children = [in_child(follow_too) for _ in range(CHILDREN)]
        finish(connection, job.id)
        assert [succeeded(child) for child in children] == [True] * CHILDREN
        assert [story.result(PATIENCE_S) for story in following] == [["queued", "started", "finished"]] * 3
        ended.set()
        for asking in busy:
            asking.result(PATIENCE_S)
    connection.close()


def test_a_job_made_before_the_fork_and_a_reading_half_done_go_on_on_both_sides(echo: str) -> None:
    connection = Connection.open(Settings(), echo)
    with stoker.Client(echo) as client:
        job = client.submit(SPEC)
        story = job.events()
        assert isinstance(next(story), events.Queued)

        def rest() -> None:
            assert [event.type for event in story] == ["started", "finished"]
            assert client.submit(SPEC).state is stoker.JobState.QUEUED

        child = in_child(rest)
        finish(connection, job.id)
        rest()
        assert succeeded(child)
        assert len(client.jobs()) == 3
    connection.close()


def test_children_of_children_and_one_that_closes_the_client(echo: str) -> None:
    with stoker.Client(echo) as client:
        ask(client, 0)

        def generations(depth: int) -> None:
            ask(client, depth * 1000)
            if depth:
                child = in_child(lambda: generations(depth - 1))
                ask(client, depth * 1000 + 500)
                assert succeeded(child)
            client.close()
            with pytest.raises(stoker.ClientClosed):
                client.jobs()

        assert succeeded(in_child(lambda: generations(2)))
        ask(client, 0)


def test_asyncio_clients_too(echo: str) -> None:
    async def ask_async(client: stoker.AsyncClient, first: int) -> None:
        async def call(n: int) -> None:
            rows = np.array([n, -n], float)
            assert np.array_equal(await client.infer("echo", rows, timeout=PATIENCE_S), rows)

        await asyncio.gather(*(call(n) for n in range(first, first + CALLS)))

    async def story() -> None:
        async with stoker.AsyncClient(echo) as client:
            await ask_async(client, 0)

            async def in_a_loop_of_its_own(first: int) -> None:
                await ask_async(client, first)
                await client.close()

            def child(first: int) -> None:
                asyncio.run(in_a_loop_of_its_own(first))

            children = [in_child(partial(child, n * 1000)) for n in range(1, CHILDREN + 1)]
            await ask_async(client, 0)
            assert [await asyncio.to_thread(succeeded, child) for child in children] == [True] * CHILDREN
            await ask_async(client, 0)

    asyncio.run(story())


def test_an_asyncio_client_serves_one_loop_after_the_other_and_two_at_once(echo: str) -> None:
    client = stoker.AsyncClient(echo)

    async def ask_async(n: int) -> None:
        for _ in range(10):
            assert await client.infer("echo", np.array([float(n)]), timeout=PATIENCE_S) == [n]
        assert await client.jobs() == []

    def story() -> None:
        for n in range(3):
            asyncio.run(ask_async(n))
        with ThreadPoolExecutor(2) as loops:
            for done in [loops.submit(asyncio.run, ask_async(n)) for n in (3, 4)]:
                done.result(PATIENCE_S)

    # In a process of its own, for nothing closes the connections of loops that have ended.
    assert succeeded(in_child(story))


@pytest.mark.parametrize("make", [stoker.Client, stoker.AsyncClient])
def test_a_client_says_that_it_cannot_be_pickled(
    redis_url: str, make: type[stoker.Client] | type[stoker.AsyncClient]
) -> None:
    client = make(redis_url)
    with pytest.raises(TypeError, match="make one in the process that needs it"):
        pickle.dumps(client)


def test_a_value_is_made_once_a_process_and_an_inherited_one_is_kept_open() -> None:
    value = PerProcess(object)
    first = value.get()
    assert value.get() is first
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"new" if value.get() is not first and value.get() is value.get() else b"old")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 3) == b"new"
    os.close(reader)
    os.close(writer)
    assert value.get() is first


def test_what_a_closed_loop_had_is_forgotten() -> None:
    value = PerLoop(object)

    async def twice() -> tuple[object, object]:
        return value.get(), value.get()

    (one, same), (other, _) = asyncio.run(twice()), asyncio.run(twice())
    assert one is same
    assert one is not other
    assert len(value._values) == 1
