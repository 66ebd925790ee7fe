"""The example of docs/security.md runs as it stands."""

import re
import shlex
from pathlib import Path

import pytest

import stoker
from stoker.security.keys import TrustedKey, read_trusted

from .. import commands
from .parties import WORKER, Parties, TestSlot

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
SECTION = PAGE.split("## Signed jobs, results and models\n")[1].split("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


def test_the_example(
    parties: Parties, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "own"
    for line in blocks("console")[0].splitlines():
        done = commands.run(*shlex.split(line.removeprefix("$ stoker ")), env={"STOKER_HOME": str(home)})
        assert done.returncode == 0, done.stderr
    common = {"STOKER_HOME": str(home), "STOKER_TRUSTED_KEYS": str(home / "keys" / "trusted")}
    for name, value in (common | {"STOKER_REDIS_URL": parties.redis_url}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STOKER_SIGNING_KEY", str(home / "keys" / "alice.pem"))
    submit, show = blocks("python")
    names: dict[str, object] = {}
    exec(compile(submit, "guide", "exec"), names)
    job = names["job"]
    assert isinstance(job, stoker.Job)
    monkeypatch.setenv("STOKER_SIGNING_KEY", str(home / "keys" / "worker-1.pem"))
    parties.run(job.id, TestSlot(stoker.Settings(), parties.redis_url, WORKER))
    exec(compile(show, "guide", "exec"), names)
    client = names["client"]
    assert isinstance(client, stoker.Client)
    client.close()
    assert capsys.readouterr().out == "120\n"


def test_the_table_of_a_key_is_one(tmp_path: Path) -> None:
    (tmp_path / "alice.toml").write_text(blocks("toml")[0])
    [key] = read_trusted(tmp_path).values()
    assert isinstance(key, TrustedKey)
    assert (key.name, key.aliases, key.devices) == ("alice", ("canary",), ("cpu",))
