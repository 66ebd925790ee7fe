"""Neighbouring versions work on one Redis: an upgrade rolls through a system at work, and back."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import stoker
from stoker.local.subprocesses import Subprocess
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .upgrade_versions import build

APP = Path(__file__).with_name("upgrade_app.py")
# Longer than a drain.
_GRACE_S = 75.0
# How many trainings an app has done one after the other while the versions change.
AT_WORK = 2
SUBMIT_ECHO = """
import stoker
from stoker.kinds.echo import Echo
print(stoker.Client().submit(Echo(model="model-0")).id)
"""


class Site:
    """Where both versions are, and one Redis.

    Attributes:
        old, new: folders of the versions.
    """

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.old, self.new = build(folder)
        self._settings = Settings(redis_url=redis_url, home=folder / "home", slots=2)
        self._logs = folder
        self._programs: list[subprocess.Popen[str]] = []

    def environment(self, version: Path) -> dict[str, str]:
        return os.environ | self._settings.environment() | {"PYTHONPATH": str(version)}

    @contextmanager
    def running(self, version: Path, module: str) -> Iterator[None]:
        """A worker or a controller of a version, which is drained behind the with block."""
        log = self._logs / f"{version.name}-{module}.log"
        child = Subprocess([sys.executable, "-m", module], log=log, environment=self.environment(version))
        try:
            yield
        finally:
            child.stop(_GRACE_S)

    def python(self, version: Path, *arguments: str) -> "subprocess.Popen[str]":
        """A program that imports this version."""
        pipe = subprocess.PIPE
        command = [sys.executable, *arguments]
        program = subprocess.Popen(command, env=self.environment(version), stdout=pipe, stderr=pipe, text=True)
        self._programs.append(program)
        return program

    def close(self) -> None:
        """End the programs that still run because something went wrong."""
        for program in self._programs:
            if program.poll() is None:
                program.kill()
                program.communicate()

    def client(self) -> stoker.Client:
        return stoker.Client(settings=self._settings)


def output(program: "subprocess.Popen[str]") -> str:
    said, errors = program.communicate(timeout=2 * PATIENCE_S)
    assert program.returncode == 0, errors
    return said


def saw(program: "subprocess.Popen[str]") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output(program))
    return found


@pytest.fixture
def site(tmp_path: Path, redis_url: str) -> Iterator[Site]:
    site = Site(tmp_path, redis_url)
    yield site
    site.close()


@pytest.mark.parametrize("back", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["there", "and back"])
def test_an_upgrade_rolls_through_a_system_at_work_and_back(site: Site, eventually: Eventually, *, back: bool) -> None:
    worker, controller = "stoker_workers", "stoker_workers.controller"
    with ExitStack() as before, site.client() as client:
        before.enter_context(site.running(site.old, controller))
        before.enter_context(site.running(site.old, worker))
        eventually(lambda: len(client.workers()) == 1)
        assert_trained(saw(site.python(site.old, str(APP), "1")), 1)

        # The newer client comes first: what no worker knows waits, and says so; the older ones do not touch it.
        echo = output(site.python(site.new, "-c", SUBMIT_ECHO)).strip()
        eventually(lambda: "no live worker" in (client.job(echo).status().reason or ""))
        with ExitStack() as after:
            apps = load(site, echo)
            after.enter_context(site.running(site.new, worker))
            after.enter_context(site.running(site.new, controller))
            eventually(lambda: client.job(echo).state is stoker.JobState.SUCCEEDED)
            before.close()
            for app in apps:
                assert_trained(saw(app), AT_WORK)
            for version in (site.old, site.new):
                seen = saw(site.python(version, str(APP), "0", echo))
                assert_trained(seen, 0)
                assert_looked_at(seen["others"][echo], knows_it=version == site.new)

            if not back:
                return
            apps = load(site, echo)
            again = before.enter_context(ExitStack())
            again.enter_context(site.running(site.old, worker))
            again.enter_context(site.running(site.old, controller))
            eventually(lambda: len(client.workers()) == 2)
        for app in apps:
            assert_trained(saw(app), AT_WORK)
        second = output(site.python(site.new, "-c", SUBMIT_ECHO)).strip()
        eventually(lambda: "no live worker" in (client.job(second).status().reason or ""))
        assert not client.job(second).state.final
        assert not [job for job in client.jobs() if job.state in (stoker.JobState.FAILED, stoker.JobState.DEAD)]
        client.job(second).cancel()


def load(site: Site, echo: str) -> "Sequence[subprocess.Popen[str]]":
    """An app of each version at work."""
    return [site.python(version, str(APP), str(AT_WORK), echo) for version in (site.old, site.new)]


def assert_trained(seen: dict[str, Any], count: int) -> None:
    """All trainings succeeded, whichever version ran them, and all could be read."""
    assert [(one["epochs"], one["last"]) for one in seen["trainings"]] == [(1, "finished")] * count
    assert min(seen["models"], seen["jobs"], seen["workers"]) > 0


def assert_looked_at(echo: dict[str, Any], *, knows_it: bool) -> None:
    """A job of a newer kind can be followed by an older client; only its result says nothing to it."""
    assert (echo["state"], echo["kind"]) == ("SUCCEEDED", "echo")
    assert echo["events"][-1] == "finished"
    if knows_it:
        assert echo["result"] == "echo"
        assert "echoed" in echo["events"]
    else:
        assert echo.get("error") or echo["result"] == "echo"
