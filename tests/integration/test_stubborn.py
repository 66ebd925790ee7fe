"""Jobs whose code does what it should not, and slots that fail themselves: neither holds a slot or a job."""

import itertools
import resource
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import stoker
from stoker import JobState
from stoker.events import Waiting
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import BRIEF, SMALL, serving

SPEC = stoker.Train(model="stubborn", data="sample://iris", epochs=1, device="cpu", seed=1, **SMALL)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A worker with one slot, whose lease outlasts every test."""
    builders = ("stubborn:chatty", "stubborn:quitter", "stubborn:latin")
    settings = Settings(home=tmp_path_factory.mktemp("stubborn"), slots=1, lease_s=3600, builders=builders)
    with serving(settings):
        yield settings


def built_by(builder: str, **kwargs: str) -> stoker.Train:
    return SPEC.model_copy(update={"architecture": stoker.Builder(f"stubborn:{builder}", kwargs)})


def is_over(pid: int) -> bool:
    """Whether a process runs no more; whoever it was left to may not have reaped it yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_job_that_never_falls_silent_gives_its_slot_back_and_leaves_no_process(
    client: stoker.Client, tmp_path: Path, eventually: Eventually
) -> None:
    job = client.submit(built_by("chatty", note=str(tmp_path / "child")))
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    eventually(lambda: is_over(int((tmp_path / "child").read_text())))
    assert client.submit(BRIEF).wait(timeout=PATIENCE_S) is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("builder", "reason"),
    [
        ("quitter", r"called sys\.exit\('I would rather not'\)"),
        ("latin", r"ValueError: /data/caf\\udce9\.csv is no table"),
    ],
)
def test_code_that_exits_or_fails_over_a_name_that_is_not_utf_8_fails_its_job_at_the_first_attempt(
    client: stoker.Client, builder: str, reason: str
) -> None:
    job = client.submit(built_by(builder))
    with pytest.raises(stoker.JobFailed, match=reason):
        job.result(timeout=PATIENCE_S)
    assert job.status().attempt == 1


def test_a_job_whose_slot_cannot_fork_is_handed_back_at_once_with_the_reason(
    client: stoker.Client,
) -> None:
    assert client.submit(SPEC).wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    [worker] = client.workers()
    [slot] = psutil.Process(worker.pid).children()
    allowed = slot.rlimit(resource.RLIMIT_NOFILE)
    # Its connections are open. It may open one file more, such as a script of the ledger's, but a pipe has two ends.
    taken = {int(file.name) for file in Path(f"/proc/{slot.pid}/fd").iterdir()}
    lowest = next(number for number in itertools.count() if number not in taken)
    slot.rlimit(resource.RLIMIT_NOFILE, (lowest + 1, allowed[1]))
    job = client.submit(SPEC.model_copy(update={"max_attempts": 100}))
    waiting = next(event for event in job.events() if isinstance(event, Waiting))
    slot.rlimit(resource.RLIMIT_NOFILE, allowed)
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    assert "its slot failed: OSError: [Errno 24] Too many open files" in str(waiting.reason)
