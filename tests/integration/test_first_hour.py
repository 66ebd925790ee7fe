"""The first hour of a newcomer: the commands of docs/first_hour.md, copied from there, in a folder of their own.

Those that clone, make the demo and take its environment are not run here: instead of them, `stoker` is what this
environment has. Ports are others, for they may be taken.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .. import preloaded
from ..conftest import PATIENCE_S, Eventually
from .conftest import free_port

_DOCS = Path(__file__).parents[2] / "docs"
_PREPARED = ("git clone ", "make demo", ". .venv/bin/activate")
_UP = "stoker up"
_ALL_S = 4 * PATIENCE_S


def commands() -> list[str]:
    """The page's commands, in order."""
    blocks = re.findall(r"```console\n(.*?)```", (_DOCS / "first_hour.md").read_text("utf-8"), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as a clone would be, as far as the page uses it, with `stoker` in its bin."""
    (tmp_path / "docs").symlink_to(_DOCS)
    program = tmp_path / "bin" / "stoker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{preloaded.python()}" -m stoker.cli "$@"\n')
    program.chmod(0o755)
    return tmp_path


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def environment(folder: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "STOKER_HOME": str(folder / "home"),
        "STOKER_GATEWAY_PORT": str(port),
        "STOKER_SLOTS": "1",
        "COLUMNS": "200",
    }


@pytest.fixture
def up(folder: Path, environment: dict[str, str], eventually: Eventually) -> Iterator[Path]:
    """What `stoker up` says, once it has named the console. Flower is left out: no command needs it."""
    said = folder / "up.said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [*_UP.split(), "--no-flower"], cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    with process:
        try:
            eventually(lambda: "  console " in said.read_text() or process.poll() is not None)
            yield said
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE_S)
            finally:
                process.kill()


def test_a_newcomer_comes_from_nothing_to_a_prediction_in_ten_commands(
    folder: Path, environment: dict[str, str], up: Path, port: int
) -> None:
    told = commands()
    assert len(told) == 10
    own = [line for line in told if line != _UP and not line.startswith(_PREPARED)]
    assert len(own) == 5
    assert re.search(rf"console  http://127\.0\.0\.1:{port}/console/login\?once=\S+  \(for whoever", up.read_text())
    script = "\n".join(f"echo '== {number}'\n{line}" for number, line in enumerate(own)).replace(":8765/", f":{port}/")
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_ALL_S,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    described, trained, predicted, made, answered = re.split(r"^== \d\n", ran.stdout, flags=re.MULTILINE)[1:]
    page = (_DOCS / "first_hour.md").read_text("utf-8")
    for line in described.splitlines():
        if line.startswith(("Tarif ", "Wohnfläche", "Monatsbeitrag", "Kunde seit", "Zahlart", "Gekündigt ")):
            assert line.rstrip() in page
    assert "SUCCEEDED" in trained
    assert "churn@1" in trained
    assert predicted.split()[:4] == ["row", "label", "ja", "nein"]
    assert made == ""
    [prediction] = json.loads(answered)["predictions"]
    assert prediction["label"] in ("ja", "nein")
    assert prediction["model"] == "churn@1"
