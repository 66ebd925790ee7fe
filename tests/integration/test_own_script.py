"""A plain Keras script and the same as a job: three lines are added, and what it computes stays the same."""

import ast
import difflib
import json
import re
import subprocess
from pathlib import Path

import psutil
import pytest
from shop import digits

import stoker
from stoker.settings import Settings

from .. import preloaded
from ..conftest import PATIENCE_S
from .test_examples import SCRIPT

# What a reader takes in at a glance.
MOST_LINES = 28
PLAIN, JOB, SUBMITTED = re.findall(r"```python\n(.*?)```", SCRIPT.read_text(), re.DOTALL)
# A program that runs the main functions of files, without any server.
MAINS = "import json, runpy, sys; print(json.dumps([runpy.run_path(path)['main'](30) for path in sys.argv[1:]]))"


def lines(code: str) -> list[str]:
    return [line for line in code.splitlines() if line.strip()]


def test_the_script_becomes_a_job_by_three_lines() -> None:
    assert len(lines(PLAIN)) <= MOST_LINES
    changes = [line for line in difflib.ndiff(lines(PLAIN), lines(JOB)) if not line.startswith("  ")]
    assert [line[:2] for line in changes] == ["+ "] * 3
    ast.parse(JOB)
    assert Path(str(digits.__file__)).read_text() == JOB, "the package has what the page shows"


@pytest.mark.slow
def test_the_script_gives_the_same_by_itself_and_as_a_job(
    reader: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [tmp_path / "plain.py", tmp_path / "job.py"]
    for file, code in zip(files, (PLAIN, JOB), strict=True):
        file.write_text(code)
    names: dict[str, object] = {}
    exec(compile(SUBMITTED, SCRIPT.name, "exec"), names)

    (tmp_path / "mains.py").write_text(MAINS)
    command = [preloaded.python(), "-m", "mains", *map(str, files)]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)

    assert told.returncode == 0, told.stderr
    plain, by_itself = json.loads(told.stdout.splitlines()[-1])
    assert by_itself == pytest.approx(plain, abs=0.02)
    job = names["job"]
    assert isinstance(job, stoker.Job)
    with stoker.Client(settings=reader) as client:
        result = client.job(job.id).result(timeout=PATIENCE_S)
    assert isinstance(result, stoker.RunResult)
    # Another number of threads adds up in another order.
    assert result.value == pytest.approx(plain, abs=0.02)
    assert set(result.files) == {"history", "tensorboard"}
    [promised] = re.findall(r"print\(.*\)  # (\S+)", SUBMITTED)
    assert capsys.readouterr().out.startswith(promised)


@pytest.mark.slow
def test_the_script_that_was_killed_ends_with_what_an_undisturbed_one_gives(client: stoker.Client) -> None:
    spec = stoker.Run("shop.digits:main", {"epochs": 120})
    undisturbed = client.submit(spec).result(timeout=PATIENCE_S)
    job = client.submit(spec)
    next(event for event in job.events() if event.type == "checkpoint")
    [worker] = client.workers()
    runners = [child for slot in psutil.Process(worker.pid).children() for child in slot.children()]

    max(runners, key=psutil.Process.create_time).kill()

    resumed = job.result(timeout=PATIENCE_S)
    assert isinstance(resumed, stoker.RunResult)
    assert isinstance(undisturbed, stoker.RunResult)
    assert job.status().attempt == 2
    assert resumed.value == undisturbed.value
