"""A client in TypeScript, whose types are generated from the gateway's OpenAPI, is compiled strictly and works."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import stoker
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL
from .gateways import keys_of_all_roles, running_gateway

APP = Path(__file__).parent / "typescript"
_INSTALL_S = 300


def run(folder: Path, *command: str, timeout: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app with what it needs, in a folder of its own."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("there is no node or npm: apt-get install nodejs npm")
    folder = tmp_path_factory.mktemp("typescript")
    for file in APP.iterdir():
        shutil.copy(file, folder)
    installed = run(folder, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", timeout=_INSTALL_S)
    if installed.returncode:
        pytest.skip(f"npm cannot install what the app needs: {installed.stderr.strip()[-300:]}")
    return folder


@pytest.mark.slow
def test_a_client_made_of_the_description_submits_and_predicts(
    app: Path,
    client: stoker.Client,
    stack: Settings,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train = stoker.Train(model="blooms", data="sample://iris", epochs=1, seed=1, **SMALL)
    client.submit(train).result(timeout=PATIENCE_S)
    with running_gateway(stack, eventually, keys_of_all_roles()) as gateway:
        (app / "openapi.json").write_bytes(gateway.call("GET", "/v1/openapi.json").body)
        optional = ("--default-non-nullable", "false")
        made = run(app, "npx", "openapi-typescript", "openapi.json", *optional, "-o", "stoker.d.ts")
        assert made.returncode == 0, made.stderr
        strict = ("--strict", "--target", "es2022", "--module", "nodenext", "--outDir", "out", "--skipLibCheck")
        compiled = run(app, "npx", "tsc", *strict, "app.ts")
        assert compiled.returncode == 0, compiled.stdout
        monkeypatch.setenv("GATEWAY", f"http://127.0.0.1:{gateway.port}")
        monkeypatch.setenv("KEY", gateway.keys.texts["client"])
        ran = run(app, "node", "out/app.js")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert client.job(told["job"]).status().kind == "describe"
    assert (told["predictions"], told["refused"]) == (1, "JobNotFound")
