"""Jobs whose code does what it should not: none holds a slot, or is taken for the loss of a worker."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import stoker
from stoker import JobState
from stoker.local import LocalStack
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import await_worker

SPEC = stoker.Train(model="stubborn", data="sample://iris", epochs=1, device="cpu", seed=1)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A worker with one slot, whose lease outlasts every test."""
    builders = ("stubborn:chatty", "stubborn:quitter", "stubborn:latin")
    settings = Settings(home=tmp_path_factory.mktemp("stubborn"), slots=1, lease_s=3600, builders=builders)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
        with LocalStack(settings):
            await_worker(settings)
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
    assert client.submit(SPEC).wait(timeout=PATIENCE_S) is JobState.SUCCEEDED


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
