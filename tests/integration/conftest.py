"""A whole Stoker, as `stoker up` runs it: a real server and a real worker with TensorFlow."""

import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec
import pytest
import redis
from moto.server import ThreadedMotoServer

import stoker
from stoker.ledger import keys, presence, scripts
from stoker.local import LocalStack, redis_url_of
from stoker.models.store import Store
from stoker.origins import variable
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.controller.controller import Controller

from .. import preloaded
from ..conftest import PATIENCE_S
from .ledger_sharing import WINDOW
from .secured import secured, user_url

# A worker of which there is nothing but its word.
CPU = presence.Worker(
    name="cpu-1@here",
    node="here",
    device="cpu",
    slots=1,
    most_slots=4,
    queues=("cpu.infer", "cpu.train", "cpu.batch"),
    host="here",
    pid=1,
)
# A job that takes as little as one can, where any does: a training takes seconds of the processor.
BRIEF = stoker.Describe(data="sample://iris", device="cpu")
# A training with few operations to compile, where any model does.
SMALL: Mapping[str, Any] = {"architecture": stoker.MLP(hidden=(4,)), "optimizer": "sgd", "validation_split": 0}
# A network whose training takes long, and little of the processor.
SLOW = stoker.Builder("unhurried:slow")
# Packages as authors of jobs have them, which workers can import.
PACKAGES = Path(__file__).parents[1] / "packages"
# Where these have what they use of their own.
IMPORTABLE = [str(Path(__file__).parent), str(PACKAGES / "shop"), os.environ.get("PYTHONPATH", "")]
# What the settings of all stacks have.
OFFERS: Mapping[str, Any] = {
    "slots": 2,
    # Whatever can ask for children does.
    "part_s": 1e-5,
    # Longer than a busy machine stands still; tests that kill a slot wait for it.
    "lease_s": 5,
    "builders": (SLOW.target, "one_sided:full_for_members"),
    "functions": ("shop.jobs:*", "shop.digits:*", "shop.handwriting:*", "shop.costs:*", "searching:*"),
}
# A time that no test lives to see, as milliseconds since 1970.
FOREVER_MS = 10**14


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One server and one worker with two slots for all tests of this process; gives the settings to reach them."""
    settings = Settings(
        **OFFERS,
        home=tmp_path_factory.mktemp("stack"),
        roles={"release-managers": ("default",)},
        metrics_port=free_port(),
        node_metrics_port=free_port(),
    )
    with serving(settings):
        yield settings


@contextmanager
def serving(settings: Settings, *, worker: Sequence[str] = ("-m", "stoker_workers.node")) -> Iterator[LocalStack]:
    """A stack whose worker serves, and can import what these tests have for it; nothing of it starts slowly.

    Args:
        worker: what Python is given to run the worker.
    """
    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join(IMPORTABLE))
            python = preloaded.python()
            controller = (python, "-m", "stoker_workers.controller")
            stack = running.enter_context(LocalStack(settings, worker=(python, *worker), controller=controller))
        await_worker(settings)
        yield stack


@pytest.fixture
def client(stack: Settings) -> Iterator[stoker.Client]:
    with stoker.Client(settings=stack) as client:
        yield client


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    """A connection to a server without workers."""
    with closing(Connection.open(Settings(), redis_url)) as connection:
        yield connection


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    """The same server, by redis-py alone."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as server:
        yield server


@pytest.fixture(scope="session")
def secured_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The same with everything switched on that guards it; gives the settings of a client."""
    folder = tmp_path_factory.mktemp("secured")
    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join(IMPORTABLE))
            roles = {"release-managers": ("operator",)}
            root = tmp_path_factory.getbasetemp()
            settings = running.enter_context(secured(folder, root, roles=roles, **OFFERS))
        await_worker(settings, folder / "worker" / "worker.log")
        yield settings


@pytest.fixture(params=["open", pytest.param("secured", marks=pytest.mark.slow)])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """A reader of the pages, in a folder of its own, on a stack as it comes and on one with everything switched on.

    Gives the settings, which variables name too.
    """
    settings: Settings = request.getfixturevalue("stack" if request.param == "open" else "secured_stack")
    variables = settings.environment() | {
        "STOKER_REDIS_URL": redis_url_of(settings),
        "STOKER_STORE_URL": settings.store,
    }
    for name in ("redis_url", "store_url", "signing_key", "trusted_keys", "encryption_key"):
        monkeypatch.setenv(variable(name), variables[variable(name)])
    monkeypatch.chdir(tmp_path)
    return settings


@pytest.fixture
def operator(reader: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who, where users are told apart, is the one who looks after models: no client moves aliases itself."""
    monkeypatch.setenv("STOKER_REDIS_URL", user_url(redis_url_of(reader), "operator"))
    if reader.signing_key:
        monkeypatch.setenv("STOKER_SIGNING_KEY", str(reader.signing_key.with_name("operator.pem")))


def attend(connection: Connection, worker: presence.Worker = CPU) -> None:
    """A worker says that it is there, and counts as live from then on, however long the test takes."""
    connection.run(presence.announce(worker))
    connection.client.zadd(keys.key("seen"), {worker.name: FOREVER_MS})


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def await_worker(settings: Settings, log: Path | None = None) -> None:
    """Wait until a worker has announced itself; its log, unless it is that of a local stack, is told if none does."""
    deadline = time.monotonic() + PATIENCE_S
    with stoker.Client(settings=settings) as client:
        while time.monotonic() < deadline:
            # The scripts that a client may not load come with the controller.
            with suppress(stoker.Unavailable):
                if client.workers():
                    return
            time.sleep(0.1)
    pytest.fail((log or settings.home / "logs" / "worker.log").read_text())


@contextmanager
def controlled(settings: Settings, redis_url: str) -> Iterator[None]:
    """A controller in this process that leads, for the length of a with block."""
    controller = Controller(settings, redis_url)
    controller.start()
    try:
        yield
    finally:
        controller.end()


@pytest.fixture
def small_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Scripts that ring for few jobs at a time, so that others are held."""
    monkeypatch.setattr(keys, "WINDOW", WINDOW)
    for cached in (scripts.script, scripts.basics):
        cached.cache_clear()
    yield
    for cached in (scripts.script, scripts.basics):
        cached.cache_clear()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a bucket of an S3 server on this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
        fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


# For what must hold on S3 as well, in `make test` too: the server of the tests is slow.
every_store = pytest.mark.parametrize("store", ["folder", "memory", "s3"], indirect=True)


@pytest.fixture(params=["folder", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store."""
    name = uuid.uuid4().hex
    match request.param:
        case "folder":
            return Store(str(tmp_path / name))
        case "memory":
            return Store(f"memory://{name}")
    return Store(f"{request.getfixturevalue('s3')}/{name}")
