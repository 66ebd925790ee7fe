"""`stoker flower`: who may come in, what it keeps, how it ends."""

import re
import runpy
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from tornado.options import options

from stoker.local import redis_url_of
from stoker.local.server import local_server
from stoker.redis.celery_app import celery_app
from stoker.settings import Settings
from stoker_workers.observe import flower

from ..conftest import PATIENCE_S, Eventually
from ..flower import running_flower

CONFIG = Path(__file__).parents[2] / "config" / "flowerconfig.py"
BEHIND_THE_LOGIN = ("/", "/tasks", "/broker", "/metrics", "/api/workers", "/api/tasks", "/api/queues/length")


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    (tmp_path / "home").mkdir()
    return Settings(home=tmp_path / "home", redis_url=redis_url)


def test_nobody_comes_in_without_the_password_that_it_made(settings: Settings, tmp_path: Path) -> None:
    # Not even where Flower's own switch for that says so, or its file takes all users away.
    (tmp_path / "open.py").write_text("basic_auth = []\n")
    config = ("--config", str(tmp_path / "open.py"))
    with running_flower(settings, *config, env={"FLOWER_UNAUTHENTICATED_API": "true"}) as flower:
        for path in BEHIND_THE_LOGIN:
            for login in (None, "stoker:wrong", "stoker:", ":"):
                assert flower.status(path, login) == 401, path
            assert flower.status(path, flower.login) == 200, path
        assert flower.status("/healthcheck") == 200
        assert flower.status("/api/task/send-task/stoker.train", data=b'{"args": ["x"]}') == 401

        made = settings.home / "flower" / "password"
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
        assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
        assert str(made) in flower.log.read_text()
        assert flower.password not in flower.log.read_text()
        # SIGTERM, as the engine of a container sends it, is a normal end.
        flower.process.terminate()
        assert flower.process.wait(PATIENCE_S) == 0


def test_a_password_can_come_from_a_file_and_users_from_a_variable(settings: Settings, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-secret\n")
    with running_flower(settings, "--password-file", str(secret), password="from-a-secret") as flower:
        assert flower.status("/", "stoker:from-a-secret") == 200
        assert flower.status("/", "stoker:other") == 401
        assert not (settings.home / "flower" / "password").exists()
    with running_flower(settings, env={"FLOWER_BASIC_AUTH": "ann:one,bob:two"}, password="one") as flower:
        assert [flower.status("/", login) for login in ("ann:one", "bob:two", "stoker:one")] == [200, 200, 401]


def test_what_it_has_seen_and_its_password_outlast_its_being_killed(
    settings: Settings, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "often.py").write_text("state_save_interval = 200\n")
    config = ("--config", str(tmp_path / "often.py"))
    seen = {"uuid": "a-job", "name": "stoker.train", "args": "(kept, sample://digits)"}
    with running_flower(settings, *config) as flower:
        app = celery_app(settings, redis_url_of(settings))
        with app.connection() as connection, app.events.Dispatcher(connection, "cpu@here") as dispatcher:

            def is_seen() -> bool:
                # Flower may not listen yet: what was published before is heard by nobody.
                dispatcher.send("task-received", **seen)
                return b"a-job" in flower.get("/api/tasks")

            eventually(is_seen)

        def is_kept() -> bool:
            # What it is still writing is called state.tmp, with what endings the dbm here adds.
            kept = [path for path in (settings.home / "flower").glob("state*") if ".tmp" not in path.name]
            return any(b"a-job" in path.read_bytes() for path in kept)

        eventually(is_kept)
        flower.process.kill()
    with running_flower(settings) as again:
        assert b"kept, sample://digits" in again.get("/api/tasks")
        assert again.password == flower.password
        assert again.password not in again.log.read_text()


def test_it_ends_when_told_to_also_while_redis_is_away(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with ExitStack() as server:
        url = server.enter_context(local_server(tmp_path / "server"))
        settings = Settings(home=tmp_path / "home", redis_url=url)
        with running_flower(settings) as flower:
            server.close()
            # A thread of its own asks the workers, and waits for Redis, much longer than this does for its answer.
            with suppress(OSError):
                flower.get("/api/workers?refresh=1", timeout_s=2)
            flower.process.terminate()
            assert flower.process.wait(PATIENCE_S) == 0
            assert (settings.home / "flower" / "state").exists() or [*(settings.home / "flower").glob("state.*")]


def test_a_password_file_that_is_missing_is_an_error_not_an_open_door(settings: Settings) -> None:
    with pytest.raises(AssertionError, match="cannot be read"), running_flower(settings, "--password-file", "missing"):
        pass


def test_the_file_in_config_says_what_holds_without_it() -> None:
    told = {name: value for name, value in runpy.run_path(str(CONFIG)).items() if not name.startswith("__")}
    ours = flower.DEFAULTS | {"port": 5555, "read_only": False}
    assert told == ours
    # And what is commented out there exists in Flower.
    for name in re.findall(r"^# (\w+) = ", CONFIG.read_text(), re.MULTILINE):
        assert name in options
