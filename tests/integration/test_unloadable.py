"""Models that cannot be loaded: their callers learn why at once, and nobody else notices."""

import io
import json
import os
import signal
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import redis
from typer.testing import CliRunner

import stoker
from stoker.cli import app
from stoker.lanes.failures import load_failures
from stoker.local import redis_url_of
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.store import Store
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL, serving
from .test_load_failures import postpone
from .test_serving import predictors

ROWS = np.ones((1, 4), np.float32)
# Between two requests of a caller that goes on all the while.
_PACE_S = 0.02
Register = Callable[..., ModelVersion]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Two slots that give a model so long to load as a busy machine stands still, and a bit more."""
    settings = Settings(home=tmp_path_factory.mktemp("stack"), slots=2, model_load_timeout_s=8)
    with serving(settings):
        yield settings


@pytest.fixture(scope="module")
def healthy(stack: Settings) -> ModelVersion:
    with stoker.Client(settings=stack) as client:
        job = client.submit(stoker.Train(model="healthy", data="sample://iris", epochs=1, **SMALL))
        result = job.result(timeout=PATIENCE_S)
        assert isinstance(result, stoker.TrainResult)
        client.infer("healthy@1", ROWS, timeout=PATIENCE_S)
        return client.model(result.model)


@pytest.fixture
def store(stack: Settings) -> Store:
    return Store(stack.store)


@pytest.fixture
def register(healthy: ModelVersion, stack: Settings) -> Register:
    """Puts a version like the healthy one into the registry, with another file: `register(name, file)`."""

    def put(name: str, file: Artifact, **changes: Any) -> ModelVersion:
        changed = {"name": name, "files": {"keras": file}, "aliases": (), **changes}
        version = healthy.model_copy(update=changed)
        with redis.Redis.from_url(redis_url_of(stack)) as raw:
            raw.sadd("stoker:models", name)
            raw.hset(f"stoker:model:{name}", str(version.version), version.model_dump_json())
            raw.hset(f"stoker:aliases:{name}", "champion", str(version.version))
        return version

    return put


@pytest.fixture
def unharmed(client: stoker.Client, healthy: ModelVersion) -> Iterator[None]:
    """The healthy model answers all the while, and no process that serves ends."""
    before = {process.pid for process in predictors(client)}
    done, failed = threading.Event(), []

    def ask() -> None:
        while not done.wait(_PACE_S):
            try:
                client.infer("healthy@1", ROWS, timeout=PATIENCE_S)
            except stoker.StokerError as error:
                failed.append(error)

    caller = threading.Thread(target=ask)
    caller.start()
    yield
    done.set()
    caller.join()
    assert not failed
    assert before <= {process.pid for process in predictors(client)}


def hang(store: Store, file: Artifact) -> None:
    """Let whoever reads this file of the store wait for ever."""
    path = Path(store.location(file))
    path.unlink()
    os.mkfifo(path)


def waits_for_a_writer(process: psutil.Process) -> bool:
    """Whether a process hangs where it opens a pipe; one that has ended does not."""
    with suppress(OSError):
        return any("wait_for_partner" in wait.read_text() for wait in Path(f"/proc/{process.pid}/task").glob("*/wchan"))
    return False


def no_model() -> bytes:
    """A .keras file on which Keras fails by anything but a clear error."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", json.dumps({"module": "keras", "class_name": "Sequential", "config": 7}))
        archive.writestr("metadata.json", "{}")
    return file.getvalue()


def copy_of(store: Store, version: ModelVersion, name: str) -> Artifact:
    """The same bytes under another name, so that they can be spoilt."""
    return store.put_bytes(store.read(version.files["keras"]), name)


@pytest.mark.usefixtures("unharmed")
def test_a_file_that_is_no_model_is_the_callers_answer_also_when_asked_again(
    client: stoker.Client, register: Register, store: Store, stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    register("spoilt", store.put_bytes(no_model(), "model.keras"))
    with pytest.raises(stoker.InvalidJob, match=r"^spoilt@1 cannot be loaded: .*; .*tried again from"):
        client.infer("spoilt", ROWS, timeout=PATIENCE_S)
    for _ in range(20):
        with pytest.raises(stoker.InvalidJob, match=r"^spoilt@1 cannot be loaded: "):
            client.infer("spoilt", ROWS, timeout=PATIENCE_S)
    monkeypatch.setenv("STOKER_HOME", str(stack.home))
    doctor = CliRunner().invoke(app, ["doctor"])
    assert "spoilt@1 cannot be loaded" in doctor.output
    assert doctor.exit_code == 1
    assert "spoilt@1 cannot be loaded" in CliRunner().invoke(app, ["models", "list"]).output


@pytest.mark.usefixtures("unharmed")
def test_a_model_of_which_nothing_is_left_opens_by_itself_when_it_is_back(
    client: stoker.Client, register: Register, healthy: ModelVersion, store: Store, eventually: Eventually
) -> None:
    file = copy_of(store, healthy, "gone.keras")
    path = Path(store.location(file))
    kept = path.read_bytes()
    path.unlink()
    register("gone", file)
    with pytest.raises(
        stoker.InvalidJob, match=r"^gone@1 cannot be loaded: .*gone\.keras is gone from the artifact store"
    ):
        client.infer("gone", ROWS, timeout=PATIENCE_S)
    path.write_bytes(kept)

    def answers() -> bool:
        with suppress(stoker.InvalidJob):
            return bool(client.infer("gone", ROWS, timeout=PATIENCE_S).shape == (1, 3))
        return False

    eventually(answers)


@pytest.mark.usefixtures("unharmed")
def test_an_alias_that_moves_to_another_version_opens_its_lane(
    client: stoker.Client, register: Register, healthy: ModelVersion, store: Store, eventually: Eventually
) -> None:
    register("moving", store.put_bytes(no_model(), "model.keras"))
    with pytest.raises(stoker.InvalidJob, match=r"^moving@1 cannot be loaded"):
        client.infer("moving", ROWS, timeout=PATIENCE_S)
    register("moving", healthy.files["keras"], version=2)

    def answers() -> bool:
        with suppress(stoker.InvalidJob):
            return bool(client.infer("moving", ROWS, timeout=PATIENCE_S).shape == (1, 3))
        return False

    eventually(answers)


@pytest.mark.usefixtures("unharmed")
def test_a_model_larger_than_any_slot_is_refused_before_it_is_loaded(
    client: stoker.Client, register: Register, healthy: ModelVersion
) -> None:
    register("huge", healthy.files["keras"], parameters=10**13)
    with pytest.raises(stoker.Unavailable, match=r"^huge@1 cannot be loaded: its process would use about 80,"):
        client.infer("huge", ROWS, timeout=PATIENCE_S)


def test_a_load_that_hangs_ends_for_its_callers_and_for_all_slots(
    client: stoker.Client, register: Register, healthy: ModelVersion, store: Store
) -> None:
    file = copy_of(store, healthy, "hangs.keras")
    register("hangs", file)
    hang(store, file)
    for _ in range(3):
        with pytest.raises(stoker.Unavailable, match=r"hangs@1 cannot be loaded: .* took longer than 8 s"):
            client.infer("hangs", ROWS, timeout=PATIENCE_S)
    assert client.infer("healthy@1", ROWS, timeout=PATIENCE_S).shape == (1, 3)


def test_a_load_that_kills_its_process_kills_no_second_one(
    client: stoker.Client,
    register: Register,
    healthy: ModelVersion,
    store: Store,
    stack: Settings,
    eventually: Eventually,
) -> None:
    file = copy_of(store, healthy, "deadly.keras")
    register("deadly", file)
    hang(store, file)

    def loading() -> list[psutil.Process]:
        return [process for process in predictors(client) if waits_for_a_writer(process)]

    with ThreadPoolExecutor() as threads:
        caught = threads.submit(client.infer, "deadly", ROWS, timeout=PATIENCE_S)
        eventually(loading)
        loading()[0].send_signal(signal.SIGSEGV)
        assert "was killed by SIGSEGV" in str(caught.exception())
    with closing(Connection.open(stack, redis_url_of(stack))) as connection:
        postpone(connection, "deadly@1")
    survivors = {process.pid for process in predictors(client)}
    for _ in range(5):
        with pytest.raises(stoker.Unavailable, match=r"^deadly@1 cannot be loaded: .*SIGSEGV"):
            client.infer("deadly", ROWS, timeout=PATIENCE_S)
    assert survivors <= {process.pid for process in predictors(client)}


def test_what_failed_once_is_forgotten_when_it_loads(
    client: stoker.Client, register: Register, healthy: ModelVersion, stack: Settings
) -> None:
    with closing(Connection.open(stack, redis_url_of(stack))) as connection:
        assert "healthy@1" not in [failure.model for failure in connection.run(load_failures())]
