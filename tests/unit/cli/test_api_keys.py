"""`stoker gateway new-key`, `keys` and `revoke`: what stands in the file, and who may read that."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from stoker.cli import gateway as command
from stoker.gateway.auth.keys import read_keys


def made(capsys: pytest.CaptureFixture[str], name: str, **options: Any) -> dict[str, Any]:
    command.new_key(name, as_json=True, **options)
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.parametrize("place", ["", "keys.toml"])
def test_the_file_is_its_owners_alone_until_that_says_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    made(capsys, "shop", to=tmp_path / place)
    [file] = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    command.revoke("shop", to=tmp_path / place)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert all(key.revoked for key in read_keys(tmp_path / place).values())


def test_whom_a_key_approves_for_is_written_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alice = made(capsys, "alice", approves="release-managers, owners", to=tmp_path)
    assert alice["approves"] == ["release-managers", "owners"]
    assert read_keys(tmp_path)[alice["id"]].approves == ("release-managers", "owners")
    command.list_keys(to=tmp_path)
    assert capsys.readouterr().out.rstrip().endswith("approves for release-managers, owners")
