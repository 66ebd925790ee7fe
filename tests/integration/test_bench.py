"""The benchmarks' harness runs and writes its figures; what they say is for `make bench`."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import PATIENCE_S

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_quickest_benchmark_of_stoker_alone_writes_right_answers_down(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "inference", "--quick", "--peers", "stoker", "--results", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "inference.json").read_text())["figures"]
    assert figures["systems"].keys() == {"stoker"}
    single = [case for case in figures["cases"] if "callers" in case]
    assert {(case["callers"], case["style"]) for case in single} == {(1, "threads"), (64, "asyncio"), (64, "threads")}
    for case in figures["cases"]:
        assert [measured["wrong"] for measured in case["rounds"]] == [0], case
    assert all(measured["failed"] == {} for case in single for measured in case["rounds"])


def test_every_benchmark_has_its_place_in_the_page() -> None:
    page = (ROOT / "bench" / "README.md").read_text()
    places = re.findall(r"<!-- begin (\w+) -->.*?<!-- end \1 -->", page, re.DOTALL)
    sources = {path.stem for path in (ROOT / "bench").glob("*.py")}
    assert set(places) <= sources
    for name in places:
        assert f"`python -m bench {name}`" in page


def test_a_benchmark_that_does_not_exist_is_refused_with_the_names_of_those_that_do() -> None:
    done = subprocess.run([sys.executable, "-m", "bench", "speed"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "there is no benchmark 'speed'" in done.stderr
    assert "inference" in done.stderr
