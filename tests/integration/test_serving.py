"""Inference under load and under fire: a real worker, real callers, real kills."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import redis
from celery import Celery
from celery.result import AsyncResult
from numpy.typing import NDArray

import stoker
from stoker import lanes
from stoker.local import redis_url_of
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL

ROWS: NDArray[np.float32] = np.random.default_rng(7).uniform(0, 16, (64, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def served(stack: Settings) -> Iterator[tuple[stoker.Client, NDArray[np.float32]]]:
    """A client, and what the model "served" answers for ROWS."""
    with stoker.Client(settings=stack) as client:
        client.submit(stoker.Train(model="served", data="sample://digits", epochs=2, seed=1, **SMALL)).result(
            timeout=PATIENCE_S
        )
        yield client, client.infer("served@1", ROWS, timeout=PATIENCE_S)


@pytest.fixture
def connection(stack: Settings) -> Iterator[Connection]:
    connection = Connection.open(stack, redis_url_of(stack))
    yield connection
    connection.close()


def ask_all(client: stoker.Client, callers: int, each: int) -> list[object]:
    """Every caller asks for one row after another; what came, as (row, answer or error)."""
    got: list[object] = []

    def ask(first: int) -> None:
        for n in range(first, first + each):
            try:
                got.append((n % len(ROWS), client.infer("served@1", ROWS[n % len(ROWS)][None], timeout=PATIENCE_S)))
            except stoker.StokerError as error:
                got.append(error)

    threads = [threading.Thread(target=ask, args=(7 * n,)) for n in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def all_right(got: list[object], expected: NDArray[np.float32]) -> bool:
    return all(
        isinstance(one, tuple) and np.allclose(one[1], expected[one[0]][None], rtol=1e-3, atol=1e-5) for one in got
    )


def predictors(client: stoker.Client) -> list[psutil.Process]:
    """The processes that serve lanes: children of slots that are not at a job."""
    [worker] = client.workers()
    return [process for slot in psutil.Process(worker.pid).children() for process in slot.children()]


def kill_predictors(client: stoker.Client) -> None:
    for process in predictors(client):
        with suppress(psutil.NoSuchProcess):  # the last one was killed just now
            process.kill()


def test_each_of_many_callers_gets_the_answer_to_its_own_row(
    served: tuple[stoker.Client, NDArray[np.float32]],
) -> None:
    client, expected = served
    got = ask_all(client, callers=32, each=10)
    assert len(got) == 320
    assert all_right(got, expected)


def test_the_death_of_the_serving_process_costs_no_answer(served: tuple[stoker.Client, NDArray[np.float32]]) -> None:
    client, expected = served
    client.infer("served@1", ROWS[:1], timeout=PATIENCE_S)
    killers = [threading.Timer(delay, kill_predictors, [client]) for delay in (0.05, 0.4)]
    for killer in killers:
        killer.start()
    got = ask_all(client, callers=64, each=40)
    for killer in killers:
        killer.join()
    assert len(got) == 64 * 40
    assert all_right(got, expected), next(one for one in got if isinstance(one, Exception))


def test_a_bad_request_among_good_ones_fails_alone(
    served: tuple[stoker.Client, NDArray[np.float32]], stack: Settings
) -> None:
    _, expected = served
    bad = ROWS[:1].copy()
    bad[0, 3] = np.nan

    async def story() -> list[object]:
        async with stoker.AsyncClient(settings=stack) as client:
            asked = [client.infer("served@1", bad if n == 5 else ROWS[n][None], timeout=PATIENCE_S) for n in range(20)]
            return list(await asyncio.gather(*asked, return_exceptions=True))

    got = asyncio.run(story())
    assert isinstance(got[5], stoker.InvalidJob)
    assert all_right([(n, answer) for n, answer in enumerate(got) if n != 5], expected)


def test_an_alias_that_moves_is_followed(
    served: tuple[stoker.Client, NDArray[np.float32]], eventually: Eventually
) -> None:
    client, expected = served
    np.testing.assert_allclose(client.infer("served", ROWS, timeout=PATIENCE_S), expected, rtol=1e-3, atol=1e-5)
    again = client.submit(stoker.Train(model="served", data="sample://digits", epochs=1, seed=2, **SMALL)).result(
        timeout=PATIENCE_S
    )
    assert isinstance(again, stoker.TrainResult)
    np.testing.assert_allclose(client.infer("served", ROWS, timeout=PATIENCE_S), expected, rtol=1e-3, atol=1e-5)
    client.submit(stoker.Deploy(model=again.model)).result(timeout=PATIENCE_S)
    newer = client.infer(again.model, ROWS, timeout=PATIENCE_S)
    eventually(lambda: np.allclose(client.infer("served", ROWS, timeout=PATIENCE_S), newer, rtol=1e-3, atol=1e-5))


def test_rubbish_in_a_lane_hurts_nobody(served: tuple[stoker.Client, NDArray[np.float32]], stack: Settings) -> None:
    client, expected = served
    with redis.Redis.from_url(redis_url_of(stack)) as raw:
        raw.rpush("stoker:lane:served@1:normal", b"", b"short", b"\xff" * 32, b"\x00" * 200, b"x" * 100_000)
    np.testing.assert_allclose(client.infer("served@1", ROWS, timeout=PATIENCE_S), expected, rtol=1e-3, atol=1e-5)


def test_a_steady_caller_is_answered_without_any_celery_message(
    served: tuple[stoker.Client, NDArray[np.float32]], stack: Settings
) -> None:
    client, _ = served
    client.infer("served@1", ROWS[:1], timeout=PATIENCE_S)
    with redis.Redis.from_url(redis_url_of(stack)) as raw:
        before = int(raw.get("stoker:rings") or 0)
        for _ in range(100):
            client.infer("served@1", ROWS[:1], timeout=PATIENCE_S)
        # One for each would be a hundred; one now and then is for a lane whose server stood still.
        assert int(raw.get("stoker:rings") or 0) < before + 10


def test_inputs_that_the_model_does_not_take_never_reach_a_lane(
    served: tuple[stoker.Client, NDArray[np.float32]], stack: Settings, connection: Connection
) -> None:
    client, _ = served
    before = connection.run(lanes.counts())
    rows = np.resize(ROWS, (5_000, 64))
    rows[4_321, 5] = np.inf
    with pytest.raises(stoker.InvalidJob, match="in row 4321; fill or drop them"):
        client.infer_many("served@1", rows)
    with pytest.raises(stoker.InvalidJob, match=r"must have shape \(rows, 64\), got \(1, 63\)"):
        client.infer("served@1", ROWS[:1, 1:])
    with pytest.raises(stoker.ModelNotFound, match="there is no model nobody@champion"):
        client.infer("nobody", ROWS)
    assert connection.run(lanes.counts()) == before


def test_an_alias_that_moves_to_a_model_of_other_inputs_is_followed_by_the_check(
    served: tuple[stoker.Client, NDArray[np.float32]], eventually: Eventually
) -> None:
    client, _ = served
    iris = client.submit(stoker.Train(model="changing", data="sample://iris", epochs=1, **SMALL)).result(
        timeout=PATIENCE_S
    )
    assert isinstance(iris, stoker.TrainResult)
    client.infer("changing", np.ones((1, 4)), timeout=PATIENCE_S)
    wine = client.submit(stoker.Train(model="changing", data="sample://wine", epochs=1, **SMALL)).result(
        timeout=PATIENCE_S
    )
    assert isinstance(wine, stoker.TrainResult)
    client.submit(stoker.Deploy(model=wine.model)).result(timeout=PATIENCE_S)

    def takes_wine() -> bool:
        try:
            return bool(client.infer("changing", np.ones((2, 13)), timeout=PATIENCE_S).shape == (2, 3))
        except stoker.InvalidJob:
            return False  # the client knows better at once, the worker within a second

    eventually(takes_wine)


def test_a_plain_celery_app_reads_the_result_of_a_prediction(
    served: tuple[stoker.Client, NDArray[np.float32]], stack: Settings
) -> None:
    client, expected = served
    url = redis_url_of(stack)
    app = Celery(broker=url, backend=url)
    result = AsyncResult(client.infer_later("served@1", ROWS[:2]), app=app)
    np.testing.assert_allclose(result.get(timeout=PATIENCE_S), expected[:2], rtol=1e-3, atol=1e-5)
    with redis.Redis.from_url(url) as raw:
        assert 0 < raw.ttl(f"celery-task-meta-{result.id}") <= 3600
    late = AsyncResult(client.infer_later("served@1", ROWS[:1], timeout=0), app=app)
    with pytest.raises(stoker.Timeout, match="did not come to it in time"):
        late.get(timeout=PATIENCE_S)
    app.close()


def soak(settings: Settings, calls: int) -> int:
    """Five times so many requests from a process of its own; gives how many objects more it has after the last."""
    command = [sys.executable, str(Path(__file__).with_name("soak.py")), "served@1", "64", str(calls)]
    environment = os.environ | {"STOKER_REDIS_URL": redis_url_of(settings)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("calls", [640, pytest.param(1920, marks=pytest.mark.slow)])
def test_thousands_of_requests_leave_nothing_behind(
    calls: int, served: tuple[stoker.Client, NDArray[np.float32]], stack: Settings, eventually: Eventually
) -> None:
    """A short soak: what the client, the predictors and Redis hold after the first stretch is what they hold later."""
    client, _ = served

    def megabytes() -> dict[int, float]:
        return {process.pid: process.memory_full_info().uss / 1e6 for process in predictors(client)}

    def lasting() -> set[bytes]:
        with redis.Redis.from_url(redis_url_of(stack)) as raw:
            return {key for key in raw.scan_iter() if raw.ttl(key) == -1}

    soak(stack, calls)
    first, keys = megabytes(), lasting()
    assert soak(stack, calls) < 1_000, "one object kept of each of three times so many requests would be more"
    later = megabytes()
    # One that has begun to serve meanwhile is no leak.
    grown = {pid: later[pid] - first[pid] for pid in first.keys() & later.keys()}
    assert grown
    assert max(grown.values()) < 4
    # A key can be there for as long as a batch is under way.
    eventually(lambda: lasting() <= keys)
