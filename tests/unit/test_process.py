"""A forked child: nothing that it has started outlives it, and one that cannot be forked leaves nothing behind."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from stoker.outages import Dependency, Outage
from stoker.settings import Settings
from stoker_workers.attempt.dependencies import Dependencies, DependencyWatch
from stoker_workers.attempt.process import ForkedProcess
from stoker_workers.attempt.scratch import remove_abandoned

from ..conftest import PATIENCE_S, Eventually


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def start_and_wait(pipe: Connection) -> None:
    """Start a program, tell its id and go on until something comes."""
    program = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    pipe.send_bytes(str(program.pid).encode())
    pipe.recv_bytes()


def fork_and_die(pipe: Connection) -> None:
    """Fork a process, which holds everything open that this one has, and be killed."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
    pipe.send_bytes(str(pid).encode())
    os.kill(os.getpid(), signal.SIGKILL)


def is_over(pid: int) -> bool:
    """Whether a process runs no more; whoever it was left to may not have reaped it yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def open_files() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


@contextmanager
def room_for_files(count: int) -> Iterator[None]:
    """No more than so many files can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with tempfile.TemporaryFile() as lowest:
        first = lowest.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (first + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("temp")
def test_what_a_child_has_started_ends_with_it(eventually: Eventually) -> None:
    child = ForkedProcess(start_and_wait)
    program = int(child.pipe.recv_bytes())
    child.close()
    eventually(lambda: is_over(program))


@pytest.mark.usefixtures("temp")
def test_a_child_has_ended_though_what_it_has_forked_holds_its_pipe(eventually: Eventually) -> None:
    child = ForkedProcess(fork_and_die)
    forked = int(child.pipe.recv_bytes())
    eventually(child.has_ended)
    assert not child.pipe.poll()
    assert not is_over(forked)
    assert child.join(PATIENCE_S) == "was killed by SIGKILL"
    eventually(lambda: is_over(forked))
    child.close()


@pytest.mark.parametrize("count", range(5))
def test_one_that_cannot_be_forked_leaves_no_file_open_and_no_folder_for_good(temp: Path, count: int) -> None:
    """Too few files are left for the lock of its folder, for its pipe, or for the pipes that tell of its end."""
    before = open_files()
    with room_for_files(count), pytest.raises((OSError, ConnectionError)):
        ForkedProcess(start_and_wait)
    assert open_files() == before
    remove_abandoned()
    assert list(temp.iterdir()) == []


@pytest.mark.usefixtures("temp")
def test_a_look_that_cannot_be_forked_is_taken_again(tmp_path: Path, eventually: Eventually) -> None:
    (tmp_path / "store").mkdir()
    dependencies = Dependencies()
    dependencies.met(Outage(of=Dependency.DISK, reason="it is full"))
    watch = DependencyWatch(dependencies, Settings(store_url=str(tmp_path / "store"), least_free_bytes=0))
    with room_for_files(0):
        watch.step()

    def is_back() -> bool:
        watch.step()
        return not dependencies.ongoing()

    eventually(is_back)


def exit_with_three(pipe: Connection) -> None:
    sys.exit(3)


def test_how_a_child_has_ended_is_known_after_another_was_started(temp: Path, eventually: Eventually) -> None:
    ended, other = ForkedProcess(exit_with_three), None
    try:
        eventually(ended.has_ended)
        other = ForkedProcess(start_and_wait)
        assert ended.has_ended()
        assert ended.join(PATIENCE_S) == "exited with status 3"
    finally:
        ended.close()
        if other:
            other.close()
    assert list(temp.iterdir()) == []
