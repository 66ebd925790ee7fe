"""The local stack: a real server and stand-in workers, killed in every way there is."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from stoker.errors import Unavailable
from stoker.local import AlreadyRunning, LocalStack, local_url, redis_url_of
from stoker.local.lock import lock
from stoker.local.server import local_server, server_binary
from stoker.local.subprocesses import Subprocess
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually

# Stand-ins for `stoker worker`; each tells its pid through Redis, so that a test can watch it.
HELLO = "import os, redis, signal, subprocess, sys, time; r = redis.Redis.from_url(os.environ['STOKER_REDIS_URL']); "
IDLE = HELLO + "r.rpush('pids', os.getpid()); time.sleep(600)"
WITH_A_CHILD = HELLO + (
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "r.rpush('pids', os.getpid(), child.pid); time.sleep(600)"
)
CRASHING = HELLO + "r.rpush('pids', os.getpid()); os.abort()"
STUBBORN = HELLO + "signal.signal(signal.SIGTERM, signal.SIG_IGN); r.rpush('pids', os.getpid()); time.sleep(600)"
DRAINING = HELLO + (
    "signal.signal(signal.SIGTERM, lambda *_: (r.set('drained', 'yes'), sys.exit(0))); "
    "r.rpush('pids', os.getpid()); time.sleep(600)"
)


def command(worker: str) -> list[str]:
    return [sys.executable, "-c", worker]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home of Jürgen"


@contextmanager
def client_of(url: str | None) -> Iterator["redis.Redis"]:
    assert url is not None
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield client


def server_pid(url: str) -> int:
    with client_of(url) as client:
        return int(client.info("server")["process_id"])


def pids(url: str | None) -> list[int]:
    with client_of(url) as client:
        return [int(pid) for pid in client.lrange("pids", 0, -1)]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def answers(url: str) -> bool:
    try:
        with client_of(url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def stoker_up(home: Path, worker: str, eventually: Eventually) -> Iterator[subprocess.Popen[str]]:
    """`up` in a process of its own, past its first line."""
    code = (
        "import sys, functools; from stoker.local import up; from stoker.settings import Settings; "
        "up(Settings(home=sys.argv[1]), worker=sys.argv[2:], say=functools.partial(print, flush=True))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, home, *command(worker)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        try:
            assert process.stdout.readline().startswith("Stoker is up")
            eventually(lambda: pids(local_url(home)))
            yield process
        finally:
            process.kill()


def test_the_server_wants_its_password_and_listens_to_this_machine_only(home: Path) -> None:
    with local_server(home) as url:
        port = urlsplit(url).port
        with (
            client_of(f"redis://127.0.0.1:{port}") as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.get("x")
        with client_of(url) as client:
            assert client.config_get("bind")["bind"] == "127.0.0.1"


def test_the_server_forgets_nothing_when_memory_is_full_and_logs_every_write(home: Path) -> None:
    with local_server(home) as url, client_of(url) as client:
        settings = client.config_get("maxmemory-policy", "appendonly", "appendfsync", "save")
        assert settings == {
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "appendfsync": "no",
            "save": "",
        }


def test_url_and_data_survive_a_restart(home: Path) -> None:
    with local_server(home) as url, client_of(url) as client:
        client.set("kept", "yes")
    with local_server(home) as again, client_of(again) as client:
        assert again == url
        assert client.get("kept") == "yes"


def test_nobody_else_can_read_the_home(home: Path) -> None:
    with local_server(home):
        assert mode(home) == 0o700
        assert mode(home / "redis") == 0o700
        assert mode(home / "logs") == 0o700
        assert mode(home / "local.json") == 0o600
        assert mode(home / "redis" / "server.conf") == 0o600


def test_the_password_is_not_among_the_arguments(home: Path) -> None:
    with local_server(home) as url:
        arguments = Path(f"/proc/{server_pid(url)}/cmdline").read_text()
        assert str(urlsplit(url).password) not in arguments


def test_a_client_finds_the_server_while_it_runs(home: Path) -> None:
    settings = Settings(home=home)
    assert local_url(home) is None
    with local_server(home) as url:
        assert local_url(home) == url
        assert redis_url_of(settings) == url
    assert local_url(home) is None
    with pytest.raises(Unavailable, match="start `stoker up` or set STOKER_REDIS_URL"):
        redis_url_of(settings)


def test_a_redis_url_goes_before_the_local_server(home: Path) -> None:
    with local_server(home):
        assert redis_url_of(Settings(home=home, redis_url="redis://elsewhere")) == "redis://elsewhere"


def test_a_killed_server_comes_back_with_its_data(home: Path, eventually: Eventually) -> None:
    with local_server(home) as url:
        with client_of(url) as client:
            client.set("kept", "yes")
        killed = server_pid(url)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: answers(url) and server_pid(url) != killed)
        with client_of(url) as client:
            assert client.get("kept") == "yes"


def test_a_taken_port_is_left_to_who_has_it(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    with local_server(home) as url, client_of(url) as client:
        client.set("kept", "yes")
    with socket.socket() as foreign:
        foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        foreign.bind(("127.0.0.1", urlsplit(url).port))
        foreign.listen()
        with local_server(home) as moved, client_of(moved) as client:
            assert urlsplit(moved).port != urlsplit(url).port
            assert urlsplit(moved).password == urlsplit(url).password
            assert client.get("kept") == "yes"
            assert local_url(home) == moved
    assert f"port {urlsplit(url).port} is taken" in caplog.text


def test_a_server_that_cannot_start_shows_the_end_of_its_log(home: Path) -> None:
    with local_server(home):
        pass
    [manifest] = (home / "redis" / "appendonlydir").glob("*.manifest")
    manifest.write_text("nonsense\n")
    with pytest.raises(Unavailable, match=r"ended with exit code 1; its log .*redis\.log ends:\n(.*\n)*.*AOF manifest"):
        local_server(home).__enter__()
    assert local_url(home) is None


def test_a_missing_server_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match=r"pip install 'stoker\[local\]'"):
        local_server(home).__enter__()


def test_a_damaged_address_is_named_without_its_content(home: Path) -> None:
    home.mkdir()
    (home / "local.json").write_text('{"port": 0, "password": "hunter2"}')
    with pytest.raises(Unavailable, match=r"local\.json is damaged; delete it") as caught:
        local_url(home)
    assert "hunter2" not in caught.value.message


def test_the_sample_redis_conf_starts_a_server_that_keeps_every_job(tmp_path: Path, eventually: Eventually) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    sample = Path(__file__).parents[2] / "config" / "redis.conf"
    server = Subprocess(
        [str(server_binary()), str(sample), "--port", port, "--dir", str(tmp_path)], log=tmp_path / "log"
    )
    try:
        eventually(lambda: answers(f"redis://127.0.0.1:{port}"))
        with client_of(f"redis://127.0.0.1:{port}") as client:
            settings = client.config_get("maxmemory-policy", "appendonly", "appendfsync", "protected-mode")
    finally:
        server.stop(grace_s=PATIENCE_S)
    assert settings == {
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "always",
        "protected-mode": "yes",
    }


def test_the_worker_gets_the_settings_and_the_redis_url(home: Path, eventually: Eventually) -> None:
    worker = HELLO + "r.hset('seen', mapping={k: v for k, v in os.environ.items() if k.startswith('STOKER_')})"
    settings = Settings(home=home, slots=3)
    with LocalStack(settings, worker=command(worker)) as stack, client_of(stack.redis_url) as client:
        eventually(lambda: client.exists("seen"))
        # A worker on the server of `stoker up` reads what its user can read, and exports to where its user can write.
        own = {"STOKER_REDIS_URL": stack.redis_url, "STOKER_DATA_ROOTS": "/", "STOKER_EXPORT_ROOTS": "/"}
        own["STOKER_LOG_FILE"] = str(home / "logs" / "worker.log")
        assert client.hgetall("seen") == settings.environment() | own


def test_with_a_redis_of_its_own_only_the_worker_runs(home: Path, redis_url: str, eventually: Eventually) -> None:
    with LocalStack(Settings(home=home, redis_url=redis_url), worker=command(IDLE)) as stack:
        assert stack.redis_url == redis_url
        eventually(lambda: pids(redis_url))
        assert local_url(home) is None


def test_a_crashed_worker_is_started_again(home: Path, eventually: Eventually) -> None:
    with LocalStack(Settings(home=home), worker=command(CRASHING)) as stack:
        eventually(lambda: len(pids(stack.redis_url)) >= 3)


def test_a_crashed_worker_leaves_no_children_behind(home: Path, eventually: Eventually) -> None:
    with LocalStack(Settings(home=home), worker=command(WITH_A_CHILD)) as stack:
        eventually(lambda: len(pids(stack.redis_url)) == 2)
        worker, child = pids(stack.redis_url)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: not alive(child))
        eventually(lambda: len(pids(stack.redis_url)) == 4)


@pytest.mark.parametrize(
    ("settings", "read", "written"),
    [
        ({}, "/", "/"),
        ({"data_roots": ("/data",)}, "/data", "/"),
        ({"export_roots": ("/models",)}, "/", "/models"),
        ({"redis_url": "redis://127.0.0.1:1"}, "", ""),
    ],
    ids=["a server of its own", "folders of data", "folders of exports", "a shared Redis"],
)
def test_the_worker_uses_the_files_of_its_user_only_where_nobody_else_submits(
    home: Path, settings: dict[str, Any], read: str, written: str, eventually: Eventually
) -> None:
    names = "'STOKER_DATA_ROOTS', 'STOKER_EXPORT_ROOTS'"
    tell = f"import os; print('roots:', *map(os.environ.get, ({names})), flush=True); input()"
    with LocalStack(Settings(home=home, **settings), worker=command(tell)):
        log = home / "logs" / "worker.log"
        eventually(lambda: f"roots: {read} {written}\n" in log.read_text())


def test_logs_are_kept_for_five_more_runs(home: Path) -> None:
    (home / "logs").mkdir(parents=True)
    for number in range(1, 6):
        (home / "logs" / f"worker.log.{number}").write_text(str(number))
    for word in ("first", "second", "third"):
        with LocalStack(Settings(home=home), worker=command(f"print('{word}', flush=True)" + "; input()")):
            pass
    kept = [f"{name}.log{number}" for name in ("controller", "redis") for number in ("", ".1", ".2")]
    kept += ["worker.log", *(f"worker.log.{number}" for number in range(1, 6))]
    assert {path.name for path in (home / "logs").iterdir()} == {*kept}
    assert (home / "logs" / "worker.log.5").read_text() == "3"


def test_a_second_stack_says_who_runs_the_first(home: Path) -> None:
    with (
        LocalStack(Settings(home=home), worker=command(IDLE)),
        pytest.raises(AlreadyRunning, match=rf"process {os.getpid()}, since \d{{4}}-"),
    ):
        LocalStack(Settings(home=home), worker=command(IDLE)).__enter__()


def test_ctrl_c_drains_the_worker_while_redis_still_runs(home: Path, eventually: Eventually) -> None:
    with stoker_up(home, DRAINING, eventually) as process:
        url = local_url(home)
        [worker] = pids(url)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert not alive(worker)
    assert local_url(home) is None
    with local_server(home) as again, client_of(again) as client:
        assert client.get("drained") == "yes"


def test_sigterm_ends_it_as_well(home: Path, eventually: Eventually) -> None:
    with stoker_up(home, DRAINING, eventually) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    with local_server(home) as again, client_of(again) as client:
        assert client.get("drained") == "yes"


def test_a_second_ctrl_c_does_not_wait_for_the_worker(home: Path, eventually: Eventually) -> None:
    with stoker_up(home, STUBBORN, eventually) as process:
        [worker] = pids(local_url(home))
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Ending")
        assert alive(worker)
        # Until it is heard: the line comes just before the second handler is in place.
        eventually(lambda: process.send_signal(signal.SIGINT) or not alive(worker))  # type: ignore[func-returns-value]
        assert process.wait() == 0


def test_no_child_outlives_a_killed_up_and_the_next_one_goes_on(home: Path, eventually: Eventually) -> None:
    with stoker_up(home, WITH_A_CHILD, eventually) as process:
        url = local_url(home)
        assert url is not None
        family = [server_pid(url), *pids(url)]
        assert len(family) == 3
        process.kill()
        eventually(lambda: not any(map(alive, family)))
    with LocalStack(Settings(home=home), worker=command(IDLE)) as stack:
        assert stack.redis_url == url
        assert set(family[1:]) <= set(pids(url))


def test_the_server_holds_its_folder_even_when_nobody_is_left_to_stop_it(home: Path, eventually: Eventually) -> None:
    with ExitStack() as cleanup, stoker_up(home, IDLE, eventually) as process:
        url = local_url(home)
        assert url is not None
        server = server_pid(url)
        watchdog = parent(server)
        os.kill(watchdog, signal.SIGSTOP)
        cleanup.callback(os.kill, watchdog, signal.SIGCONT)
        process.kill()
        process.wait()
        assert answers(url)
        assert local_url(home) == url
        assert lock(home / "redis" / "lock") is None
        os.kill(watchdog, signal.SIGCONT)
        eventually(lambda: not alive(server))
        cleanup.pop_all()
        eventually(lambda: local_url(home) is None)


def test_a_server_whose_watchdog_was_killed_does_not_meet_its_successor(home: Path, eventually: Eventually) -> None:
    with local_server(home) as url:
        first = server_pid(url)
        watchdog = parent(first)
        os.kill(watchdog, signal.SIGKILL)
        eventually(lambda: not alive(first))
        eventually(lambda: answers(url))
