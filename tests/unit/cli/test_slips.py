"""A slip of the hand ends in one line that says what to do, and in the documented exit status; never in a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ...conftest import PATIENCE_S


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stoker.cli", *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "status", "told"),
    [
        (["jobs"], {"STOKER_REDIS_URL": "redis://localhost/0?socket_timout=3"}, 2, "socket_timout is no option"),
        (["doctor"], {"STOKER_REDIS_URL": "redis://localhost/0?nonsense=1"}, 2, "nonsense is no option"),
        (["up"], {"STOKER_HOME": "/proc/nowhere"}, 1, "/proc/nowhere"),
        (["config"], {"STOKER_CONFIG": "/nowhere.toml"}, 2, "/nowhere.toml"),
        (["jobs", "--sate", "failed"], {}, 2, "No such option"),
        (["fleet", "scale", "cpu"], {}, 2, "cpu=4"),
    ],
)
def test_a_slip(arguments: list[str], variables: dict[str, str], status: int, told: str) -> None:
    refused = run(*arguments, **variables)
    assert (refused.returncode, refused.stderr.count("\n")) == (status, 1), refused.stderr
    assert told in refused.stderr
    assert refused.stderr.startswith("error: ")


def test_a_reader_that_has_had_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m stoker.cli config | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE_S)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("url", "told"),
    [("s3://bucket/stoker", "pip install 'stoker[s3]'"), ("nosuchscheme://x", "check STOKER_STORE_URL")],
)
def test_a_store_that_nothing_here_can_open_says_what_to_install(url: str, told: str) -> None:
    code = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from stoker.store import Store\nfrom stoker import InvalidSettings\n"
        f"try: Store({url!r})\nexcept InvalidSettings as error: print(error.message)"
    )
    opened = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S)
    assert told in opened.stdout
    assert (opened.stdout.count("\n"), opened.stderr) == (1, "")
