"""A Monitor: it holds no slot, tests each window of requests, and says what has moved."""

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import stoker
from stoker import Feedback, JobState, events
from stoker.ledger import records
from stoker.ledger.keys import key
from stoker.local import redis_url_of
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.serving import sampling

from .. import commands
from ..conftest import PATIENCE_S, Eventually

WINDOW = 60
ROWS = load_digits().data.astype(np.float32)


@pytest.fixture(scope="module")
def client(stack: Settings) -> Iterator[stoker.Client]:
    with stoker.Client(settings=stack) as client:
        spec = stoker.Train(model="watched", data="sample://digits", epochs=4, seed=1, device="cpu")
        client.submit(spec).result(timeout=PATIENCE_S)
        yield client


@pytest.fixture
def connection(stack: Settings) -> Iterator[Connection]:
    connection = Connection.open(stack, redis_url_of(stack))
    yield connection
    connection.close()


def waits(job: stoker.Job[stoker.MonitorResult]) -> bool:
    status = job.status()
    assert not status.state.final, status.reason
    return status.state is JobState.WAITING and "watches" in (status.reason or "")


def told_of(job: stoker.Job[stoker.MonitorResult], connection: Connection) -> list[events.WindowTested]:
    return [event for event in sent(job, connection) if isinstance(event, events.WindowTested)]


def sent(job: stoker.Job[stoker.MonitorResult], connection: Connection) -> list[events.Event]:
    return connection.run(records.events(job.id, None))


def test_what_is_asked_is_held_against_the_reference_window_by_window(
    client: stoker.Client, connection: Connection, eventually: Eventually, stack: Settings
) -> None:
    rng = np.random.default_rng(3)
    before = client.alarms(limit=1)[-1].id
    client.infer("watched", ROWS[:1], timeout=PATIENCE_S)
    assert not connection.client.exists(key("samples", "watched@1")), "nothing is kept as long as nobody watches"
    job = client.submit(stoker.Monitor(model="watched", window=WINDOW, keep=1, windows=3))
    eventually(lambda: waits(job))
    other = client.submit(stoker.Monitor(model="watched", window=WINDOW))
    with pytest.raises(stoker.JobFailed, match=f"is watched by job {job.id} already"):
        other.result(timeout=PATIENCE_S)
    # So often a predictor asks what is to be sampled.
    time.sleep(sampling._ASK_EVERY_S + 0.2)

    drawn = rng.choice(len(ROWS), WINDOW, replace=False)
    for at in drawn[:10]:
        client.infer("watched", ROWS[at : at + 1], timeout=PATIENCE_S)
    eventually(lambda: connection.client.hlen(key("answered", "watched")) == 10)
    answered: Any = connection.client.hgetall(key("answered", "watched"))
    asked = {name.decode(): said.decode() for name, said in answered.items()}
    labels = [(name, said.split("c:")[1]) for name, said in asked.items()]
    assert set(client.feedback_many(labels)) == {Feedback.ACCEPTED}
    assert client.feedback(*labels[0]) is Feedback.DUPLICATE
    assert client.feedback(f"watched@1:{'0' * 32}:1", 3) is Feedback.UNKNOWN
    client.infer("watched", ROWS[drawn[10:]], timeout=PATIENCE_S)
    eventually(lambda: [event.number for event in told_of(job, connection)] == [1] and waits(job))
    assert told_of(job, connection)[0].differs == ()
    page = job.files["html"].read().decode()
    assert "Monitor of watched@1" in page
    assert "Label coverage" in page

    for number in (2, 3):
        client.infer("watched", 16 - ROWS[rng.choice(len(ROWS), WINDOW)], timeout=PATIENCE_S)
        eventually(lambda number=number: len(told_of(job, connection)) == number)  # type: ignore[misc]
    result = job.result(timeout=PATIENCE_S)
    assert (result.model, result.windows, result.rows) == ("watched@1", 3, 3 * WINDOW)
    assert result.drifted
    assert result.metric == "accuracy"
    assert result.value == 1.0
    assert result.gate is not None
    assert set(result.files) == {"html", "report", "window-000003.npz"}
    [drift] = [alarm for alarm in client.alarms(before) if alarm.what == "drift"]
    assert (drift.model, drift.job) == ("watched@1", job.id)
    assert "has moved by" in drift.text
    assert any(isinstance(event, events.ModelAlarm) for event in sent(job, connection))
    assert job.status().attempt >= 4
    assert connection.client.hget(key("sampling"), "watched") is None
    assert client.feedback(*labels[0]) is Feedback.UNWATCHED
    said = commands.run("result", job.id, "--json", env=stack.environment())
    assert json.loads(said.stdout)["windows"] == 3


def test_cancel_ends_the_sampling(client: stoker.Client, connection: Connection, eventually: Eventually) -> None:
    job = client.submit(stoker.Monitor(model="watched", window=WINDOW, share=0.5))
    eventually(lambda: waits(job))
    client.infer("watched", ROWS[:20], timeout=PATIENCE_S)
    job.cancel()
    eventually(lambda: job.status().state is JobState.CANCELLED)
    assert connection.client.hget(key("sampling"), "watched") is None
    assert not connection.client.exists(key("samples", "watched@1"), key("sampled", "watched"))
