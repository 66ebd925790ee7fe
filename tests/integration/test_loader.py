"""Which models a predictor's process loads, and which of them make room: with real models, in this process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import pytest

from stoker.errors import Unavailable
from stoker.lanes.failures import load_failures
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.models.store import Store
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.attempt.slot import Slot
from stoker_workers.serving.journal import Journal
from stoker_workers.serving.loader import LoadedModel, Loader

from ..conftest import Eventually
from .conftest import CPU
from .test_watch import version

# Models of text are not converted for other engines, which would take longer than loading them.
SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", shape=(), dtype="string"),),
    outputs=(TensorSpec(name="output", shape=(1,), dtype="float32"),),
    task="regression",
)
OpenLoader = Callable[..., Loader]
Load = Callable[[Loader, ModelVersion], LoadedModel]


class Gated(Journal):
    """A journal that lets loads begin only while it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()

    @contextmanager
    def load(self, version: ModelVersion) -> Iterator[None]:
        self.open.wait()
        with super().load(version):
            yield


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def models(store: Store, tmp_path: Path) -> list[ModelVersion]:
    """Three small models, each with a file of its own."""
    registered = []
    for name in ("a", "b", "c"):
        path = tmp_path / f"{name}.keras"
        texts = keras.layers.StringLookup(vocabulary=["yes"], output_mode="one_hot")
        keras.Sequential([keras.Input((), dtype="string"), texts, keras.layers.Dense(1)]).save(path)
        changes = {"signature": SIGNATURE, "files": {"keras": store.put_file(path)}, "parameters": 5}
        registered.append(version(name).model_copy(update=changes))
    return registered


@pytest.fixture
def journal() -> Iterator[Gated]:
    journal = Gated()
    yield journal
    journal.open.set()


@pytest.fixture
def open_loader(store: Store, redis_url: str, connection: Connection, journal: Gated, tmp_path: Path) -> OpenLoader:
    """Makes a loader: `open_loader(model_cache_bytes=…)`."""

    def open_one(**settings: int) -> Loader:
        slot = Slot(Settings(store_url=store.url, **settings), redis_url, CPU)
        return Loader(slot, journal, connection, tmp_path)

    return open_one


@pytest.fixture
def load(eventually: Eventually) -> Load:
    """Asks for a model until it is loaded, as a lane does."""

    def ask(loader: Loader, wanted: ModelVersion) -> LoadedModel:
        found: list[object] = []

        def loaded() -> bool:
            found[:] = [loader.model(wanted)]
            return found != [None]

        eventually(loaded)
        [model] = found
        assert isinstance(model, LoadedModel)
        return model

    return ask


def test_a_second_model_is_not_begun_before_the_first_is_loaded(
    open_loader: OpenLoader, load: Load, models: list[ModelVersion], journal: Gated
) -> None:
    first, second, third = models
    loader = open_loader()
    journal.open.clear()
    assert loader.model(first) is None
    assert loader.model(second) is None
    journal.open.set()
    load(loader, first)
    load(loader, third)
    assert loader.model(second) is None, "its lane has not asked again, and yet it was loaded"
    load(loader, second)


def test_a_model_whose_lane_has_left_is_counted_and_makes_room(
    open_loader: OpenLoader, load: Load, models: list[ModelVersion]
) -> None:
    left, wanted, _ = models
    loader = open_loader(model_cache_bytes=1)
    assert loader.model(left) is None
    load(loader, wanted)
    assert loader.model(left) is None, "it should have been evicted, as only the newest one fits"


def test_a_process_short_of_memory_lets_go_of_others_than_what_it_has_just_loaded(
    open_loader: OpenLoader, load: Load, models: list[ModelVersion], eventually: Eventually
) -> None:
    before, newest, _ = models
    loader = open_loader()
    served = load(loader, before)
    assert loader.model(newest) is None

    def evicted() -> bool:
        loader.shrink()
        return served.evicted

    eventually(evicted)
    assert isinstance(loader.model(newest), LoadedModel)


def test_a_model_that_can_never_fit_evicts_none(
    open_loader: OpenLoader, load: Load, models: list[ModelVersion], connection: Connection
) -> None:
    small, other, _ = models
    loader = open_loader(slot_memory_bytes=1 << 40)
    served = load(loader, small)
    huge = other.model_copy(update={"parameters": 10**13})
    assert isinstance(loader.model(huge), Unavailable)
    assert not served.evicted
    assert [failure.model for failure in connection.run(load_failures())] == [huge.ref]


def test_the_lane_of_a_model_whose_store_is_away_is_told_so_whoever_asks_before(
    open_loader: OpenLoader, load: Load, models: list[ModelVersion], store: Store, eventually: Eventually
) -> None:
    away, served, _ = models
    loader = open_loader()
    load(loader, served)
    folder = Path(store.url)
    hidden = folder.rename(folder.with_name("hidden"))
    assert loader.model(away) is None

    def told() -> bool:
        assert isinstance(loader.model(served), LoadedModel)
        try:
            return loader.model(away) is not None
        except Unavailable:
            return True

    eventually(told)
    hidden.rename(folder)
    load(loader, away)
