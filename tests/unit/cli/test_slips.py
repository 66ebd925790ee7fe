"""A slip of the hand ends in one line that says what to do, and in the documented exit status; never in a traceback."""

import subprocess
import sys
from importlib import metadata

import pytest

from ... import commands
from ...conftest import PATIENCE_S

SLIPS: list[tuple[list[str], dict[str, str], int, str]] = [
    (["jobs"], {"STOKER_REDIS_URL": "redis://localhost/0?socket_timout=3"}, 2, "socket_timout is no option"),
    (["doctor"], {"STOKER_REDIS_URL": "redis://localhost/0?nonsense=1"}, 2, "nonsense is no option"),
    (["up"], {"STOKER_HOME": "/proc/nowhere"}, 1, "/proc/nowhere"),
    (["config"], {"STOKER_CONFIG": "/nowhere.toml"}, 2, "/nowhere.toml"),
    (["jobs", "--sate", "failed"], {}, 2, "No such option"),
    (["fleet", "scale", "cpu"], {}, 2, "cpu=4"),
]


def test_a_slip(subtests: pytest.Subtests) -> None:
    for arguments, variables, status, told in SLIPS:
        with subtests.test(" ".join(arguments), **variables):
            refused = commands.run(*arguments, env=variables)
            assert (refused.returncode, refused.stderr.count("\n")) == (status, 1), refused.stderr
            assert told in refused.stderr
            assert refused.stderr.startswith("error: ")


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    command = f"{sys.executable} -m stoker.cli config | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE_S)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_store_that_nothing_here_can_open_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from stoker.models.store import Store\nfrom stoker import InvalidSettings\n"
        "for url in ('s3://bucket/stoker', 'nosuchscheme://x'):\n"
        "    try: Store(url)\n    except InvalidSettings as error: print(error.message)"
    )
    opened = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S)
    first, second = opened.stdout.splitlines()
    assert "pip install 'stoker[s3]'" in first
    assert "check STOKER_STORE_URL" in second
    assert opened.stderr == ""


def test_the_version_is_said_without_a_server() -> None:
    said = commands.run("--version", env={"STOKER_REDIS_URL": "nonsense"})
    assert (said.returncode, said.stdout, said.stderr) == (0, f"stoker {metadata.version('stoker')}\n", "")
