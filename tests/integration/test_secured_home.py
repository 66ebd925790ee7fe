"""`stoker up --secure`: one flag signs, encrypts and notes all that a home's local server is used for."""

import re
import shlex
from pathlib import Path

import pytest

import stoker
from stoker.errors import InvalidArgument
from stoker.local import AlreadyRunning
from stoker.local.subprocesses import Subprocess
from stoker.local.up import exclusive
from stoker.origins import local_file
from stoker.security.securing import secure
from stoker.settings import Settings

from .. import commands, preloaded
from ..conftest import PATIENCE_S, Eventually

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
SECTION = PAGE.split("## All of it on one machine\n")[1].split("\n## ")[0]
SECURED = ("signing_key", "trusted_keys", "encryption_key", "audit")


def test_the_example_runs_as_it_stands(tmp_path: Path, eventually: Eventually) -> None:
    [console] = re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL)
    up, *others = (shlex.split(line.removeprefix("$ stoker "), comments=True) for line in console.splitlines())
    log = tmp_path / "up.log"
    running = Subprocess([preloaded.python(), "-m", "stoker.cli", *up], log=log)
    try:
        eventually(lambda: "Stoker is up" in log.read_text())
        assert log.read_text().startswith("Secured: "), log.read_text()
        done = [commands.run(*command) for command in others]
        assert [each.returncode for each in done] == [0] * len(others), [each.stderr for each in done]
        demo, jobs, tail, verify = (each.stdout for each in done)
        assert "SUCCEEDED" in demo
        assert "Traceback" not in demo
        assert jobs.count("SUCCEEDED") == 2
        assert "registered" in tail.splitlines()[1]
        assert "everything is there as it was sealed" in verify
        with stoker.Client() as client:
            assert [status.state for status in client.jobs()] == [stoker.JobState.SUCCEEDED] * 2
            assert client.model("digits").ref == "digits@1"
            stored = [path for path in Path(client.settings.store).rglob("*") if path.is_file()]
        assert stored
        assert all(path.suffix == ".age" for path in stored if "audit" not in path.parts)
    finally:
        running.stop(PATIENCE_S)


def test_a_home_is_secured_once_and_stays_so(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert secure(Settings())
    first = Settings()
    assert (first.signing_key, first.trusted_keys) == (home / "keys" / "local.pem", home / "keys" / "trusted")
    assert (first.encryption_key, first.audit) == (str(home / "keys" / "artifacts.key"), True)
    assert {first.origin(name) for name in SECURED} == {"local.toml of the home folder"}
    assert not secure(first)
    for private in (home / "keys", home / "keys" / "local.pem", home / "keys" / "artifacts.key"):
        assert private.stat().st_mode & 0o077 == 0
    local_file(home).unlink()
    assert {Settings().origin(name) for name in SECURED} == {"default"}
    keys = {path: path.read_bytes() for path in (home / "keys").rglob("*") if path.is_file()}
    assert secure(Settings())
    assert {path: path.read_bytes() for path in keys} == keys, "what was encrypted could not be read again"


def test_whatever_uses_another_server_is_not_concerned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secure(Settings())
    assert Settings(redis_url="redis://elsewhere").signing_key is None
    assert Settings(home=tmp_path / "another").signing_key is None
    assert Settings(home=tmp_path / "another", redis_url="").encryption_key is None
    assert Settings(signing_key=tmp_path / "mine.pem").signing_key == tmp_path / "mine.pem"
    monkeypatch.setenv("STOKER_SIGNING_KEY", "")
    assert Settings().signing_key is None
    monkeypatch.setenv("STOKER_REDIS_URL", "redis://elsewhere")
    assert Settings().trusted_keys is None
    with pytest.raises(InvalidArgument, match=r"redis_url names another one \(environment: STOKER_REDIS_URL"):
        secure(Settings())


def test_a_home_in_use_is_not_secured_beneath_its_users(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with exclusive(home), pytest.raises(AlreadyRunning, match="a local stack already runs"):
        secure(Settings())
    assert not local_file(home).exists()


def test_a_wrong_setting_there_is_said_to_be_there(tmp_path: Path) -> None:
    secure(Settings())
    with local_file(tmp_path / "home").open("a") as file:
        file.write("slots = 0\nslotz = 1\n")
    with pytest.raises(stoker.InvalidSettings) as caught:
        Settings()
    assert caught.value.message.count("local.toml of the home folder") == 2
