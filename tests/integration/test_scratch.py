"""A real worker's temporary files: none outlives its job, and a new worker removes what a killed one has left."""

import tempfile
import time
from collections.abc import Callable
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


def runner_of(worker: psutil.Process) -> psutil.Process:
    [runner] = [process for slot in worker.children() for process in slot.children()]
    return runner


def await_worker(client: stoker.Client, worker: psutil.Popen) -> None:
    """Wait until a worker serves, for as long as a busy machine takes to import TensorFlow."""
    deadline = time.monotonic() + PATIENCE_S
    while not any(each.pid == worker.pid for each in client.workers()):
        assert time.monotonic() < deadline
        assert worker.is_running()
        time.sleep(0.1)


def write_records(path: Path) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for n in range(40):
            features = {
                "x": tf.train.Feature(float_list=tf.train.FloatList(value=[float(n % 2), 1.0])),
                "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[n % 2])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def test_copies_of_remote_data_and_what_tensorflow_writes_go_with_the_job(
    stack: Settings, tmp_path: Path, temp: Path, eventually: Eventually
) -> None:
    write_records(tmp_path / "rows.tfrecord")
    data = f"file://{tmp_path}/rows.tfrecord"
    spec = stoker.Train(model="scratch", data=data, target="y", device="gpu", epochs=1)
    with (
        stoker.Client(settings=stack) as client,
        worker_of(
            stack.model_copy(update={"data_roots": ("/",)}), redis_url_of(stack), tmp_path / "worker.log"
        ) as worker,
    ):
        await_worker(client, worker)
        job = client.submit(spec)
        assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED, job.status()
        eventually(lambda: not of_jobs(temp))
        worker.terminate()
        worker.wait(timeout=PATIENCE_S)
        assert not any(temp.glob("stoker-*"))
    assert "Traceback" not in (tmp_path / "worker.log").read_text()


@pytest.mark.parametrize(
    "killed", [runner_of, lambda worker: runner_of(worker).parent()], ids=["the runner", "the slot"]
)
def test_what_a_killed_process_has_left_goes_while_its_worker_lives(
    stack: Settings,
    tmp_path: Path,
    temp: Path,
    eventually: Eventually,
    killed: Callable[[psutil.Process], psutil.Process],
) -> None:
    with (
        stoker.Client(settings=stack) as client,
        worker_of(stack, redis_url_of(stack), tmp_path / "worker.log") as worker,
    ):
        await_worker(client, worker)
        job = running(client, ENDLESS.model_copy(update={"device": "gpu"}))
        eventually(lambda: of_jobs(temp))
        left = of_jobs(temp)
        killed(worker).kill()
        eventually(lambda: not left & of_jobs(temp))
        job.cancel()
        assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED
        eventually(lambda: not of_jobs(temp))


def test_what_a_killed_worker_has_left_goes_when_the_next_one_starts(
    stack: Settings, tmp_path: Path, temp: Path, eventually: Eventually
) -> None:
    url, log = redis_url_of(stack), tmp_path / "worker.log"
    with stoker.Client(settings=stack) as client:
        with worker_of(stack, url, log) as worker:
            await_worker(client, worker)
            job = running(client, ENDLESS.model_copy(update={"device": "gpu"}))
            eventually(lambda: of_jobs(temp))
            kill_with_children(worker)
        left = set(temp.glob("stoker-*"))
        assert left
        job.cancel()
        with worker_of(stack, url, log) as worker:
            await_worker(client, worker)
            assert not left & set(temp.glob("stoker-*"))
        assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED
