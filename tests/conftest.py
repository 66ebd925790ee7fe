"""What every test can ask for."""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, settings

from stoker.local.server import local_server

from . import commands, preloaded

Eventually = Callable[[Callable[[], object]], None]
# How long a process may take to start, and a job to end, on a machine that does much else: nothing that a test judges.
PATIENCE_S = 240.0
# Between two looks: soon at first, and later so that looking takes little of the machine from what is waited for.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.05
# How many objects are made before garbage is looked for; Python's own number is 700.
_YOUNG_OBJECTS = 50_000
# How long an example takes says nothing on a machine that does much else.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Compile for good: each of the many processes that tests start would compile Stoker anew, a second of a start.

    Of pytest's own processes all fork the same one.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        preloaded.share()
        config.option.tx = preloaded.gateways(config.option.tx)


def pytest_unconfigure() -> None:
    preloaded.end()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while the tests' modules are imported, nor ever after among what came with them.

    Of TensorFlow's half a million objects none is garbage: to look through them would take a quarter of the imports,
    and a tenth of each training. A worker does the same. Afterwards garbage is looked for more rarely than usual: a
    training makes tens of thousands of objects at once that stay.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(_YOUNG_OBJECTS)
        gc.enable()


@pytest.fixture(autouse=True)
def _settings_of_the_test_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the caller's STOKER_… variables nor the real home reach a test."""
    for name in os.environ:
        if name.startswith("STOKER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STOKER_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Waits until a condition holds, and fails the test if it does not for minutes."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        pause_s = _FIRST_PAUSE_S
        while not condition():
            assert time.monotonic() < deadline, f"the condition did not come true within {PATIENCE_S:g} seconds"
            time.sleep(pause_s)
            pause_s = min(1.2 * pause_s, _LONGEST_PAUSE_S)

    return wait


@pytest.fixture(scope="session")
def _redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with local_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def redis_url(_redis_server: str) -> Iterator[str]:
    """A real Redis server, empty, for this test alone."""
    yield _redis_server
    with redis.Redis.from_url(_redis_server) as client:
        client.flushall()


@pytest.fixture(scope="session", autouse=True)
def _no_command_line_is_left() -> Iterator[None]:
    yield
    commands.end()
