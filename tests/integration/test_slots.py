"""Slots that come and go in a running worker."""

from collections.abc import Iterator

import psutil
import pytest
from celery import Celery

import stoker
from stoker import JobState
from stoker.events import Queued
from stoker.ledger import presence
from stoker.local import redis_url_of
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import BRIEF, SLOW, serving

SPEC = stoker.Train(model="slots", data="sample://digits", epochs=1, batch_size=256, device="cpu", seed=1)
# Far more work than any test waits for; the tests that use it stop it.
ENDLESS = SPEC.model_copy(update={"epochs": 1_000_000, "architecture": SLOW})


class Worker:
    """The one worker of the stack, and what can be asked of it."""

    def __init__(self, client: stoker.Client, settings: Settings, eventually: Eventually) -> None:
        url = redis_url_of(settings)
        self._client = client
        self._connection = Connection.open(settings, url)
        self._eventually = eventually
        self.name = self.now().name
        self.control = Celery(broker=url).control
        # It hears of commands a moment after it has announced itself.
        eventually(lambda: bool(self.control.ping(timeout=1.0)))

    def now(self) -> presence.Worker:
        [worker] = self._client.workers()
        return worker

    def want(self, slots: int) -> None:
        assert self._connection.run(presence.want_slots(self.name, slots))

    def has(self, slots: int) -> None:
        """Wait until it says that it has so many slots, and no other process."""
        parent = psutil.Process(self.now().pid)
        self._eventually(lambda: len(parent.children()) == slots)
        self._eventually(lambda: self.now().slots == slots)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A worker that starts with one slot, and may have four. No lease runs out while a test waits."""
    settings = Settings(
        home=tmp_path_factory.mktemp("slots"), slots=1, most_slots=4, builders=(SLOW.target,), lease_s=PATIENCE_S
    )
    with serving(settings):
        yield settings


@pytest.fixture
def worker(client: stoker.Client, stack: Settings, eventually: Eventually) -> Iterator[Worker]:
    """The worker, with one slot at the beginning of each test."""
    worker = Worker(client, stack, eventually)
    worker.control.autoscale(1, 1)
    worker.has(1)
    yield worker
    worker.close()


def test_a_slot_that_is_wanted_takes_the_next_job_while_the_first_is_busy(
    client: stoker.Client, worker: Worker, eventually: Eventually
) -> None:
    busy, waiting = client.submit(ENDLESS), client.submit(ENDLESS)
    eventually(lambda: {busy.state, waiting.state} == {JobState.RUNNING, JobState.QUEUED})
    worker.want(2)
    eventually(lambda: busy.state is waiting.state is JobState.RUNNING)
    eventually(lambda: worker.now().busy == 2)
    for job in (busy, waiting):
        job.cancel()
    assert {busy.wait(timeout=PATIENCE_S), waiting.wait(timeout=PATIENCE_S)} == {JobState.CANCELLED}


def test_a_busy_slot_goes_when_its_job_has_ended_and_none_is_left(
    client: stoker.Client, worker: Worker, eventually: Eventually
) -> None:
    job = client.submit(SPEC.model_copy(update={"epochs": 10, "architecture": SLOW}))
    eventually(lambda: job.state is not JobState.QUEUED)
    worker.want(0)
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    assert job.status().attempt == 1
    worker.has(0)
    later = client.submit(BRIEF)
    worker.want(1)
    assert later.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED


def test_the_job_of_a_slot_that_is_killed_goes_on_at_once_in_another(
    client: stoker.Client, worker: Worker, eventually: Eventually
) -> None:
    job = client.submit(ENDLESS)
    eventually(lambda: job.state is JobState.RUNNING)
    [slot] = psutil.Process(worker.now().pid).children()
    slot.kill()
    eventually(lambda: job.status().attempt == 2)
    job.cancel()
    queued = [event.words() for event in job.events() if isinstance(event, Queued)]
    assert queued[1].endswith(f"its slot of {worker.name} ended: signal 9 (SIGKILL)")
    worker.has(1)


@pytest.mark.parametrize(
    ("count", "wanted"),
    [(3, (3, 0, 2)), pytest.param(8, (3, 1, 4, 0, 2, 0, 3, 1, 4, 2), marks=pytest.mark.slow)],
    ids=["few", "many"],
)
def test_going_up_and_down_under_load_loses_no_job_and_costs_none_an_attempt(
    client: stoker.Client, worker: Worker, count: int, wanted: tuple[int, ...]
) -> None:
    jobs = client.submit_many([BRIEF] * count)
    for slots in wanted:
        worker.want(slots)
        worker.has(slots)
    for job in jobs:
        assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
        assert job.status().attempt == 1


def test_no_more_slots_are_given_than_the_worker_may_have(worker: Worker) -> None:
    worker.want(50)
    worker.has(4)


def test_celery_control_grows_and_shrinks_a_pool_too(worker: Worker) -> None:
    worker.control.pool_grow(2)
    worker.has(3)
    worker.control.pool_shrink(1)
    worker.has(2)
    stats = worker.control.inspect(timeout=PATIENCE_S, limit=1).stats()[worker.name]["pool"]
    assert stats["max-concurrency"] == 2
    assert len(stats["processes"]) == 2
    worker.want(4)
    worker.has(4)


def test_celery_control_autoscale_has_as_many_slots_as_there_are_jobs(
    client: stoker.Client, worker: Worker, eventually: Eventually
) -> None:
    worker.control.autoscale(3, 1)
    jobs = client.submit_many([ENDLESS] * 3)
    eventually(lambda: {job.state for job in jobs} == {JobState.RUNNING})
    worker.has(3)
    for job in jobs:
        job.cancel()


def test_nobody_asks_for_slots_of_a_worker_that_is_not_there(client: stoker.Client, stack: Settings) -> None:
    connection = Connection.open(stack, redis_url_of(stack))
    assert not connection.run(presence.want_slots("nobody@nowhere", 3))
    assert connection.run(presence.wanted_slots("nobody@nowhere")) is None
    connection.close()
