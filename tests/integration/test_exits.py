"""How the processes that run things end when they cannot: with one line on stderr, and a status."""

import os
import subprocess
from pathlib import Path

import pytest

import stoker
from stoker.ledger import attempts
from stoker.local.subprocesses import Subprocess
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .. import commands, preloaded
from ..conftest import PATIENCE_S, Eventually

COMMANDS = ["controller", "worker", "flower"]
STEERING = "\x1b[2J\n"


def ended(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return commands.run(*command, env=variables)


@pytest.mark.parametrize("command", COMMANDS)
def test_without_any_redis_it_is_unreachable(command: str) -> None:
    done = ended(command)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr
    assert done.stderr.startswith("error: ")
    assert "`stoker up`" in done.stderr


@pytest.mark.parametrize("command", [*COMMANDS, "demo"])
def test_wrong_settings_are_bad_usage_and_cannot_steer_a_terminal(command: str) -> None:
    done = ended(command, STOKER_SLOTS=f"many{STEERING}", STOKER_LEASE_S="soon")
    assert (done.returncode, done.stderr.count("\n")) == (2, 2), done.stderr
    assert all(line.startswith("error: ") for line in done.stderr.splitlines())
    assert "\x1b" not in done.stderr
    assert r"many\x1b[2J" in done.stderr


@pytest.mark.parametrize(
    ("module", "name"),
    [("stoker_workers.controller", "STOKER_METRICS_PORT"), ("stoker_workers.node", "STOKER_NODE_METRICS_PORT")],
)
def test_a_port_that_is_taken_ends_it_with_a_line(redis_url: str, module: str, name: str) -> None:
    port = redis_url.rpartition(":")[2].partition("/")[0]
    done = subprocess.run(
        [preloaded.python(), "-m", module],
        env=os.environ | {"STOKER_REDIS_URL": redis_url, name: port},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"metrics cannot be served on 127.0.0.1:{port}" in done.stderr


def test_a_node_without_the_device_asked_for_is_wrongly_set_up(redis_url: str) -> None:
    done = ended("worker", "--device", "gpu:63", STOKER_REDIS_URL=redis_url)
    assert (done.returncode, done.stderr.count("\n")) == (os.EX_CONFIG, 1), done.stderr
    assert "there is no gpu:63" in done.stderr


def test_a_file_that_flower_cannot_read_is_bad_usage(redis_url: str, tmp_path: Path) -> None:
    done = ended("flower", "--password-file", str(tmp_path / "none"), STOKER_REDIS_URL=redis_url)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_a_name_from_elsewhere_cannot_break_or_steer_the_log(
    redis_url: str, tmp_path: Path, eventually: Eventually
) -> None:
    settings = Settings(redis_url=redis_url, lease_s=0.5)
    with stoker.Client(settings=settings) as client:
        job = client.submit(stoker.Train(model="m", data="sample://iris"))
    connection = Connection.open(settings, redis_url)
    assert connection.run(attempts.claim(job.id, "owner", f"worker{STEERING}", 0.1))
    connection.close()
    log = tmp_path / "log"
    environment = os.environ | settings.environment()
    child = Subprocess([preloaded.python(), "-m", "stoker_workers.controller"], log=log, environment=environment)
    try:
        eventually(lambda: "went silent" in log.read_text())
    finally:
        child.stop(PATIENCE_S)
    assert r"worker worker\x1b[2J\n went silent" in log.read_text()
    assert "\x1b" not in log.read_text()
