"""What the images run, as plain processes: a Redis with users, a controller and a worker, their checks, their end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

import stoker
from stoker.local.server import server_binary

from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
REDIS = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]["redis"]


def started(stage: str) -> list[str]:
    """The command line of an image; in this checkout, `stoker` is a module."""
    [found] = re.findall(rf"AS {stage}$.*?^ENTRYPOINT (\[.+?\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    program, *words = json.loads(found)
    assert program == "stoker"
    return [sys.executable, "-m", "stoker.cli", *words]


def is_healthy(what: str, env: Mapping[str, str]) -> bool:
    check = [sys.executable, str(ROOT / "docker" / "health.py"), what]
    told = subprocess.run(check, env=env, capture_output=True, text=True, timeout=PATIENCE_S)
    # Nothing said where all is well, one line where it is not.
    assert (told.returncode, len(told.stderr.splitlines())) in ((0, 0), (1, 1)), told.stderr
    return told.returncode == 0


def redis_command(secrets: Path, data: Path, port: int) -> list[str]:
    """The compose file's, on paths of this machine and for this machine alone."""
    here = {
        "valkey-server": str(server_binary()),
        "/etc/valkey/redis.conf": str(ROOT / "config" / "redis.conf"),
        "/run/secrets/users.acl": str(secrets / "users.acl"),
        "/data": str(data),
        "*": "127.0.0.1",
    }
    return [here.get(word, word) for word in REDIS["command"]] + ["--port", str(port)]


def test_the_commands_of_images_are_healthy_once_they_work_and_drain_at_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    made, data = tmp_path / "secrets", tmp_path / "data"
    subprocess.run(["sh", ROOT / "docker" / "make-secrets", made, "127.0.0.1"], check=True, capture_output=True)
    data.mkdir()

    def environment(user: str) -> dict[str, str]:
        """As the secret of a party is mounted into its container."""
        folder = tmp_path / user
        folder.mkdir()
        url = (made / f"{user}_url").read_text().replace(":6379/", f":{port}/")
        (folder / "stoker_redis_url").write_text(url)
        return os.environ | {"STOKER_SECRETS_DIR": str(folder), "STOKER_SLOTS": "1"}

    with ExitStack() as stack:

        def start(command: Sequence[str], env: Mapping[str, str], name: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=tmp_path)
            stack.callback(process.wait, PATIENCE_S)
            stack.callback(process.terminate)
            return process

        start(redis_command(made, data, port), os.environ, "redis")
        controller, worker = environment("controller"), environment("worker")
        assert not is_healthy("controller", controller)
        start(started("controller"), controller, "controller")
        # Each look at its health is a process of its own; its log tells for less when it may be well.
        eventually(lambda: " leads" in (tmp_path / "controller.log").read_text())
        eventually(lambda: is_healthy("controller", controller))

        monkeypatch.setenv("STOKER_SECRETS_DIR", environment("client")["STOKER_SECRETS_DIR"])
        with stoker.Client() as client:
            assert not is_healthy("worker", worker)
            process = start(started("cpu-worker"), worker, "worker")
            eventually(client.workers)
            assert is_healthy("worker", worker)

            job = client.submit(stoker.Train(model="packed", data="sample://iris", epochs=1_000_000, seed=1, **SMALL))
            next(event for event in job.events() if event.type == "epoch")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
            assert (job.state, job.status().attempt) == (stoker.JobState.QUEUED, 1)
        assert not is_healthy("worker", worker)
