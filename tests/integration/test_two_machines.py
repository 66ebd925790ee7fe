"""An app and a worker on machines that share nothing but Redis and a bucket: each in a network namespace of its own."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stoker.local.server import server_binary
from stoker.local.subprocesses import Subprocess

from ..chaos.network import PASSWORD, Namespaces
from ..conftest import PATIENCE_S, Eventually

pytestmark = [
    pytest.mark.skipif(not Namespaces.possible(), reason="only root may make network namespaces"),
    pytest.mark.timeout(3 * PATIENCE_S),
]
_PORT = 5000
APP = """
import hashlib, sys
from pathlib import Path

import fsspec
import stoker

fsspec.filesystem("s3").mkdir("bucket")
folder = Path(sys.argv[1])
rows = "".join(f"{x},{x % 7},{'yes' if x % 7 > 3 else 'no'}\\n" for x in range(400))
(folder / "table.csv").write_text("a,b,label\\n" + rows)
print("ready", flush=True)
with stoker.Client() as client:
    data = client.upload(folder / "table.csv")
    trained = client.submit(stoker.Train(model="far", data=data, epochs=2, device="cpu")).result(timeout=600)
    job = client.submit(stoker.Evaluate(model=trained.model, data=data, device="cpu"))
    job.result(timeout=600)
    report = job.files["html"].download(folder / "report.html")
    with job.files["html"].open() as opened:
        assert opened.read() == report.read_bytes()
    artifact = client.model(trained.model).files["keras"]
    exported = client.download(artifact, folder / "far.keras")
    assert hashlib.sha256(exported.read_bytes()).hexdigest() == artifact.digest
    print(trained.model, "<html" in report.read_text().lower())
"""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Namespaces]:
    network = Namespaces(f"u{uuid.uuid4().hex[:3]}", {"redis": tmp_path / "redis.sock"})
    yield network
    network.close()


@pytest.mark.slow
def test_an_app_uploads_trains_and_downloads_from_another_machine(
    network: Namespaces, tmp_path: Path, eventually: Eventually
) -> None:
    with ExitStack() as running:

        def start(party: str, *command: str, environment: dict[str, str] | None = None) -> Callable[[], str]:
            log = tmp_path / f"{party}.log"
            child = Subprocess(
                [*network.prefix(party), *command], log=log, environment=os.environ | (environment or {})
            )
            running.callback(child.stop, PATIENCE_S)
            return log.read_text

        config = tmp_path / "redis.conf"
        config.write_text(f"{network.server_config('redis')}\nrequirepass {PASSWORD}\ndir {tmp_path}\n")
        start("redis", str(server_binary()), str(config))
        network.prefix("store")
        store = network._address("store")
        said = start("store", sys.executable, "-m", "moto.server", "-H", store, "-p", str(_PORT))
        eventually(lambda: "Running on" in said())
        folders = {party: tmp_path / party for party in ("worker", "app")}
        environments = {}
        for party, folder in folders.items():
            folder.mkdir()
            environments[party] = {
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_ENDPOINT_URL": f"http://{store}:{_PORT}",
                "AWS_DEFAULT_REGION": "us-east-1",
                "STOKER_STORE_URL": "s3://bucket/stoker",
                "STOKER_REDIS_URL": network.url(party, "redis"),
                "STOKER_HOME": str(folder),
                "STOKER_SLOTS": "1",
            }
        worker = start("worker", sys.executable, "-m", "stoker_workers", environment=environments["worker"])
        command = [*network.prefix("app"), sys.executable, "-c", APP, str(folders["app"])]
        app = subprocess.run(
            command, env=os.environ | environments["app"], capture_output=True, text=True, timeout=2 * PATIENCE_S
        )
        assert app.returncode == 0, app.stderr + worker()
    assert app.stdout.splitlines() == ["ready", "far@1 True"]
    assert not list(folders["worker"].rglob("*.csv"))
