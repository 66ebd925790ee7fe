"""Temporary files: each process has a folder of its own, and nobody's end, however it comes, leaves one for good."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import PIPE

import psutil
import pytest

from stoker.outages import DependencyUnavailable
from stoker_workers.attempt.process import ForkedProcess
from stoker_workers.attempt.scratch import Scratch, remove_abandoned

from ..conftest import PATIENCE_S, Eventually

PTRACE_SEIZE = 0x4206
# A slot with a child that has written a temporary file: prints where, and waits.
SLOT = """
import sys, tempfile, time
from stoker_workers.attempt.process import ForkedProcess

def write(pipe):
    file = tempfile.NamedTemporaryFile(delete=False)
    file.write(b"x" * 1000)
    file.close()
    pipe.send_bytes(file.name.encode())
    time.sleep(1000)

child = ForkedProcess(write)
print(child.pid, child.pipe.recv_bytes().decode(), flush=True)
time.sleep(1000)
"""


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's folder for temporary files."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def slot(temp: Path) -> Iterator[tuple[psutil.Popen, psutil.Process, Path]]:
    """A slot, its child and the file that this has written."""
    slot = psutil.Popen([sys.executable, "-c", SLOT], stdout=subprocess.PIPE, text=True)
    pid, path = slot.stdout.readline().split()
    child = psutil.Process(int(pid))
    yield slot, child, Path(path)
    slot.kill()
    slot.communicate()


def write_and_tell(pipe: Connection) -> None:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        pipe.send_bytes(file.name.encode())
    pipe.recv_bytes()


def die(pipe: Connection) -> None:
    Path(tempfile.gettempdir(), "left").write_text("x")
    Path(os.environ["TMPDIR"], "left too").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)


def abandoned() -> Path:
    """A folder whose process has ended without a word."""
    scratch = Scratch()
    assert scratch._lock
    scratch._lock.close()
    return scratch.folder.parent


def test_what_a_process_leaves_goes_with_it(temp: Path) -> None:
    child = ForkedProcess(write_and_tell)
    path = Path(child.pipe.recv_bytes().decode())
    assert path.is_relative_to(temp)
    assert path.parent != temp
    child.close()
    assert list(temp.iterdir()) == []


def test_what_a_killed_process_leaves_goes_when_its_slot_notices(temp: Path) -> None:
    child = ForkedProcess(die)
    assert child.join(PATIENCE_S) == "was killed by SIGKILL"
    child.close()
    assert list(temp.iterdir()) == []


def test_a_process_that_ends_by_itself_leaves_nothing(temp: Path) -> None:
    child = ForkedProcess(write_and_tell)
    child.pipe.recv_bytes()
    child.pipe.send_bytes(b"end")
    assert child.join(PATIENCE_S) == "exited with status 0"
    assert list(temp.iterdir()) == []
    child.close()


def test_what_is_in_use_stays(temp: Path, slot: tuple[psutil.Popen, psutil.Process, Path]) -> None:
    mine = Scratch()
    assert remove_abandoned() == []
    assert slot[2].exists()
    assert mine.folder.exists()
    mine.remove()


def test_what_a_killed_slot_leaves_is_removed_by_the_next_one_to_start(
    temp: Path, slot: tuple[psutil.Popen, psutil.Process, Path], eventually: Eventually
) -> None:
    process, child, path = slot
    process.kill()
    eventually(lambda: not child.is_running())
    assert path.exists()
    eventually(remove_abandoned)
    assert list(temp.iterdir()) == []


def test_what_is_not_ours_stays(temp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (temp / "stoker-home").mkdir()
    (temp / "stoker-home" / "lock.txt").touch()
    (temp / "stoker-file").touch()
    folder = abandoned()
    (temp / "stoker-link").symlink_to(folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert remove_abandoned() == []
    assert folder.exists()
    assert remove_abandoned() == [folder]
    assert {path.name for path in temp.iterdir()} == {"stoker-home", "stoker-file", "stoker-link"}


def test_several_that_start_at_once_do_not_disturb_each_other(temp: Path) -> None:
    for _ in range(50):
        abandoned()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: remove_abandoned(), range(8)))
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize("gone", [".", ".."], ids=["its files", "all of it"])
def test_a_workers_folder_that_somebody_deletes_is_made_again(temp: Path, gone: str) -> None:
    worker = Scratch()
    tempfile.tempdir = str(worker.folder)
    shutil.rmtree((worker.folder / gone).resolve())

    child = ForkedProcess(write_and_tell)

    assert Path(child.pipe.recv_bytes().decode()).is_relative_to(worker.folder)
    child.close()
    worker.remove()


def test_a_folder_that_is_not_ours_is_not_made(temp: Path) -> None:
    temp.rmdir()
    with pytest.raises(DependencyUnavailable):
        ForkedProcess(write_and_tell)


# A process that abandons a child and ends. What the child has started keeps its pipes open, and a tracer keeps it from
# being waited for: so it seems to live on, as one whose file system is away.
ABANDONS = """
import sys, time
from stoker_workers.attempt.process import ForkedProcess

def hang(pipe):
    time.sleep(1000)

child = ForkedProcess(hang)
print(child.pid, flush=True)
sys.stdin.readline()
child.abandon()
"""


def test_a_child_that_cannot_be_killed_keeps_nobody_from_ending(temp: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ABANDONS], stdin=PIPE, stdout=PIPE, text=True)
    with process:
        assert process.stdin
        assert process.stdout
        child = int(process.stdout.readline())
        try:
            if ctypes.CDLL(None).ptrace(PTRACE_SEIZE, child, None, None):
                pytest.skip("this machine lets no process be traced")
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.wait(PATIENCE_S) == 0
            assert psutil.Process(child).status() == psutil.STATUS_ZOMBIE
        finally:
            process.kill()
            with suppress(ChildProcessError):
                os.waitpid(child, 0)
