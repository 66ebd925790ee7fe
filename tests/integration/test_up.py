"""What `stoker up` runs beside the system: a gateway with its console, where it is said to be."""

import http.client
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

import stoker
from stoker.local import local_url

from ..conftest import PATIENCE_S, Eventually
from .conftest import free_port

_CODE = (
    "import sys, functools; from stoker.local import up; from stoker.settings import Settings; "
    "up(Settings(home=sys.argv[1], gateway_port=int(sys.argv[2])), worker=(sys.executable, '-c', 'import time; "
    "time.sleep(1e6)'), gateway=True, say=functools.partial(print, flush=True))"
)


@contextmanager
def running(home: Path, port: int, eventually: Eventually) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`up` with a gateway, past its table; and the file of what it says."""
    said = home.with_suffix(".said")
    with said.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", _CODE, home, str(port)], stdout=out)
    with process:
        try:
            eventually(lambda: "  console " in said.read_text() or process.poll() is not None)
            assert process.poll() is None, said.read_text()
            yield process, said
        finally:
            process.kill()


def status(url: str) -> int:
    """Of an answer, without going where it sends to."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)) as connection:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return connection.getresponse().status


def gateway_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    """The gateway's own process, not the one that watches over it."""
    below = psutil.Process(process.pid).children(recursive=True)
    [gateway] = [child for child in below if child.cmdline()[1:4] == ["-m", "stoker.cli", "gateway"]]
    return gateway


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "up"


def test_the_console_is_named_by_a_link_that_lets_in_once_and_starts_again_with_another(
    home: Path, eventually: Eventually
) -> None:
    port = free_port()
    with running(home, port, eventually) as (process, said):
        [link] = re.findall(r"http://\S*once=\S+", said.read_text())
        assert link.startswith(f"http://127.0.0.1:{port}/console/login?")
        assert (status(link), status(link)) == (303, 401)
        log = home / "logs" / "gateway.log"
        assert "stk_" not in log.read_text() + said.read_text()
        assert "once=" not in log.read_text()
        gateway_of(process).kill()
        eventually(lambda: "started again" in said.read_text())
        assert status(re.findall(r"http://\S*once=\S+", said.read_text())[1]) == 303
        process.send_signal(signal.SIGTERM)
        process.wait()
        with pytest.raises(OSError, match="refused"):
            status(f"http://127.0.0.1:{port}/healthz")


def test_where_its_port_is_taken_the_gateway_is_left_out_and_the_rest_is_up(home: Path, eventually: Eventually) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(home, port, eventually) as (_, said):
            assert f"port {port} cannot be had (Address already in use); STOKER_GATEWAY_PORT" in said.read_text()
            with stoker.Client(local_url(home)) as client:
                assert client.jobs() == []
