"""Training by several workers: all or none at once, as one worker would, and whoever of them dies."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis

import stoker
from stoker.events import Epoch, Progress, Waiting
from stoker.local import redis_url_of
from stoker.outages import Dependency, Outage
from stoker.settings import Settings
from stoker_workers.attempt.gang import Member
from stoker_workers.attempt.slot import Slot

from ..conftest import PATIENCE_S, Eventually
from .conftest import CPU, SLOW

LONG = 100_000


def training(**more: object) -> stoker.Train:
    fields = {"model": "together", "data": "sample://digits", "epochs": 3, "batch_size": 100, "seed": 3, "workers": 2}
    return stoker.Train.model_validate(fields | more)


def losses(job: stoker.Job) -> tuple[float, ...]:
    result = job.result(timeout=PATIENCE_S)
    assert isinstance(result, stoker.TrainResult)
    return result.history["loss"]


@pytest.fixture
def runners(client: stoker.Client) -> Callable[[], list[psutil.Process]]:
    """The processes that the slots run, the oldest first."""
    [worker] = client.workers()

    def find() -> list[psutil.Process]:
        slots = psutil.Process(worker.pid).children()
        return sorted((process for slot in slots for process in slot.children()), key=psutil.Process.create_time)

    return find


@pytest.fixture(autouse=True)
def _nothing_is_left(stack: Settings, eventually: Eventually) -> object:
    yield
    with redis.Redis.from_url(redis_url_of(stack)) as server:
        eventually(lambda: not [*server.scan_iter("stoker:gang:*"), *server.scan_iter("stoker:gathering:*")])


def trains(job: stoker.Job) -> bool:
    progress = job.status().progress
    return progress is not None and getattr(progress, "stage", "training") == "training"


def test_two_workers_learn_what_one_learns(client: stoker.Client) -> None:
    alone = losses(client.submit(training(workers=1)))

    together = client.submit(training())

    assert losses(together) == pytest.approx(alone, rel=1e-4)
    stages = [event.stage for event in together.events() if isinstance(event, Progress)]
    assert "gathering workers" in stages


@pytest.mark.slow
def test_gangs_that_want_the_same_slots_take_turns(client: stoker.Client) -> None:
    jobs = client.submit_many([training(seed=seed) for seed in (1, 2)])

    assert all(losses(job) for job in jobs)
    assert [job.status().attempt for job in jobs] == [1, 1]


def test_a_killed_member_costs_the_gang_one_attempt_and_nothing_else(
    client: stoker.Client, eventually: Eventually, runners: Callable[[], list[psutil.Process]]
) -> None:
    undisturbed = losses(client.submit(training(epochs=24, workers=1)))
    job = client.submit(training(epochs=24, checkpoint={"epochs": 3}))
    eventually(lambda: isinstance(job.status().progress, Epoch))

    runners()[-1].kill()

    assert losses(job) == pytest.approx(undisturbed, rel=1e-3)
    assert job.status().attempt == 2


def test_the_timeout_of_a_gang_begins_when_all_of_it_are_there(
    client: stoker.Client, eventually: Eventually, runners: Callable[[], list[psutil.Process]]
) -> None:
    before = runners()
    alone = client.submit(training(workers=1, epochs=LONG, architecture=SLOW))
    eventually(lambda: trains(alone) and alone.state is stoker.JobState.RUNNING)
    job = client.submit(training(timeout=2.0, epochs=LONG))
    eventually(lambda: isinstance(job.status().progress, Progress))
    since = time.monotonic()
    eventually(lambda: time.monotonic() - since > 3 or job.state.final)
    assert job.state is stoker.JobState.RUNNING

    alone.cancel()

    with pytest.raises(stoker.JobFailed, match="longer than its timeout of 2 s"):
        job.result(timeout=PATIENCE_S)
    eventually(lambda: not [process for process in runners() if process not in before])


def test_cancelling_stops_all_of_them(
    client: stoker.Client, eventually: Eventually, runners: Callable[[], list[psutil.Process]]
) -> None:
    before = runners()
    job = client.submit(training(epochs=LONG))
    eventually(lambda: trains(job))

    job.cancel()

    assert job.wait(timeout=PATIENCE_S) is stoker.JobState.CANCELLED
    eventually(lambda: not [process for process in runners() if process not in before])


def test_an_outage_that_only_a_member_meets_costs_no_attempt(client: stoker.Client, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.touch()
    network = stoker.Builder("one_sided:full_for_members", {"full": str(full)})

    job = client.submit(training(architecture=network, max_attempts=1))

    assert losses(job)
    assert not full.exists()
    [waited] = [event for event in job.events() if isinstance(event, Waiting)]
    assert "no space left" in str(waited.reason)


def test_a_slot_whose_machine_lacks_what_all_jobs_need_joins_no_gang(redis_url: str, tmp_path: Path) -> None:
    slot = Slot(Settings(home=tmp_path), redis_url, CPU)
    slot.dependencies.met(Outage(of=Dependency.DISK, reason="the disk is full"))

    assert Member(slot, "job.2").take_part() == "job job: not joined: the disk is full"
