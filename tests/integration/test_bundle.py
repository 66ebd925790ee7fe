"""`stoker doctor --bundle`: what helps is in it, and nothing that is secret, wherever that was planted."""

import json
import uuid
import zipfile
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

import stoker
from stoker.cli.doctor.secrets import HIDDEN, Secrets, secrets_in
from stoker.ledger import intake
from stoker.ledger.intake import NewJob
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .. import commands

PLANTED = {
    "redis": "rEd1s-pl4nted",
    "results": "r3sults-planted",
    "store": "st0re-planted",
    "token": "gh-planted-0001",
    "spec": "row-of-a-customer-planted",
    "bearer": "eyJhbGciplanted.b0dy.s1gn",
    "word": "planted0123456789abcdefGHIJ",
    "quoted": "two words planted",
    "armoured": "MC4CAQAwBQplanted",
    "age": "AGE-SECRET-KEY-1PLANTED0QQQ",
    "file": "toml-planted-9",
}


def test_nothing_that_was_planted_is_in_a_bundle(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    logs = home / "logs"
    logs.mkdir(parents=True)
    Path("stoker.toml").write_text(f'store_url = "memory://user:{PLANTED["store"]}@bucket/stoker"\n')
    lines = [
        f"connected to redis://worker:{PLANTED['redis']}@10.0.0.1:6379/0",
        f"Authorization: Bearer {PLANTED['bearer']}",
        f'password="{PLANTED["quoted"]}" was refused',
        f"got {PLANTED['word']} where a digest was expected",
        f"key {PLANTED['age']}",
        f"-----BEGIN PRIVATE KEY-----\n{PLANTED['armoured']}\n-----END PRIVATE KEY-----",
        f"the variable has {PLANTED['token']}",
        "job 6f1f5e0a-1111-4222-8333-123456789abc ended; a line that helps",
    ]
    (logs / "worker.log").write_text("\n".join(lines))
    with redis.Redis.from_url(redis_url) as admin:
        admin.execute_command("ACL", "SETUSER", "helper", "on", f">{PLANTED['redis']}", "~*", "&*", "+@all")
        try:
            address = urlsplit(redis_url)
            url = f"redis://helper:{PLANTED['redis']}@{address.hostname}:{address.port}/0"
            settings = Settings(redis_url=url, home=home)
            spec = stoker.Train(model="m", data="sample://iris", tags={"who": PLANTED["spec"]})
            with closing(Connection.open(settings, url)) as connection:
                connection.run(intake.submit([NewJob(str(uuid.uuid4()), spec, "cpu.train")]))
            variables = {
                "STOKER_REDIS_URL": url,
                "STOKER_HOME": str(home),
                "STOKER_RESULT_URL": f"redis://:{PLANTED['results']}@10.9.9.9/1",
                "GITHUB_TOKEN": PLANTED["token"],
                "SMTP_PASSWORD": PLANTED["file"],
            }
            told = commands.run("doctor", "--bundle", "help.zip", env=variables)
            assert "help.zip has doctor.json" in told.stdout
            assert commands.run("doctor", "--bundle", "help.zip", env=variables).returncode == 2
        finally:
            admin.execute_command("ACL", "DELUSER", "helper")
    with zipfile.ZipFile("help.zip") as bundle:
        parts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    for secret in PLANTED.values():
        assert [name for name, text in parts.items() if secret in text] == []
        assert secret not in told.stdout + told.stderr
    assert "job 6f1f5e0a-1111-4222-8333-123456789abc ended; a line that helps" in parts["logs/worker.log"]
    assert json.loads(parts["jobs.json"])[0]["events"] == ["queued"]
    assert json.loads(parts["settings.json"])["redis_url"]["origin"] == "environment: STOKER_REDIS_URL"
    assert json.loads(parts["versions.json"])["celery"]


@pytest.mark.parametrize(
    "text",
    [
        "job 6f1f5e0a-1111-4222-8333-123456789abc: worker node-1.cpu.example went silent, now QUEUED",
        "store://sha256/00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff/rows.csv is gone",
        "/usr/lib/python3.11/site-packages/stoker_workers/attempt/preparation.py, line 12",
        "epoch 3/5 loss=0.1234567890123 accuracy=0.98",
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert Secrets(()).hide(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "API_KEY=hunter2x",
        '{"password": "hunter2x"}',
        "s3://id:hunter2x@bucket",
        "https://h/?token=hunter2x&a=b",
        "Basic hunter2xhunter2x",
    ],
)
def test_what_looks_secret_goes(text: str) -> None:
    assert "hunter2x" not in Secrets(()).hide(text)


def test_what_is_known_to_be_secret_goes_in_every_form() -> None:
    secrets = Secrets(secrets_in(["redis://u:p%40ss-word@h"], {"MAIL_PASSWORD": "open sesame", "LANG": "C.UTF-8"}))
    assert secrets.hide("p%40ss-word p@ss-word open sesame C.UTF-8") == f"{HIDDEN} {HIDDEN} {HIDDEN} C.UTF-8"
