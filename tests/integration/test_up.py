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
from stoker.local.beside import start_flower, start_gateway
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S, Eventually
from .conftest import free_port

_SLEEPING = (sys.executable, "-c", "import time; time.sleep(1e6)")
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


def status(url: str, key: str = "") -> int:
    """Of an answer, without going where it sends to."""
    parts = urlsplit(url)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with closing(http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)) as connection:
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        return connection.getresponse().status


def gateway_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    """The gateway's own process, not the one that watches over it."""
    below = psutil.Process(process.pid).children(recursive=True)
    [gateway] = [child for child in below if child.cmdline()[1:3] == ["-m", "stoker.gateway"]]
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
        # A key that is made meanwhile comes in without another start.
        made = commands.run("gateway", "new-key", "me", "-q", env={"STOKER_HOME": str(home)}).stdout.strip()
        assert made.startswith("stk_")
        eventually(lambda: status(f"http://127.0.0.1:{port}/v1/models", made) == 200)
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


def test_a_signal_while_the_gateway_starts_ends_all_at_once(home: Path, eventually: Eventually) -> None:
    code = f"from stoker.local import beside; beside.GATEWAY = (*{_SLEEPING!r},); {_CODE}"
    process = subprocess.Popen([sys.executable, "-c", code, home, str(free_port())], stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout
            assert process.stdout.readline().startswith("Stoker is up")
            eventually((home / "logs" / "gateway.log").exists)
            process.send_signal(signal.SIGINT)
            assert "console" not in process.communicate(timeout=PATIENCE_S)[0]
        finally:
            process.kill()
    assert process.returncode == 0


def test_where_its_port_is_taken_flower_is_left_out_and_says_which_setting_names_another(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        started = start_flower(Settings(home=home, flower_port=port), {})
    [place] = started.places()
    assert (started.supervised, place.address) == (None, "")
    assert f"port {port} cannot be had (Address already in use); STOKER_FLOWER_PORT names another" in place.note


def test_flower_is_left_out_where_its_port_is_the_gateways(home: Path) -> None:
    port = free_port()
    settings = Settings(home=home, gateway_port=port, flower_port=port)
    gateway = start_gateway(settings, {}, print)
    assert gateway.supervised
    assert gateway.listens
    with gateway.supervised, gateway.listens:
        [place] = start_flower(settings, {}, gateway).places()
    assert (place.address, place.note) == (
        "",
        f"left out, for port {port} is the gateway's; STOKER_FLOWER_PORT names another",
    )
