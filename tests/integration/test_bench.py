"""The benchmarks' harness runs and writes its figures; what they say is for `make bench`."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench.check import GUARDS, compared
from bench.checkouts import Checkout

from .. import preloaded
from ..conftest import PATIENCE_S

ROOT = Path(__file__).parents[2]


def test_a_benchmark_that_needs_no_worker_writes_its_figures_down(tmp_path: Path) -> None:
    command = [preloaded.python(), "-m", "bench", "submit", "--quick", "--peers", "stoker", "--results", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    cases = json.loads((tmp_path / "submit.json").read_text())["figures"]["cases"]
    assert [(case["system"], case["calls"]["median"]) for case in cases] == [("stoker", 200)] * 3


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


@pytest.mark.slow
def test_two_checkouts_are_compared_in_one_run_scenario_by_scenario(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "submit", "--quick", "--against", str(ROOT), "--results", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE_S)
    assert done.returncode == 0, done.stderr
    cases = json.loads((tmp_path / "submit.json").read_text())["figures"]["cases"]
    scenarios = {(case.get("what") or case["way"], case["system"]) for case in cases}
    assert scenarios >= {("import stoker", "this checkout"), ("import stoker", str(ROOT))}
    assert scenarios >= {("submit", "this checkout"), ("submit", str(ROOT))}
    assert done.stdout.count("too few rounds to tell") == 7


def test_a_checkout_to_compare_with_is_imported_from_its_own_copy(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for source in ("producer", "workers"):
        shutil.copytree(ROOT / source, other / source)
    for package in ("producer/stoker", "workers/stoker_workers"):
        with (other / package / "__init__.py").open("a") as module:
            module.write('OTHER = "the other one"\n')
    checkout = Checkout.copied(other, tmp_path / "copy")
    shutil.rmtree(other)
    asked = "import stoker, stoker_workers, numpy; print(stoker.OTHER, stoker_workers.OTHER, sep=', ')"
    command, environment = [str(checkout.python), "-c", asked], os.environ | checkout.environment()
    # From a folder with a Stoker of its own, which must not come first.
    answer = subprocess.run(command, env=environment, cwd=ROOT / "producer", capture_output=True, text=True)
    assert answer.stdout.strip() == "the other one, the other one", answer.stderr


def test_what_is_neither_a_revision_nor_a_checkout_is_refused() -> None:
    command = [preloaded.python(), "-m", "bench", "submit", "--against", "no-such-revision"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "'no-such-revision' is neither a revision of this repository nor a checkout's folder" in done.stderr


def test_what_is_checked_is_worse_where_its_ratio_fell_by_more_than_a_quarter(tmp_path: Path) -> None:
    def folder(name: str, *rates: tuple[str, float]) -> Path:
        cases = [{"system": system, "what": "many jobs", "per_s": {"median": rate}} for system, rate in rates]
        (tmp_path / name).mkdir()
        (tmp_path / name / "noop.json").write_text(json.dumps({"figures": {"cases": cases}}))
        return tmp_path / name

    guard = GUARDS[0]
    last = folder("last", ("stoker", 1000.0), ("celery", 1000.0))
    slower = folder("slower", ("stoker", 390.0), ("celery", 500.0))
    worse = folder("worse", ("stoker", 370.0), ("celery", 500.0))
    alone = folder("alone", ("stoker", 370.0))
    assert compared([guard], slower, last) == ([f"{guard.what:<42} now   0.78, last   1.00: holds"], [])
    assert compared([guard], worse, last) == ([f"{guard.what:<42} now   0.74, last   1.00: WORSE"], [guard.what])
    [line], missing = compared([guard], alone, last)
    assert "NOT MEASURED" in line
    assert missing == [guard.what]


def test_every_benchmark_has_its_place_in_the_page() -> None:
    page = (ROOT / "bench" / "README.md").read_text()
    places = re.findall(r"<!-- begin (\w+) -->.*?<!-- end \1 -->", page, re.DOTALL)
    sources = {path.stem for path in (ROOT / "bench").glob("*.py")}
    assert set(places) <= sources
    for name in places:
        assert f"`python -m bench {name}`" in page


def test_a_benchmark_that_does_not_exist_is_refused_with_the_names_of_those_that_do() -> None:
    done = subprocess.run([preloaded.python(), "-m", "bench", "speed"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "there is no benchmark 'speed'" in done.stderr
    assert "inference" in done.stderr
