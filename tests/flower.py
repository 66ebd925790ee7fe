"""`stoker flower` as a process of its own, for tests."""

import base64
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

from stoker.local import redis_url_of
from stoker.settings import Settings

from . import preloaded
from .conftest import PATIENCE_S


@dataclass(frozen=True)
class Flower:
    """A running Flower: where it is, and who may come in."""

    url: str
    user: str
    password: str
    process: subprocess.Popen[bytes]
    log: Path

    def status(self, path: str, login: str | None = None, data: bytes | None = None) -> int:
        """The HTTP status of a request, for "user:password" if that is given."""
        try:
            with self._open(path, login, data) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def get(self, path: str, *, timeout_s: float = PATIENCE_S) -> bytes:
        """What is there for those who may come in."""
        with self._open(path, self.login, timeout_s=timeout_s) as answer:
            return bytes(answer.read())

    def _open(
        self, path: str, login: str | None, data: bytes | None = None, *, timeout_s: float = PATIENCE_S
    ) -> HTTPResponse:
        request = urllib.request.Request(self.url + path, data)
        if login is not None:
            request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
        answer = urllib.request.urlopen(request, timeout=timeout_s)
        assert isinstance(answer, HTTPResponse)
        return answer

    @property
    def login(self) -> str:
        return f"{self.user}:{self.password}"


@contextmanager
def running_flower(
    settings: Settings, *arguments: str, env: Mapping[str, str] | None = None, password: str | None = None
) -> Iterator[Flower]:
    """Flower before the settings' Redis until the block ends; without a password given, it has the one that it made."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = settings.home / "flower.log"
    environment = os.environ | settings.environment() | {"STOKER_REDIS_URL": redis_url_of(settings)} | dict(env or {})
    command = [preloaded.python(), "-m", "stoker.cli", "flower", "--port", str(port), *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        _await(url, process, log)
        made = settings.home / "flower" / "password"
        yield Flower(url, "stoker", password or made.read_text().strip(), process, log)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/healthcheck", timeout=PATIENCE_S):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
