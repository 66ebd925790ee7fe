"""Jobs that need more memory than a slot's share, and what else runs beside them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import stoker
from stoker import Job, JobState, events
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import serving

MIB = 1024**2
SHARE, TOTAL = 300 * MIB, 1500 * MIB
TRAIN = stoker.Train(
    model="m", data="sample://digits", epochs=1, batch_size=256, validation_split=0, normalize=False, device="cpu"
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A worker with three slots, which allow 300 MiB to a job, and 1,500 MiB for all."""
    settings = Settings(
        home=tmp_path_factory.mktemp("memory"),
        slots=3,
        slot_memory_bytes=SHARE,
        builders=("hungry:hungry",),
    )
    with serving(settings, worker=("-m", "stoker_workers", "--memory", str(TOTAL))):
        yield settings


def hungry(mib: int, until: Path, memory: int | None = None) -> stoker.Train:
    """A training that holds so much memory until there is such a file."""
    architecture = stoker.Builder("hungry:hungry", {"mib": mib, "until": str(until)})
    return TRAIN.model_copy(update={"architecture": architecture, "memory": memory})


def waits_for_memory(job: Job) -> bool:
    progress = job.status().progress
    return isinstance(progress, events.Progress) and progress.stage == "waiting for memory" and not progress.done


def test_two_that_outgrew_their_slots_never_use_more_than_the_worker_has(
    client: stoker.Client, eventually: Eventually, tmp_path: Path
) -> None:
    bombs = [client.submit(hungry(900, until=tmp_path / "end")) for _ in range(2)]
    used = [0]

    def look(condition: bool) -> bool:
        used.append(client.workers()[0].memory_used_bytes or 0)
        return condition

    eventually(lambda: look(any(waits_for_memory(job) for job in bombs)) and max(used) > 900 * MIB)
    (tmp_path / "end").touch()
    eventually(lambda: look(all(job.status().state.final for job in bombs)))
    assert [job.status().state for job in bombs] == [JobState.SUCCEEDED] * 2
    assert 900 * MIB < max(used) <= TOTAL
    assert [job.status().attempt for job in bombs] == [2, 2]


def test_small_jobs_go_on_while_one_large_job_waits_for_another(
    client: stoker.Client, eventually: Eventually, tmp_path: Path
) -> None:
    large = [client.submit(hungry(10, until=tmp_path / "end", memory=1000 * MIB)) for _ in range(2)]
    eventually(lambda: any(waits_for_memory(job) for job in large))
    small = [client.submit(TRAIN) for _ in range(2)]
    assert [job.wait(timeout=PATIENCE_S) for job in small] == [JobState.SUCCEEDED] * 2
    [waiting] = [job for job in large if waits_for_memory(job)]
    waiting.cancel()
    assert waiting.wait(timeout=PATIENCE_S) is JobState.CANCELLED
    [other] = [job for job in large if job is not waiting]
    assert other.status().state is JobState.RUNNING
    (tmp_path / "end").touch()
    assert other.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED


@pytest.mark.slow
def test_a_job_that_needs_all_comes_to_run_among_small_ones_without_end(
    client: stoker.Client, eventually: Eventually, tmp_path: Path
) -> None:
    small: list[Job] = []

    def keep_busy() -> None:
        while sum(not job.status().state.final for job in small[-8:]) < 4:
            small.append(client.submit(hungry(10, until=tmp_path)))

    def all_are_busy() -> bool:
        keep_busy()
        return client.workers()[0].busy == 3

    eventually(all_are_busy)
    large = client.submit(hungry(10, until=tmp_path, memory=TOTAL))

    def has_ended() -> bool:
        keep_busy()
        return large.status().state.final

    eventually(has_ended)
    assert large.status().state is JobState.SUCCEEDED
    assert [job.wait(timeout=PATIENCE_S) for job in small] == [JobState.SUCCEEDED] * len(small)


@pytest.mark.slow
def test_a_member_of_a_training_by_several_joins_where_its_memory_is_free(
    stack: Settings, client: stoker.Client, eventually: Eventually, tmp_path: Path
) -> None:
    large = client.submit(hungry(10, until=tmp_path / "end", memory=800 * MIB))
    eventually(lambda: large.status().state is JobState.RUNNING)
    together = client.submit(hungry(10, until=tmp_path, memory=700 * MIB).model_copy(update={"workers": 2}))
    log = Path(stack.home) / "logs" / "worker.log"
    eventually(lambda: f"job {together.id}: not joined" in log.read_text())
    assert together.status().state is JobState.RUNNING
    (tmp_path / "end").touch()
    assert together.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    assert together.status().attempt == 1


@pytest.mark.slow
def test_predictions_go_on_while_no_memory_is_left_for_jobs(
    client: stoker.Client, eventually: Eventually, tmp_path: Path
) -> None:
    assert client.submit(TRAIN.model_copy(update={"model": "served"})).wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    client.submit(hungry(400, until=tmp_path / "end", memory=TOTAL))
    eventually(lambda: (client.workers()[0].memory_used_bytes or 0) > 400 * MIB)
    small = client.submit(TRAIN)
    assert client.infer("served", [[0.0] * 64], timeout=PATIENCE_S).shape == (1, 10)
    assert small.status().state in (JobState.QUEUED, JobState.WAITING)
    (tmp_path / "end").touch()
    assert small.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED


def test_jobs_of_a_kind_known_to_need_more_than_a_share_are_promised_it_and_run_together(
    client: stoker.Client, eventually: Eventually, tmp_path: Path
) -> None:
    end = tmp_path / "end"
    end.touch()
    for _ in range(4):
        # That they have asked for it makes them no other jobs.
        assert client.submit(hungry(400, until=end, memory=1000 * MIB)).wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    end.unlink()
    jobs = [client.submit(hungry(400, until=end)) for _ in range(2)]
    eventually(lambda: (client.workers()[0].memory_used_bytes or 0) > 800 * MIB)
    end.touch()
    assert [job.wait(timeout=PATIENCE_S) for job in jobs] == [JobState.SUCCEEDED] * 2
    assert [job.status().attempt for job in jobs] == [1, 1], "neither was ended for what it used"
    lines = [event.line for event in jobs[0].events() if isinstance(event, events.Log)]
    assert any("it is foreseen to use" in line and "4 jobs with the same settings" in line for line in lines)
