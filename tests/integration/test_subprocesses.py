"""Subprocesses that have a watchdog: what they leave is ended with them, and nobody else ever gets a signal of ours."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from stoker.local.subprocesses import Subprocess, Supervised

from ..conftest import PATIENCE_S, Eventually

PARENT = "import os, subprocess; print(subprocess.Popen(['sleep', '1000']).pid, flush=True); os._exit(3)"
PATIENT = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids that a signal was sent to though no child of this process has them, any more or at all."""
    found: list[int] = []

    def watched(send: Callable[[int, int], None]) -> Callable[[int, int], None]:
        def signalled(pid: int, number: int) -> None:
            try:
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                found.append(pid)
            else:
                send(pid, number)

        return signalled

    for name in ("kill", "killpg"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    return found


def command(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_child_that_has_ended_is_sent_nothing_more(strangers: list[int]) -> None:
    child = Subprocess(command("raise SystemExit(3)"))
    assert child.wait(PATIENCE_S) == 3
    child.kill()
    child.terminate()
    assert child.wait(0) == 3
    child.stop(1)
    assert strangers == []


def test_what_an_ended_child_has_left_is_killed_before_its_id_is_free(
    strangers: list[int], tmp_path: Path, eventually: Eventually
) -> None:
    child = Subprocess(command(PARENT), log=tmp_path / "log")
    assert child.wait(PATIENCE_S) == 3
    left = int((tmp_path / "log").read_text())
    eventually(lambda: not is_alive(left))
    assert strangers == []


def test_a_child_that_does_not_heed_sigterm_is_killed(
    strangers: list[int], tmp_path: Path, eventually: Eventually
) -> None:
    child = Subprocess(command(PATIENT), log=tmp_path / "log")
    eventually(lambda: (tmp_path / "log").read_text() == "up\n")
    child.stop(0.01)
    assert child.wait(0) == -signal.SIGKILL
    assert strangers == []


def test_a_supervised_child_that_ended_for_good_is_sent_nothing_at_the_end_of_its_block(
    strangers: list[int], eventually: Eventually
) -> None:
    def start() -> Subprocess:
        return Subprocess(command("raise SystemExit(0)"))

    with Supervised(start(), start, grace_s=1, final=(0,)) as supervised:
        eventually(lambda: not supervised.runs)
        assert supervised.exit_code == 0
        supervised.kill()
        supervised.terminate()
    assert strangers == []
