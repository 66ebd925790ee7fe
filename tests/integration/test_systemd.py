"""The systemd units, with what docker/make-secrets makes: each command runs over TLS, as its user, and ends in time."""

import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest

import stoker
from stoker.local.server import server_binary
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from ..tls import terminator
from .conftest import BRIEF, await_worker, free_port

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "config" / "systemd").glob("*.service"))
INSTALLED = "/opt/stoker/bin/stoker"
SECRETS = "/etc/stoker/secrets"
# What a worker may take to drain, by docs/operations.md.
DRAIN_S = 75


def settings_of(unit: Path) -> dict[str, list[str]]:
    """What a unit sets, by name."""
    found = defaultdict(list)
    for line in unit.read_text().splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found[match[1]].append(match[2])
    return dict(found)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_has_nothing_to_say(tmp_path: Path) -> None:
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(INSTALLED, "/bin/true"))
    paths = [tmp_path / unit.name for unit in UNITS]
    told = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_keeps_its_process_in_bounds_and_ends_it_gently(unit: Path) -> None:
    of_unit = settings_of(unit)
    # Else the workers of a node would hear SIGTERM twice, from systemd and from their agent, and not drain.
    assert of_unit["KillMode"] == ["mixed"]
    assert of_unit["Restart"] == ["on-failure"]
    assert of_unit["User"] == ["stoker"]
    assert of_unit["NoNewPrivileges"] == of_unit["PrivateTmp"] == of_unit["ProtectHome"] == ["yes"]
    assert (of_unit["ProtectSystem"], of_unit["CapabilityBoundingSet"]) == (["strict"], [""])
    assert int(of_unit["TimeoutStopSec"][0]) > (DRAIN_S if "worker" in unit.name else 10)


def made_secrets(folder: Path, *options: str) -> Path:
    script = ROOT / "docker" / "make-secrets"
    subprocess.run(["sh", script, *options, folder, "127.0.0.1", "6380"], check=True, capture_output=True)
    return folder


def test_the_certificate_is_made_anew_by_the_same_authority(tmp_path: Path) -> None:
    made = made_secrets(tmp_path / "secrets", "--tls", "--at", SECRETS, "--ca", "/etc/stoker/ca.pem")
    assert (made / "worker_url").read_text().endswith("@127.0.0.1:6380/0?ssl_ca_certs=/etc/stoker/ca.pem")
    server = (made / "server.conf").read_text().splitlines()
    assert {f"aclfile {SECRETS}/users.acl", "port 0", "tls-port 6380", f"tls-key-file {SECRETS}/redis.key"} <= {*server}
    assert (made / "ca.key").stat().st_mode & 0o077 == 0
    before = (made / "redis.crt").read_bytes(), (made / "ca.pem").read_bytes(), (made / "worker_url").read_bytes()
    made_secrets(made, "--renew")
    after = (made / "redis.crt").read_bytes(), (made / "ca.pem").read_bytes(), (made / "worker_url").read_bytes()
    assert after[0] != before[0]
    assert after[1:] == before[1:]
    plain = made_secrets(tmp_path / "plain")
    assert not (plain / "ca.pem").exists()
    assert (plain / "server.conf").read_text().splitlines()[1:] == [f"aclfile {plain}/users.acl", "port 6380"]


def test_what_the_units_start_works_over_tls_as_their_users_and_ends_at_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    made = made_secrets(tmp_path / "secrets", "--tls", "--ca", str(tmp_path / "secrets" / "ca.pem"))
    port = free_port()
    options = ["--port", str(port), "--aclfile", str(made / "users.acl"), "--dir", str(tmp_path)]
    server = [str(server_binary()), str(ROOT / "config" / "redis.conf"), *options]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made / "redis.crt", made / "redis.key")
    with ExitStack() as stack:
        redis = stack.enter_context(subprocess.Popen(server, stdout=subprocess.DEVNULL))
        stack.callback(redis.terminate)
        tls_port = stack.enter_context(terminator(f"redis://127.0.0.1:{port}", context))
        for url in made.glob("*_url"):
            text = url.read_text().replace(":6380/", f":{tls_port}/")
            url.unlink()
            url.write_text(text)
        running = {}
        ports = {"STOKER_GATEWAY_PORT": free_port(), "STOKER_FLOWER_PORT": free_port()}
        for unit in UNITS:
            of_unit, credentials, home = settings_of(unit), tmp_path / unit.stem, tmp_path / "home"
            credentials.mkdir()
            for name, _, source in (each.partition(":") for each in of_unit["LoadCredential"]):
                (credentials / name).write_text((made / Path(source).relative_to(SECRETS)).read_text())
            variables = dict(each.partition("=")[::2] for line in of_unit["Environment"] for each in line.split())
            here = {"STOKER_CONFIG": str(ROOT / "config" / "stoker.toml"), "STOKER_HOME": str(home)}
            assert variables.keys() - here.keys() == {"STOKER_SECRETS_DIR"}
            environment = os.environ | here | {"STOKER_SECRETS_DIR": str(credentials), "STOKER_SLOTS": "1"}
            environment |= {name: str(port) for name, port in ports.items()}
            command = of_unit["ExecStart"][0].replace("%i", "cpu").replace("%d", str(credentials))
            assert command.startswith(INSTALLED)
            words = [sys.executable, "-m", "stoker.cli", *shlex.split(command)[1:]]
            log = stack.enter_context((tmp_path / f"{unit.stem}.log").open("wb"))
            process = subprocess.Popen(words, env=environment, stdout=log, stderr=log, start_new_session=True)
            stack.callback(process.wait, PATIENCE_S)
            stack.callback(process.kill)
            running[unit] = process
        monkeypatch.setenv("STOKER_REDIS_URL", (made / "client_url").read_text())
        monkeypatch.setenv("STOKER_STORE_URL", str(tmp_path / "home" / "store"))
        await_worker(Settings(), tmp_path / "stoker-worker@.log")
        with stoker.Client() as client:
            client.submit(BRIEF).result(timeout=PATIENCE_S)
        eventually(lambda: all(map(listens, ports.values())))
        for unit, process in running.items():
            # As KillMode=mixed does.
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            # To systemd, both are a clean end.
            assert process.wait(PATIENCE_S) in (0, -signal.SIGTERM), (tmp_path / f"{unit.stem}.log").read_text()
            assert time.monotonic() - began < int(settings_of(unit)["TimeoutStopSec"][0])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
