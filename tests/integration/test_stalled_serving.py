"""Processes that serve a lane stand still for longer than their lease: its requests are answered all the same."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psutil
import pytest

import stoker
from stoker import lanes
from stoker.local import redis_url_of
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL
from .test_serving import predictors

ROWS = np.ones((1, 4), np.float32)


@pytest.fixture(scope="module")
def model(stack: Settings) -> str:
    with stoker.Client(settings=stack) as client:
        result = client.submit(stoker.Train(model="stalled", data="sample://iris", epochs=1, **SMALL)).result(
            timeout=PATIENCE_S
        )
        assert isinstance(result, stoker.TrainResult)
        return result.model


@pytest.fixture
def connection(stack: Settings) -> Iterator[Connection]:
    connection = Connection.open(stack, redis_url_of(stack))
    yield connection
    connection.close()


def processes(client: stoker.Client, which: str) -> list[psutil.Process]:
    [worker] = client.workers()
    slots = psutil.Process(worker.pid).children()
    return {"predictors": predictors(client), "slots": slots, "worker": [psutil.Process(worker.pid)]}[which]


@contextmanager
def stopped(stalled: list[psutil.Process]) -> Iterator[None]:
    for process in stalled:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stalled:
            process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("which", ["predictors", "slots", "worker"])
def test_who_stood_still_for_longer_than_the_lease_answers_again(
    which: str, client: stoker.Client, model: str, connection: Connection, eventually: Eventually
) -> None:
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(client.infer(model, ROWS, timeout=PATIENCE_S).shape)
        except stoker.StokerError as error:
            answers.append(error)

    client.infer(model, ROWS, timeout=PATIENCE_S)
    caller = threading.Thread(target=ask)
    with stopped(processes(client, which)):
        caller.start()
        # Answered by a process that goes on, or taken from those that do not.
        eventually(lambda: answers or not connection.run(lanes.counts()).drainers)
    caller.join(timeout=PATIENCE_S)
    assert answers == [(1, 3)]
    assert client.infer(model, ROWS, timeout=PATIENCE_S).shape == (1, 3)
