"""Type checkers know a job's result by its spec, and take what the specs take."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import stoker

from ..conftest import PATIENCE_S

APP = Path(__file__).with_name("typed_app.py")
# Each of its lines that calls something is refused.
WRONG = """

def wrong(client: stoker.Client) -> None:
    client.submit(stoker.Train(model="churn", data="churn.csv")).result().accuracy
    stoker.Train(model="churn", data="churn.csv", optimizer="adamm")
    stoker.Train(model="churn", data="churn.csv", optimizer=3)
"""


@pytest.mark.slow
def test_mypy_knows_the_results_and_takes_what_specs_take(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    right = APP.read_text()
    (tmp_path / "app.py").write_text(right + WRONG)
    # As a user has it: strict, without pydantic's plugin, and without this project's settings.
    kept = getattr(pytestconfig, "cache", None)
    cache = kept.mkdir("mypy") if kept else os.devnull
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", f"--cache-dir={cache}"]
    command += ["--config-file=", "--no-error-summary", "app.py"]
    environ = os.environ | {"MYPYPATH": str(Path(stoker.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=PATIENCE_S, cwd=tmp_path)
    refused = [int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line]
    first = right.count("\n") + WRONG.count("\n") - 2
    assert refused == [first, first + 1, first + 2], done.stdout + done.stderr
