"""Which models a predictor's process loads, and which of them make room: with real models, in this process."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stoker.errors import Unavailable
from stoker.lanes.failures import load_failures
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.models.store import Store
from stoker.models.tensors import decode_tensors, encode_tensors
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.attempt.slot import Slot
from stoker_workers.ml.prediction.predictor import Predictor
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


def test_a_model_answers_before_its_engines_are_compared_and_by_the_quickest_afterwards(
    open_loader: OpenLoader,
    load: Load,
    models: list[ModelVersion],
    journal: Gated,
    store: Store,
    tmp_path: Path,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.save(tmp_path / "numbers.keras")
    numbers = version("numbers").model_copy(
        update={
            "signature": SIGNATURE.model_copy(update={"inputs": (TensorSpec(name="x", shape=(4,), dtype="float32"),)}),
            "files": {"keras": store.put_file(tmp_path / "numbers.keras")},
            "parameters": 5,
        }
    )
    x = np.arange(4, dtype=np.float32)[None]

    def answer(loaded: LoadedModel) -> Any:
        [given] = loaded.answer([encode_tensors(x)])
        assert isinstance(given, bytes)
        return decode_tensors(given)

    loader = open_loader()
    served = load(loader, numbers)
    journal.open.clear()
    for _ in range(3):  # as its lane asks for it before each batch: the comparison begins, and waits
        assert isinstance(loader.model(numbers), LoadedModel)
        np.testing.assert_allclose(answer(served), model(x), rtol=1e-5)
    assert loader.model(models[0]) is None, "no other is loaded meanwhile, for memory is known only afterwards"
    assert "runs on" not in caplog.text
    journal.open.set()
    eventually(lambda: loader.model(numbers) is not None and "numbers@1 runs on litert" in caplog.text)
    np.testing.assert_allclose(answer(served), model(x), rtol=1e-5)
    load(loader, models[0])


def test_a_model_whose_engines_cannot_be_compared_is_served_as_it_is(
    open_loader: OpenLoader,
    load: Load,
    models: list[ModelVersion],
    monkeypatch: pytest.MonkeyPatch,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(_predictor: Predictor, _rows: None) -> None:
        raise MemoryError

    monkeypatch.setattr(Predictor, "_chosen", fails)
    loader = open_loader()
    load(loader, models[0])

    def said() -> bool:
        assert isinstance(loader.model(models[0]), LoadedModel)
        return "were not compared" in caplog.text

    eventually(said)
    load(loader, models[1])


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
