"""Jobs that use more memory than their slot allows."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

import stoker
from stoker import JobState, events
from stoker.fleet.topology import queues_of
from stoker.ledger import attempts, intake, presence, records, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.ledger.replies import Refusal
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import serving

MIB = 1024**2
TRAIN = stoker.Train(
    model="m", data="sample://digits", epochs=1, batch_size=256, validation_split=0, normalize=False, device="cpu"
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A worker with two slots, which allow 300 MiB to a job."""
    settings = Settings(
        home=tmp_path_factory.mktemp("memory"),
        slots=2,
        slot_memory_bytes=300 * MIB,
        builders=("hungry:hungry",),
    )
    with serving(settings):
        yield settings


def hungry(mib: int, until: Path) -> stoker.Train:
    architecture = stoker.Builder("hungry:hungry", {"mib": mib, "until": str(until)})
    return TRAIN.model_copy(update={"architecture": architecture})


def test_a_job_that_outgrows_its_slot_is_tried_once_more_with_more_memory(
    client: stoker.Client, tmp_path: Path, eventually: Eventually
) -> None:
    job = client.submit(hungry(600, until=tmp_path / "end"))
    eventually(lambda: job.status().attempt == 2)
    (tmp_path / "end").touch()
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    assert job.status().attempt == 2
    [_, again] = [event for event in job.events() if isinstance(event, events.Queued)]
    assert str(again.reason).endswith(f"and its slot allows {300 * MIB:,}; it gets {1200 * MIB:,}")


def test_one_that_outgrows_that_too_fails_with_what_it_used_and_its_slot_serves_the_next(
    client: stoker.Client, tmp_path: Path
) -> None:
    job = client.submit(hungry(1500, until=tmp_path / "never"))
    with pytest.raises(stoker.JobFailed, match=rf"it used [\d,]+ bytes of memory, and its slot allows {1200 * MIB:,}"):
        job.result(timeout=PATIENCE_S)
    assert client.submit(TRAIN).wait(timeout=PATIENCE_S) is JobState.SUCCEEDED


def test_all_who_train_together_get_more_memory_together(
    client: stoker.Client, tmp_path: Path, eventually: Eventually
) -> None:
    job = client.submit(hungry(600, until=tmp_path / "end").model_copy(update={"workers": 2}))
    eventually(lambda: job.status().attempt == 2)
    (tmp_path / "end").touch()
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    assert job.status().attempt == 2


def test_a_job_that_asks_for_memory_has_it_and_the_worker_tells_what_is_used(
    client: stoker.Client, tmp_path: Path, eventually: Eventually
) -> None:
    job = client.submit(hungry(600, until=tmp_path / "end").model_copy(update={"memory": 2000 * MIB}))
    eventually(lambda: (client.workers()[0].memory_used_bytes or 0) > 600 * MIB)
    (tmp_path / "end").touch()
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    assert job.status().attempt == 1


def worker(memory_bytes: int) -> presence.Worker:
    return presence.Worker(
        name="w",
        node="n",
        device="cpu",
        slots=1,
        most_slots=1,
        queues=queues_of("cpu"),
        host="h",
        pid=1,
        memory_bytes=memory_bytes,
    )


def test_a_worker_that_has_too_little_leaves_a_job_to_another(redis_url: str) -> None:
    connection = Connection.open(Settings(), redis_url)
    connection.run(intake.submit([NewJob("large", TRAIN.model_copy(update={"memory": 2000 * MIB}), "cpu.train")]))
    assert connection.run(attempts.claim("large", "small", "w", 5, worker(1000 * MIB))) is Refusal.UNFIT
    assert connection.run(records.status("large")).state is JobState.WAITING
    with redis.Redis.from_url(redis_url) as client:
        client.zadd("stoker:due", {"large": 0})
    connection.run(upkeep.wake())
    assert isinstance(connection.run(attempts.claim("large", "owner", "w", 5, worker(4000 * MIB))), Attempt)
    connection.close()


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


@pytest.fixture
def wake(connection: Connection, redis_url: str) -> Iterator[Callable[[str], None]]:
    """Queues a job that was put off, before its time."""
    with redis.Redis.from_url(redis_url) as client:

        def wake(job_id: str) -> None:
            assert connection.run(records.status(job_id)).state is JobState.WAITING
            client.zadd("stoker:due", {job_id: 0})
            connection.run(upkeep.wake())

        yield wake


def claim(connection: Connection, job_id: str, free_mib: int) -> Attempt | Refusal:
    return connection.run(
        attempts.claim(job_id, f"{job_id}/owner", "w", 5, worker(4000 * MIB), free_bytes=free_mib * MIB)
    )


def test_a_job_for_which_a_worker_has_not_enough_free_is_left_to_others_twice(
    connection: Connection, wake: Callable[[str], None]
) -> None:
    connection.run(intake.submit([NewJob("large", TRAIN.model_copy(update={"memory": 2000 * MIB}), "cpu.train")]))
    for _ in range(2):
        assert claim(connection, "large", free_mib=1999) is Refusal.UNFIT
        last = connection.run(records.events("large", None))[-1]
        assert isinstance(last, events.Waiting)
        assert last.reason == "w has promised its memory to other jobs"
        wake("large")
    assert isinstance(claim(connection, "large", free_mib=1999), Attempt)


def test_one_that_was_granted_more_than_it_asks_for_needs_what_it_was_granted(
    connection: Connection, wake: Callable[[str], None]
) -> None:
    connection.run(intake.submit([NewJob("bomb", TRAIN, "cpu.train")]))
    first = claim(connection, "bomb", free_mib=300)
    assert isinstance(first, Attempt)
    connection.run(attempts.release(first, "outgrown", "it grew", 1200 * MIB))
    assert claim(connection, "bomb", free_mib=1100) is Refusal.UNFIT
    wake("bomb")
    assert isinstance(claim(connection, "bomb", free_mib=1200), Attempt)


def test_a_worker_without_a_share_left_claims_nothing(connection: Connection, wake: Callable[[str], None]) -> None:
    connection.run(intake.submit([NewJob("small", TRAIN, "cpu.train")]))
    for _ in range(4):
        assert claim(connection, "small", free_mib=0) is Refusal.UNFIT
        wake("small")
    assert isinstance(claim(connection, "small", free_mib=1), Attempt)
