"""What the command line prints: foreign text as it is, and never obeyed; tables that fit; JSON that is exact."""

import ast
import io
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

import stoker.cli
import stoker_workers.demo
from stoker import JobState
from stoker.cli import dead, fleet, jobs
from stoker.cli.dead import DeadJob
from stoker.cli.live import follow, show_result
from stoker.cli.output import console, draw, metrics_text, print_json, say, say_block, say_error
from stoker.cli.table import Table
from stoker.client.fleets import FleetStatus
from stoker.events import Finished, Log, Progress
from stoker.fleet.bounds import Decision
from stoker.kinds import DeployResult, DescribeResult
from stoker.ledger.dead_jobs import PastAttempt
from stoker.models.store import Store
from stoker.status import JobStatus
from stoker.terminal.amounts import ago
from stoker.terminal.printable import printable

from ... import commands
from ...conftest import PATIENCE_S

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# What is markup to rich, what terminals obey, line breaks, overrides of direction, and characters that nobody sees.
STEERING = "[]\\/\x1b\x9b\x07\x08\r\n\x0b\x0c\x00\x7f\x85\u202e\u2066\u200b\u2028\ufeff\ud800\U000e0041"
JOINERS = "\u200c\u200d"
hostile = st.text(st.sampled_from(STEERING) | st.characters(), max_size=20).map(lambda text: f"[/x]{text}\x1b[2J[red]")


def printed(show: Callable[[], object], width: int | None = None) -> str:
    """What is printed in a pipe, or on a terminal of this width that knows no colours."""
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", stream)
        for name, value in {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": str(width or 80), "LINES": "50"}.items():
            patch.setenv(name, value)
        if width:
            patch.setattr(stream, "isatty", lambda: True)
        show()
    return stream.getvalue()


def status(text: str, **fields: object) -> JobStatus:
    known = {"id": "0" * 36, "kind": "train", "state": JobState.FAILED, "queue": "cpu.train", "priority": "normal"}
    return JobStatus.model_validate(known | {"model": text, "submitted_at": NOW, "reason": text} | fields)


def fleets(text: str) -> list[FleetStatus]:
    decision = Decision.model_validate({"at": NOW, "slots": 1, "wanted": 2, "reasons": [text]})
    counts = {"workers": 1, "slots": 1, "busy": 0, "offered": 2, "bounds": None}
    queue = {"queue": text, "jobs": 1, "oldest_s": 1}
    offered = {"labels": {text: text}, "functions": [text], "custom_objects": [text], "packages": {text: text}}
    parts = {"queues": [queue], "decisions": [decision], "environments": [{"workers": [text], **offered}]}
    return [FleetStatus.model_validate({"device": "cpu", **parts, **counts})]


def dead_job(text: str) -> DeadJob:
    past = PastAttempt(attempt=1, worker=text, how="lost", reason=text, started_at=NOW, ended_at=NOW, log=text)
    return DeadJob(**dict(status(text)), history=[past])


def description(text: str) -> DescribeResult:
    column = {
        "name": text, "kind": "category", "why": text, "warning": text, "dtype": "string", "shape": (), "missing": 1,
        "distinct": 3, "exact": True, "low": None, "high": None, "mean": None, "median": None, "examples": [text],
        "histogram": None, "commonest": {text: 2},
    }  # fmt: skip
    task: dict[str, object] = {"target": text, "task": "classification", "task_why": text, "task_doubt": text}
    task["targets"] = [{"name": text, "task": "classification", "why": text, "doubt": text}]
    return DescribeResult.model_validate(
        {"data": text, "rows": 9, "columns": [column], **task, "warnings": [text], "files": {}}
    )


def stream(text: str) -> list[Log | Progress | Finished]:
    at = {"id": "1-0", "at": NOW, "attempt": 1}
    return [
        Progress.model_validate({**at, "stage": text, "done": 1, "total": 2}),
        Log.model_validate({**at, "line": text}),
        Finished.model_validate({**at, "state": JobState.FAILED, "reason": text}),
    ]


SHOWN: dict[str, Callable[[str], object]] = {
    "jobs": lambda text: draw(Table([*"abcdef"], [jobs._row(status(text))], cut=["c", "f"])),
    "dead list": lambda text: draw(Table([*"abcde"], [dead._row(status(text))], cut=["c", "e"])),
    "dead list --history": lambda text: dead._show(dead_job(text)),
    "fleet status": lambda text: draw(fleet._shown(fleets(text))),
    "watch": lambda text: follow(stream(text), console()),
    "a line": lambda text: say("before ", (text, "bold"), f" {text}"),
    "a string for rich": draw,
    "metrics": lambda text: say(metrics_text({text: 0.5})),
    "a result": lambda text: show_result(DeployResult(model=text, alias=text), Store("memory://shown")),
    "a description": lambda text: show_result(description(text), Store("memory://shown")),
    "an error": say_error,
    "a traceback": lambda text: say_block(text, style="dim"),
}


@pytest.mark.parametrize("width", [None, 80], ids=["pipe", "terminal"])
@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
@given(text=hostile)
@settings(max_examples=40)
def test_no_foreign_text_steers_a_terminal(show: Callable[[str], object], width: int | None, text: str) -> None:
    out = printed(lambda: show(text), width)
    steering = {char for char in out if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert steering <= {"\n", *JOINERS}
    if width is None:
        assert "[/x]" in out
        assert "\\x1b[2J[red]" in out


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_json_reads_back_equal_and_is_ascii(text: str) -> None:
    event = stream(text)[1]
    for value in (event, [event]):
        out = printed(lambda value=value: print_json(value))  # type: ignore[misc]
        assert out.isascii()
        read = json.loads(out)
        assert Log.model_validate(read[0] if isinstance(read, list) else read) == event


@pytest.mark.parametrize("text", ["pip install 'stoker[worker]'", "größer, 数字, عدد, में, 👩‍🔬"])
def test_plain_text_is_printed_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert printed(lambda: say(text)) == f"{text}\n"
    assert printed(lambda: say_error(text)) == f"error: {text}\n"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_long_reason_takes_no_other_columns_room(width: int) -> None:
    rows = [status("a-model-of-some-length", id=f"{n}" * 36, reason="because " * 100) for n in range(3)]
    columns = ["id", "kind", "model", "state", "submitted", "progress"]
    table = printed(lambda: draw(Table(columns, map(jobs._row, rows), cut=["model", "progress"])), width)
    for line, row in zip(table.splitlines()[1:], rows, strict=True):
        assert cell_len(line) <= width
        words = line.split()
        assert words[:2] == [row.id[:8], "train"]
        assert words[2].rstrip("…") == row.model[: len(words[2].rstrip("…"))]
        assert len(words[2]) >= 7
        assert "FAILED" in words
        assert "because" in line or "becau…" in line
    assert ("a-model-of-some-length" in table) == (width >= 120)


def test_what_a_slow_clock_has_yet_to_reach_is_now() -> None:
    assert ago(datetime.now(UTC) + timedelta(hours=2)) == "0 s ago"


def test_a_pipe_gets_whole_cells() -> None:
    reason = "because " * 100
    table = printed(lambda: draw(Table(["id", "why"], [["1", reason]], cut=["why"])))
    assert table.splitlines()[1] == f"1   {reason.strip()}"


@pytest.mark.parametrize(
    "arguments", [["--help"], *(pytest.param(each, marks=pytest.mark.slow) for each in (["config"], ["sübmit"]))]
)
def test_a_terminal_without_unicode_gets_its_output(arguments: list[str]) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "stoker.cli", *arguments],
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=PATIENCE_S,
    )
    assert b"Traceback" not in told.stderr
    assert told.returncode == (2 if arguments == ["sübmit"] else 0)
    assert (told.stdout + told.stderr).isascii()


@pytest.mark.parametrize("url", ["redis://[/x]", "[/]\x1b[2J", "redis://h/[red]"])
def test_a_wrong_url_is_quoted_in_one_line(url: str) -> None:
    told = commands.run("jobs", env={"STOKER_REDIS_URL": url})
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "[" in told.stderr
    assert "\x1b" not in told.stderr


def test_all_output_goes_through_one_door() -> None:
    folder = Path(stoker.cli.__file__).parent
    door = {folder / "output.py", folder / "table.py"}
    modules = [*folder.rglob("*.py"), Path(stoker_workers.demo.__file__)]
    assert door <= set(modules)
    for module in set(modules) - door:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                assert node.module not in ("rich", "rich.markup", "rich.text"), f"{module} makes text of its own"
                assert "Console" not in names or module.name == "live.py", f"{module} makes a console of its own"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "Console"), f"{module} prints by itself"
