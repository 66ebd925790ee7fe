"""The process that opens a model of somebody else: what its code can do there. See docs/import.md."""

import errno
import os
import pickle
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from pydantic import BaseModel

from stoker.errors import InvalidJob
from stoker.models.access import Access
from stoker.models.store import Store
from stoker_workers.ml.optimisation import apart as apart_module
from stoker_workers.ml.optimisation.apart import Crashed, Distrusted, apart
from stoker_workers.ml.optimisation.strays import Strays
from stoker_workers.ml.prediction.loading import loading
from stoker_workers.ml.run import Run
from stoker_workers.node import confined, landlock, namespaces

from ..conftest import Eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux confines")


class Said(BaseModel):
    """What was tried, and how that ended."""

    ends: dict[str, str]


Tries = dict[str, Callable[[], object]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (scratch := tmp_path / "scratch").mkdir()
    store = Store(str(tmp_path / "store"))
    return Run(
        job="job", store=store, scratch=scratch, builders=(), access=Access(["/"], store.url), models=(), checkpoints=()
    )


def ends(run: Run, tries: Tries) -> dict[str, str]:
    """What becomes of each in a confined process: "" if it succeeds, or the error."""

    def work(_run: Run) -> Said:
        said = {}
        for name, attempt in tries.items():
            try:
                attempt()
            except OSError as error:
                said[name] = errno.errorcode[error.errno or 0]
            except MemoryError:
                said[name] = "MemoryError"
            else:
                said[name] = ""
        return Said(ends=said)

    return apart(work, run, Distrusted(Said, partial(confined.confine, run.scratch, 0))).ends


def needs(what: str) -> None:
    if lacks := [lack for lack in confined.refused_here() if lack.startswith(what)]:
        pytest.skip(f"this kernel refuses {lacks}")


def test_nothing_of_this_machine_is_reached_over_the_network(run: Run) -> None:
    needs("no network")
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.create_connection(tcp.getsockname()) as inherited,
    ):
        taken, _ = tcp.accept()
        udp.bind(("127.0.0.1", 0))
        served, bound = tcp.getsockname(), udp.getsockname()

        def send() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"secret", bound)

        tries: Tries = {
            "tcp": lambda: socket.create_connection(served, 5).close(),
            "udp": send,
            "inherited": lambda: inherited.sendall(b"secret"),
        }
        said = ends(run, tries)
        assert said["tcp"] in ("EACCES", "ENETUNREACH", "ECONNREFUSED")
        assert said["udp"] == "ENETUNREACH"
        # It leads nowhere: what is no socket any more takes no such call.
        assert said["inherited"] == "ENOTSOCK"
        for listener in (tcp, udp, taken):
            listener.settimeout(0)
            with listener, pytest.raises(BlockingIOError):
                listener.accept() if listener is tcp else listener.recv(1)
        # The same calls reach a server from here.
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), 5).close()


def test_only_its_folder_is_written_and_no_program_is_started(run: Run, tmp_path: Path) -> None:
    needs("no files but its own")
    (victim := tmp_path / "victim").write_text("as it was")
    inside = run.scratch
    tries: Tries = {
        "its own": lambda: (inside / "x").write_text("x"),
        "its own, linked": lambda: (inside / "y").hardlink_to(inside / "x"),
        "nothing": lambda: Path(os.devnull).write_text("x"),
        "another": lambda: (tmp_path / "new").write_text("x"),
        "what is there": lambda: victim.write_text("x"),
        "away with it": victim.unlink,
        "a link": lambda: (inside / "link").symlink_to(victim),
        "a program": lambda: subprocess.run(["/bin/true"], check=True),
        "read": victim.read_text,
    }
    assert ends(run, tries) == {
        **dict.fromkeys(("its own", "its own, linked", "nothing", "read"), ""),
        **dict.fromkeys(("another", "what is there", "away with it", "a link", "a program"), "EACCES"),
    }
    assert victim.read_text() == "as it was"


def test_memory_files_and_their_size_are_bounded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2_000_000}))

    def open_many() -> None:
        kept = []
        while True:
            kept.append(open(os.devnull))  # noqa: SIM115, PTH123  # closed with the process

    tries: Tries = {
        "much": lambda: bytes(3 << 30),
        "some": lambda: bytes(1 << 20),
        "a large file": lambda: (run.scratch / "large").write_bytes(bytes(1_000_001)),
        "a file": lambda: (run.scratch / "small").write_bytes(bytes(1_000_000)),
        "many": open_many,
    }
    assert ends(run, tries) == {
        "much": "MemoryError",
        "some": "",
        "a large file": "EFBIG",
        "a file": "",
        "many": "EMFILE",
    }
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert soft == resource.RLIM_INFINITY


def test_a_file_that_is_too_large_is_refused_in_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2_000_000}))

    def work(run: Run) -> Said:
        with loading("m.zip"):
            (run.scratch / "large").write_bytes(bytes(1_000_001))
        return Said(ends={})

    said = (
        r"m.zip cannot be loaded: it needs a file of more than 1,000,000 bytes, half of what .* free; give the worker"
    )
    with pytest.raises(InvalidJob, match=said):
        apart(work, run, Distrusted(Said, partial(confined.confine, run.scratch, 0)))


class _Evil:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch harmed",)


@pytest.mark.parametrize("sent", [pickle.dumps(("done", _Evil())), b'["done", {"ends": 3}]', b"[1]", b""])
def test_what_it_sends_is_data_and_nothing_else(
    sent: bytes, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pipes: list[int] = []

    def work(_run: Run) -> Said:
        os.write(pipes[0], len(sent).to_bytes(4) + sent)
        os._exit(0)

    def note(kept: int) -> tuple[str, ...]:
        pipes.append(kept)
        return ()

    with pytest.raises(Crashed, match="something else"):
        apart(work, run, Distrusted(Said, note))
    assert not (tmp_path / "harmed").exists()


def test_what_a_kernel_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(lack.startswith(("no network: ", "no files but its own: ")) for lack in confined.refused_here())
    monkeypatch.setattr(namespaces, "leave_network", lambda: "unshare: Operation not permitted")
    monkeypatch.setattr(landlock, "_version", lambda: -1)
    network, files = confined.refused_here()
    assert network == "no network: unshare: Operation not permitted"
    assert files.startswith("no files but its own: Landlock: ")
    monkeypatch.setattr(landlock, "restrict", lambda *_: None)
    monkeypatch.setattr(landlock, "forbids_tcp", lambda: True)
    assert confined.refused_here() == ("no network: TCP is forbidden, UDP is not: unshare: Operation not permitted",)


def test_limits_that_cannot_be_set_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EINVAL, "landlock_add_rule")

    monkeypatch.setattr(landlock, "restrict", fails)
    [told] = confined.refused_here()
    assert told.startswith("limits: the process that tried them did not come to its end")


def test_files_and_pipes_that_were_open_before_lead_nowhere(run: Run, tmp_path: Path) -> None:
    (there := tmp_path / "open").write_text("as it was")
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with there.open("r+") as opened, there.open() as read:

        def write() -> None:
            os.write(opened.fileno(), b"changed")
            os.write(writer, b"told")

        tries: Tries = {"write": write, "read": lambda: os.read(read.fileno(), 9)}
        assert ends(run, tries) == {"write": "", "read": ""}
    assert there.read_text() == "as it was"
    with pytest.raises(BlockingIOError):
        os.read(reader, 9)
    for end in (reader, writer):
        os.close(end)


def test_what_leaves_its_session_is_ended_with_it(run: Run, eventually: Eventually) -> None:
    """A process that is its own leader, and nobody's child any more."""
    started = run.scratch / "started"

    def work(_run: Run) -> Said:
        if not os.fork():
            os.setsid()
            if not os.fork():
                started.write_text(str(os.getpid()))
                while True:
                    signal.pause()
            os._exit(0)
        while not started.exists() or not started.read_text():
            time.sleep(0.01)
        return Said(ends={})

    assert apart(work, run, Distrusted(Said, partial(confined.confine, run.scratch, 0))) == Said(ends={})
    stray = int(started.read_text())
    eventually(lambda: not Path(f"/proc/{stray}").exists())
    # From then on no orphan comes to this process, which would keep it as a zombie.
    orphan = "import subprocess; print(subprocess.Popen(['sleep', '0.1'], stdout=subprocess.DEVNULL).pid)"
    lone = int(subprocess.run([sys.executable, "-c", orphan], capture_output=True, text=True, check=True).stdout)
    eventually(lambda: not Path(f"/proc/{lone}").exists())


def test_it_ends_with_the_process_that_waits_for_it(run: Run, eventually: Eventually) -> None:
    """As where a worker is killed, and its jobs' processes with it."""
    started = run.scratch / "started"
    strays = Strays()  # so that it comes to this process, which can ask how it ended

    def work(_run: Run) -> Said:
        started.write_text(str(os.getpid()))
        while True:
            signal.pause()

    if not (waits := os.fork()):
        apart(work, run, Distrusted(Said, partial(confined.confine, run.scratch, 0)))
        os._exit(0)
    eventually(lambda: started.exists() and started.read_text())
    os.kill(waits, signal.SIGKILL)
    os.waitpid(waits, 0)
    opens = int(started.read_text())
    eventually(lambda: os.waitid(os.P_PID, opens, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    assert os.WTERMSIG(os.waitpid(opens, 0)[1]) == signal.SIGKILL
    strays.end()


def test_one_that_closes_its_pipe_and_goes_on_is_not_waited_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart_module, "_END_S", 0.1)

    def work(_run: Run) -> Said:
        os.closerange(3, 1024)
        while True:
            signal.pause()

    with pytest.raises(Crashed, match="closed its pipe, and went on"):
        apart(work, run, Distrusted(Said, partial(confined.confine, run.scratch, 0)))


def test_what_the_kernel_refuses_stands_in_the_jobs_log(run: Run) -> None:
    lines: list[str] = []
    run = replace(run, emit=lambda event: lines.append(getattr(event, "line", "")))
    apart(lambda _: Said(ends={}), run, Distrusted(Said, lambda _: ("no network: unshare: refused",)))
    assert lines == ["what this opens is held less tightly here: no network: unshare: refused"]
