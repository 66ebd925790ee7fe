"""The Dockerfile and the compose file: read as the tools would read them, and what they name is there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from compose_spec import PyCompose
from typer.main import get_command

from stoker.cli import app
from stoker.settings import Settings

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
PACKAGE = ROOT / "docker" / "package.Dockerfile"
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# What a worker may take to drain, by docs/operations.md.
DRAIN_S = 75


def targets() -> dict[str, str]:
    """The instructions of each stage of the Dockerfile, by its name."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    stages = re.split(r"^FROM \S+ AS (\S+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(stages[::2], stages[1::2], strict=True))


def entrypoint(target: str) -> list[str]:
    [found] = re.findall(r"^ENTRYPOINT (.+)$", targets()[target], re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


@pytest.mark.parametrize("file", [DOCKERFILE, PACKAGE], ids=lambda file: file.name)
def test_hadolint_has_nothing_to_say(file: Path) -> None:
    linter = shutil.which("hadolint") or str(Path(sys.executable).with_name("hadolint"))
    told = subprocess.run([linter, str(file)], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (0, "")


def test_an_image_with_a_package_on_top_stays_the_workers() -> None:
    text = PACKAGE.read_text()
    built = re.search(r"^ARG PYTHON=(.+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert built
    assert f"ARG PYTHON={built[1]}\n" in text
    assert re.search(r"^ARG WORKER=stoker-(.+)$", text, re.MULTILINE)[1] in targets()  # type: ignore[index]
    # It installs as root, into what is root's, and runs as before, with the same command and health check.
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE)[-1] == "10001:10001"
    on_top = text.partition("FROM ${WORKER}")[2]
    assert not re.search(r"^(ENTRYPOINT|CMD|HEALTHCHECK|WORKDIR)", on_top, re.MULTILINE)
    assert set(re.findall(r"STOKER_[A-Z_]+", text)) <= {f"STOKER_{name.upper()}" for name in Settings.model_fields}


def test_what_is_not_given_to_that_image_is_an_empty_setting() -> None:
    assert Settings(functions="", custom_objects="").offers == ()


def test_the_compose_file_is_one() -> None:
    assert set(PyCompose.from_yaml(json.dumps(COMPOSE)).service_names()) == set(SERVICES)
    with pytest.raises(ValueError, match="stop_grase_period"):
        PyCompose.from_yaml(json.dumps(COMPOSE).replace("stop_grace_period", "stop_grase_period"))


@pytest.mark.parametrize("target", ["client", "controller", "flower", "cpu-worker", "gpu-worker"])
def test_an_image_starts_a_command_that_exists_as_pid_1_and_not_as_root(target: str) -> None:
    assert "USER 10001:10001" in targets()["runtime"]
    assert "USER" not in targets()[target]
    program, *words = entrypoint(target)
    assert program == "stoker"
    if words:
        command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words[1:] if word.startswith("--")} <= options


def test_images_are_pinned() -> None:
    used = [service["image"] for service in SERVICES.values() if "build" not in service]
    used += [f"python:{tag}" for tag in re.findall(r"^ARG PYTHON=(.+)$", DOCKERFILE.read_text(), re.MULTILINE)]
    assert len(used) == 4
    for image in used:
        assert re.search(r":v?\d+\.\d+\.\d+", image), image


def test_settings_files_and_secrets_that_are_named_exist() -> None:
    named = set(re.findall(r"STOKER_[A-Z_]+", DOCKERFILE.read_text() + (ROOT / "docker/compose.yaml").read_text()))
    assert named - {"STOKER_SECRETS_DIR"} <= {f"STOKER_{name.upper()}" for name in Settings.model_fields}
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / "docker" / source).exists(), volume
        if build := service.get("build"):
            assert build["target"] in targets()
        for secret in service.get("secrets", []):
            assert (secret if isinstance(secret, str) else secret["source"]) in COMPOSE["secrets"]
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE):
        assert all((ROOT / path).exists() for path in source.split())


def test_what_is_copied_into_images_is_let_through_by_dockerignore_and_nothing_else() -> None:
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    assert let_through == {path for paths in copied for path in paths.split()}


def test_over_tls_every_service_that_reaches_redis_has_the_authority(tmp_path: Path) -> None:
    with_tls = yaml.safe_load((ROOT / "docker" / "compose.tls.yaml").read_text())
    PyCompose.from_yaml(json.dumps(with_tls))
    reach_redis = {name for name, service in SERVICES.items() if "_url" in json.dumps(service.get("secrets", []))}
    assert {name for name, service in with_tls["services"].items() if "ca.pem" in service["secrets"]} == {
        *reach_redis,
        "redis",
    }
    plain, over_tls = SERVICES["redis"]["command"], with_tls["services"]["redis"]["command"]
    assert over_tls[: len(plain)] == plain
    made = tmp_path / "secrets"
    script, options = ROOT / "docker" / "make-secrets", ("--tls", "--ca", "/run/secrets/ca.pem")
    subprocess.run(["sh", script, *options, made], check=True, capture_output=True)
    named = COMPOSE["secrets"] | with_tls["secrets"]
    assert all((made / Path(secret["file"]).name).exists() for secret in named.values())
    assert (made / "client_url").read_text().endswith("@redis:6379/0?ssl_ca_certs=/run/secrets/ca.pem")


def test_workers_have_the_time_to_drain() -> None:
    for name in ("worker", "gpu-worker"):
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > DRAIN_S


def test_secrets_are_made_once_and_differ(tmp_path: Path) -> None:
    script, folder = ROOT / "docker" / "make-secrets", tmp_path / "secrets"
    subprocess.run(["sh", script, folder, "redis.internal"], check=True, capture_output=True)
    known = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert {path.name for path in folder.iterdir()} == known | {"operator_url", "approver_url", "server.conf"}
    assert "CHANGE-ME" not in (folder / "users.acl").read_text()
    passwords = {
        (folder / f"{user}_url").read_text() for user in ("client", "worker", "controller", "operator", "approver")
    }
    assert len({url.split(":")[2] for url in passwords}) == 5
    assert subprocess.run(["sh", script, folder], capture_output=True).returncode == 1


@pytest.mark.parametrize(
    ("host", "name"), [("fd00::1", "IP Address:FD00:0:0:0:0:0:0:1"), ("r.internal", "DNS:r.internal")]
)
def test_a_certificate_is_renewed_for_the_host_that_it_was_for(tmp_path: Path, host: str, name: str) -> None:
    script, folder = ROOT / "docker" / "make-secrets", tmp_path / "secrets"
    refused = subprocess.run(["sh", script, "--renew", folder], capture_output=True, text=True)
    assert (refused.returncode, refused.stderr) == (1, f"{folder} has no ca.key: --renew is for what --tls has made\n")
    subprocess.run(["sh", script, "--tls", folder, host, "6380"], check=True, capture_output=True)
    url = urlsplit((folder / "client_url").read_text())
    assert (url.hostname, url.port) == (host, 6380)
    for _ in range(2):
        shown = subprocess.run(
            ["openssl", "x509", "-in", folder / "redis.crt", "-noout", "-ext", "subjectAltName"],
            check=True,
            capture_output=True,
            text=True,
        )
        assert f"{name}, DNS:localhost" in shown.stdout
        subprocess.run(["sh", script, "--renew", folder], check=True, capture_output=True)
