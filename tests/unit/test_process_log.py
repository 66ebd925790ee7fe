"""How processes log: as text or as JSON, whatever is quoted, and in a file that rotates whoever writes to it."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from celery.utils.log import ColorFormatter

from stoker.errors import Unavailable
from stoker.settings import Settings
from stoker.terminal import exits
from stoker.terminal.process_log import ProcessLog, about

TEXT, JSON = ProcessLog("worker"), ProcessLog("worker", form="json", worker="cpu-1@here")


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, whose handlers come back."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = before
    root.setLevel(level)


def logged(log: ProcessLog, formatter: logging.Formatter, *message: object, error: Exception | None = None) -> str:
    logger, stream = logging.getLogger(__name__), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.propagate, logger.handlers = False, [handler]
    log.lead(logger)
    logger.error(*message, exc_info=error)
    return stream.getvalue()


def test_a_record_is_one_line_and_steers_nothing() -> None:
    plain = logging.Formatter("[%(levelname)s] %(message)s")
    assert logged(TEXT, plain, "job %s: %d", "a\x1b[2J\nERROR forged", 3) == "[ERROR] job a\\x1b[2J\\nERROR forged: 3\n"


def test_a_traceback_keeps_its_lines_and_steers_nothing() -> None:
    try:
        raise ValueError("bad\x1b[31m value")
    except ValueError as error:
        text = logged(TEXT, logging.Formatter("%(message)s"), "it failed", error=error)
    assert text.startswith("it failed\nTraceback (most recent call last):\n  File ")
    assert text.endswith("\nValueError: bad\\x1b[31m value\n")


def test_colours_that_are_ours_stay() -> None:
    assert logged(TEXT, ColorFormatter("%(message)s"), "red\x1b[32m") == "\x1b[1;31mred\\x1b[32m\x1b[0m\n"


def test_json_is_an_object_a_line_with_what_it_is_about() -> None:
    with about(job="j-1", attempt=2, tenant=None):
        try:
            raise ValueError("\x1b[31m\u2028\udcff")
        except ValueError as error:
            line = logged(JSON, logging.Formatter(), "%s\n}{", "ein\u202e Text\0\x7f", error=error)
    assert line.endswith("\n")
    assert line[:-1].isascii()
    assert line[:-1].isprintable()
    record = json.loads(line)
    assert datetime.now().astimezone() - datetime.fromisoformat(record.pop("time")) < timedelta(minutes=5)
    assert record.pop("exception").endswith("ValueError: \x1b[31m\u2028\udcff")
    assert record == {
        "level": "error",
        "logger": __name__,
        "message": "ein\u202e Text\0\x7f\n}{",
        "process": "worker",
        "pid": os.getpid(),
        "worker": "cpu-1@here",
        "job": "j-1",
        "attempt": 2,
    }
    assert json.loads(logged(JSON, logging.Formatter(), "job %s: lost", "j-2"))["job"] == "j-2"
    assert "job" not in json.loads(logged(JSON, logging.Formatter(), "%s", "j-2"))


def test_levels_are_the_settings_and_an_error_that_ends_a_process_is_json_too(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOKER_LOG_LEVEL", "warning")
    Settings(log_format="json").log("controller").begin()
    logging.getLogger("a").info("not this")
    logging.getLogger("a").warning("this")
    exits.say(Unavailable("no Redis"))
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(each["level"], each["message"]) for each in told] == [("warning", "this"), ("critical", "no Redis")]


def test_a_file_rotates_whoever_writes_to_it_and_no_line_is_lost_or_torn(tmp_path: Path) -> None:
    path = tmp_path / "of" / "worker.log"
    code = (
        "import logging, sys; from pathlib import Path; from stoker.terminal.process_log import ProcessLog; "
        "ProcessLog('worker', form='json', file=Path(sys.argv[1]), file_bytes=40_000).begin(); "
        "[logging.getLogger('a').info('%s %d', sys.argv[2], n) for n in range(300)]"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, path, name]) for name in ("one", "two")]
    assert [writer.wait() for writer in writers] == [0, 0]
    files = sorted(path.parent.glob("worker.log*"))
    assert 2 <= len(files) <= 6
    assert all(file.stat().st_size < 50_000 for file in files)
    told = [json.loads(line)["message"] for file in files for line in file.read_text().splitlines()]
    assert sorted(told) == sorted(f"{name} {n}" for name in ("one", "two") for n in range(300))
    for _ in range(8):
        subprocess.run([sys.executable, "-c", code, path, "more"], check=True)
    assert len(list(path.parent.glob("worker.log*"))) == 6


def test_a_log_whose_folder_goes_ends_no_process_and_goes_on_when_it_is_back(
    tmp_path: Path, root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "of" / "worker.log"
    ProcessLog("worker", file=path).begin()
    path.unlink()
    path.parent.rmdir()
    for number in range(3):
        root.warning("lost %d", number)
    assert capsys.readouterr().err.count("No such file or directory") == 3
    path.parent.mkdir()
    root.warning("kept")
    assert path.read_text().endswith("WARNING] kept\n")
    for handler in root.handlers:
        handler.close()


def test_a_log_that_cannot_be_renamed_grows_and_loses_nothing(
    tmp_path: Path, root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "worker.log"
    # As in a folder of somebody else's.
    (tmp_path / ".worker.log.lock").mkdir()
    ProcessLog("worker", file=path, file_bytes=50).begin()
    for number in range(3):
        root.warning("kept %d", number)
    assert path.read_text().count("kept") == 3
    assert "Is a directory" in capsys.readouterr().err
    for handler in root.handlers:
        handler.close()
