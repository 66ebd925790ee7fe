"""`stoker keys`: keys are made, listed and revoked, and what cannot be read is said."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stoker import InvalidArgument
from stoker.cli import keys as command
from stoker.cli.doctor.check import System, Verdict
from stoker.cli.doctor.keys import CHECKS
from stoker.errors import InvalidSettings
from stoker.security.keys import read_private, read_trusted
from stoker.settings import Settings

HOME = "STOKER_HOME"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(HOME, str(tmp_path))
    return tmp_path


def made(capsys: pytest.CaptureFixture[str], name: str, **options: Any) -> dict[str, Any]:
    command.new(name, as_json=True, **options)
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def checked(**settings: object) -> Any:
    [check] = CHECKS
    return check.finding(System(Settings(**settings)))


def test_a_key_is_made_for_its_owner_alone_and_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alice = made(capsys, "alice", kinds="train, eval*", expires="90d")
    private = home / "keys" / "alice.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert load_pem_private_key(private.read_bytes(), None)
    assert (alice["id"], alice["kinds"], alice["models"]) == (alice["id"], ["train", "eval*"], ["*"])
    made(capsys, "worker-1", role="worker", expires="never")
    command.list_keys()
    told = capsys.readouterr().out.splitlines()
    assert told[1].split()[:3] == [alice["id"], "alice", "client"]
    assert told[1].endswith("kinds train, eval*")
    assert told[2].split()[1:] == ["worker-1", "worker", "no", "end", "all"]


def test_a_revoked_key_stays_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "trusted.toml"
    for name in ("alice", "bob"):
        made(capsys, name, to=file)
    command.revoke("bob", to=file)
    assert "copy the file to every worker" in capsys.readouterr().out
    keys = {key.name: key.revoked for key in read_trusted(file).values()}
    assert keys["alice"] is None
    assert keys["bob"]
    command.revoke("bob", to=file, as_json=True)
    assert json.loads(capsys.readouterr().out)["revoked"] == keys["bob"].isoformat().replace("+00:00", "Z")
    with pytest.raises(InvalidArgument, match=r"no key is called 'eve': name one of .*\(alice\)"):
        command.revoke("eve", to=file)


def test_what_is_wrong_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(capsys, "alice")
    with pytest.raises(InvalidArgument, match=r"there is a key alice in .* already"):
        command.new("alice")
    with pytest.raises(InvalidArgument, match="no name of a key"):
        command.new("../alice")
    with pytest.raises(InvalidArgument, match="--role is client, worker, controller or all; got 'root'"):
        command.new("bob", role="root")
    with pytest.raises(InvalidArgument, match="--expires is a length of time"):
        command.new("bob", expires="tomorrow")
    trusted = home / "keys" / "trusted" / "alice.toml"
    trusted.chmod(0o646)
    with pytest.raises(InvalidSettings, match=r"anybody here may add keys to .* \(mode 0646\): chmod o-w"):
        read_trusted(trusted)
    private = home / "keys" / "alice.pem"
    private.chmod(0o640)
    with pytest.raises(InvalidSettings, match=r"may be read by others \(mode 0640\): chmod 600"):
        read_private(private)
    private.chmod(0o600)
    private.write_text("no key")
    with pytest.raises(InvalidSettings, match="is no private key of Ed25519 in PEM"):
        read_private(private)
    with pytest.raises(InvalidSettings, match="signing_key cannot be read"):
        read_private(home / "none.pem")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no key: make one"),
        ("[a]\npublic = 'short'\nrole = 'client'", "expected the 32 bytes"),
        ("[a]\nrole = 'client'", "public"),
        (f"[a]\npublic = '{'A' * 43}='\nrole = 'root'", "role"),
        (f"[a]\npublic = '{'A' * 43}='\nrole = 'client'\nkind = ['train']", "kind"),
        (f"[a]\npublic = '{'A' * 43}='\nrole = 'client'\n[b]\npublic = '{'A' * 43}='\nrole = 'worker'", "the same key"),
        ("[a", "cannot be read"),
    ],
)
def test_keys_that_are_none(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "keys.toml").write_text(text)
    with pytest.raises(InvalidSettings, match=told):
        read_trusted(tmp_path)


def test_doctor_tells_of_keys_that_expire_or_cannot_be_read(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked().verdict is Verdict.OK
    for name, expires in (("alice", "365d"), ("soon", "9d"), ("old", "0s")):
        made(capsys, name, expires=expires)
    trusted = home / "keys" / "trusted"
    told = checked(trusted_keys=trusted, signing_key=home / "keys" / "alice.pem")
    assert (told.verdict, told.numbers) == (Verdict.WARN, {"trusted": 2, "expired": 1, "soon": 1, "revoked": 0})
    assert "(old) has expired" in told.told
    assert "(soon) expires at" in told.told
    assert checked(trusted_keys=trusted, signing_key=home / "keys" / "old.pem").verdict is Verdict.FAIL
    (home / "keys" / "soon.pem").chmod(0o644)
    wrong = checked(trusted_keys=trusted, signing_key=home / "keys" / "soon.pem")
    assert (wrong.verdict, "may be read by others" in wrong.told) == (Verdict.FAIL, True)
