"""A real worker's temporary files: none outlives its job, and a new worker removes what a killed one has left."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest
import tensorflow as tf

import stoker
from stoker import JobState
from stoker.local import redis_url_of
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .test_outage import ENDLESS, kill_with_children, running, worker_of

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's folder for temporary files."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def of_jobs(temp: Path) -> set[Path]:
    """What is there for the processes that run jobs; the worker's own files are beside that."""
    return {path for path in temp.glob("stoker-*/files/*") if not path.name.startswith("pymp-")}


def is_gone(temp: Path, left: set[Path]) -> bool:
    return not left & of_jobs(temp)


def runner_of(worker: psutil.Process) -> psutil.Process:
    [runner] = [process for slot in worker.children() for process in slot.children()]
    return runner


def slot_of(worker: psutil.Process) -> psutil.Process:
    [slot] = [slot for slot in worker.children() if slot.children()]
    return slot


# What the kernel may kill while a job runs.
KILLED: dict[str, Callable[[psutil.Process], psutil.Process]] = {
    "the runner": runner_of,
    "the slot": slot_of,
}


def write_records(path: Path) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for n in range(40):
            features = {
                "x": tf.train.Feature(float_list=tf.train.FloatList(value=[float(n % 2), 1.0])),
                "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[n % 2])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def test_no_temporary_file_outlives_its_job_or_its_process(
    stack: Settings, tmp_path: Path, temp: Path, eventually: Eventually, subtests: pytest.Subtests
) -> None:
    write_records(tmp_path / "rows.tfrecord")
    data = f"file://{tmp_path}/rows.tfrecord"
    settings, log = stack.model_copy(update={"data_roots": ("/",)}), tmp_path / "worker.log"
    with (
        stoker.Client(settings=stack) as client,
        worker_of(settings, redis_url_of(stack), log) as worker,
    ):
        with subtests.test("copies of remote data and what TensorFlow writes go with the job"):
            job = client.submit(stoker.Train(model="scratch", data=data, target="y", device="gpu", epochs=1))
            assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED, job.status()
            eventually(lambda: not of_jobs(temp))
            assert "Traceback" not in log.read_text()
        for name, killed in KILLED.items():
            with subtests.test(f"what {name} has left when it is killed goes while its worker lives"):
                endless = running(client, ENDLESS.model_copy(update={"device": "gpu"}))
                eventually(lambda: of_jobs(temp))
                left = of_jobs(temp)
                killed(worker).kill()
                eventually(partial(is_gone, temp, left))
                endless.cancel()
                assert endless.wait(timeout=PATIENCE_S) is JobState.CANCELLED
                eventually(lambda: not of_jobs(temp))
        with subtests.test("a worker that is told to end leaves nothing"):
            before = len(log.read_text())
            worker.terminate()
            worker.wait(timeout=PATIENCE_S)
            assert not any(temp.glob("stoker-*"))
            assert "Traceback" not in log.read_text()[before:]


def test_what_a_killed_worker_has_left_goes_when_the_next_one_starts(
    stack: Settings, tmp_path: Path, temp: Path, eventually: Eventually
) -> None:
    url, log = redis_url_of(stack), tmp_path / "worker.log"
    with stoker.Client(settings=stack) as client:
        with worker_of(stack, url, log) as worker:
            job = running(client, ENDLESS.model_copy(update={"device": "gpu"}))
            eventually(lambda: of_jobs(temp))
            kill_with_children(worker)
        left = set(temp.glob("stoker-*"))
        assert left
        job.cancel()
        with worker_of(stack, url, log):
            assert not left & set(temp.glob("stoker-*"))
        assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED
