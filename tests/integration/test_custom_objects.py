"""Models with Keras classes of an author's own, on real workers, of which one allows a module of them."""

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import cast

import keras
import numpy as np
import pytest
from shop.layers import Gate, squashed

import stoker
from stoker import JobState
from stoker.ledger import registry
from stoker.local import redis_url_of
from stoker.local.subprocesses import Subprocess
from stoker.models.store import Store
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .. import preloaded
from ..conftest import PATIENCE_S, Eventually
from .conftest import serving
from .test_guides import blocks

LEARNED = {"loss": "shop.losses:Focal", "metrics": "shop.losses:Sure"}
GUIDE = "custom_objects.md"
ROWS = np.random.default_rng(1).uniform(0, 8, (16, 4)).astype(np.float32)


@keras.saving.register_keras_serializable(package="elsewhere")
class Twice(Gate):
    """Of a module that no worker allows."""


@pytest.fixture(scope="module")
def allowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    # Whatever can ask for children does.
    settings = Settings(
        home=tmp_path_factory.mktemp("allowing"), slots=1, custom_objects=("shop.layers", "shop.losses"), part_s=1e-5
    )
    with serving(settings):
        yield settings


@pytest.fixture(scope="module")
def gated(allowing: Settings) -> str:
    """A version with such a class, made by the guide's example."""
    _, code = blocks("custom_objects", "python")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setenv("STOKER_REDIS_URL", redis_url_of(allowing))
        exec(compile(code, GUIDE, "exec"), {})
    [promised] = re.findall(r"print\(.*\)  # (\S+)", code)
    ref, *_ = printed.getvalue().split()
    assert ref == promised
    return ref


@pytest.fixture
def client(allowing: Settings) -> Iterator[stoker.Client]:
    with stoker.Client(settings=allowing) as client:
        yield client


def test_a_model_of_own_classes_does_what_every_model_does(
    client: stoker.Client, allowing: Settings, gated: str, tmp_path: Path
) -> None:
    further = stoker.Train(model="further", data="sample://iris", init_from=gated, epochs=1, seed=1)
    evaluating = stoker.Evaluate(model=gated, data="sample://iris", bootstrap=100, noise=())
    np.savez(tmp_path / "rows.npz", x=ROWS)
    inferring = stoker.Infer(model=gated, data=str(tmp_path / "rows.npz"))
    evaluated, inferred, _ = (
        job.result(timeout=PATIENCE_S) for job in client.submit_many([evaluating, inferring, further])
    )

    assert isinstance(evaluated, stoker.EvaluateResult)
    assert isinstance(inferred, stoker.InferResult)
    [chunk] = inferred.chunks
    for ref in (gated, "further@1"):
        version = client.model(ref)
        assert set(version.modules) == {"shop.layers"}
        plain = keras.saving.load_model(Store(allowing.store).fetch(version.files["keras"], tmp_path), compile=False)
        np.testing.assert_allclose(client.infer(ref, ROWS, timeout=PATIENCE_S), plain(ROWS), atol=1e-5)
        if ref == gated:
            np.testing.assert_allclose(np.load(Store(allowing.store).fetch(chunk, tmp_path)), plain(ROWS), atol=1e-5)


def test_a_job_whose_module_nobody_allows_waits_and_says_so(
    client: stoker.Client, eventually: Eventually, tmp_path: Path
) -> None:
    network = keras.Sequential([keras.Input((4,)), Twice(), keras.layers.Dense(3, "softmax")])
    network.save(tmp_path / "mine.keras")
    config = stoker.KerasConfig(config=network.to_json())
    # The one's spec says so; what is in the other's file is found by a worker that has begun with it.
    known = client.submit(stoker.Train(model="known", data="sample://iris", architecture=config))
    with pytest.raises(stoker.Timeout):
        client.register("found", tmp_path / "mine.keras", timeout=0.1)
    [found] = client.jobs(kind="import", model="found")

    for job in (known, client.job(found.id)):
        eventually(lambda job=job: "has module" in str(job.status().reason))  # type: ignore[misc]
        assert (job.status().state, job.status().reason) == (JobState.WAITING, f"no live worker has module {__name__}")
        job.cancel()
        assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED


def test_in_a_fleet_where_one_of_two_workers_has_the_module_all_goes_to_that_one(
    client: stoker.Client, allowing: Settings, gated: str, eventually: Eventually, tmp_path: Path
) -> None:
    url = redis_url_of(allowing)
    plain = os.environ | allowing.environment() | {"STOKER_REDIS_URL": url, "STOKER_CUSTOM_OBJECTS": ""}
    program = [preloaded.python(), "-m", "stoker_workers"]
    second = Subprocess(program, log=tmp_path / "second.log", environment=plain)
    try:
        eventually(lambda: len(client.workers()) == 2)
        [able] = [
            worker.name for worker in client.workers() if any(word.startswith("module:") for word in worker.offers)
        ]
        file = Store(allowing.store).fetch(client.model(gated).files["keras"], tmp_path)
        expected = keras.saving.load_model(file, compile=False)(ROWS)
        # Each reference is a lane of its own, for which somebody must be found.
        for ref in ("gated", "gated@1", "gated@champion", "gated@latest"):
            for _ in range(3):
                np.testing.assert_allclose(client.infer(ref, ROWS, timeout=PATIENCE_S), expected, atol=1e-5)

        np.savez(tmp_path / "rows.npz", x=ROWS)
        inferring = stoker.Infer(model=gated, data=str(tmp_path / "rows.npz"), chunk_rows=4)
        evaluating = stoker.Evaluate(model=gated, data="sample://iris", bootstrap=100, noise=())
        deploying = stoker.Deploy(model=gated, alias="canary")
        learning = stoker.Train(model="learned", data="sample://iris", epochs=1, **LEARNED)
        comparing = stoker.Compare(models=(gated, "learned@latest"), data="sample://iris")
        jobs = client.submit_many([inferring, evaluating, deploying, learning])
        jobs[3].wait(timeout=PATIENCE_S)
        jobs.append(client.submit(comparing))
        for job in jobs:
            assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED, job.status().reason
            assert job.status().worker == able
        [first, *_] = [job.result() for job in jobs]
        assert isinstance(first, stoker.InferResult)
        chunks = [np.load(Store(allowing.store).fetch(chunk, tmp_path)) for chunk in first.chunks]
        assert len(chunks) == 4
        np.testing.assert_allclose(np.concatenate(chunks), expected, atol=1e-5)

        _register_alike(url, gated, "needy", "shop.other")
        with pytest.raises(stoker.Unavailable, match=r"needy@1 needs shop\.other, and no live worker has all of that"):
            client.infer("needy@1", ROWS, timeout=PATIENCE_S)
    finally:
        second.stop(PATIENCE_S)


def _register_alike(redis_url: str, ref: str, name: str, module: str) -> None:
    """A version like another one, which needs a module."""
    connection = Connection.open(Settings(), redis_url)
    version = connection.run(registry.resolve(ref)).model_copy(update={"name": name, "modules": {module: ""}})
    connection.client.hset(f"stoker:model:{name}", "1", version.model_dump_json())
    connection.close()


def test_the_guide_shows_what_the_package_has() -> None:
    shown, _ = blocks("custom_objects", "python")
    try:
        exec(compile(shown, GUIDE, "exec"), names := {"__name__": "shop.layers"})
    finally:
        # Keras has one of a name.
        for own in (Gate, squashed):
            keras.saving.register_keras_serializable(package="shop")(own)
    layer, activation = (
        cast("type[keras.layers.Layer]", names["Gate"]),
        cast("Callable[..., object]", names["squashed"]),
    )
    np.testing.assert_allclose(layer()(ROWS), Gate()(ROWS))
    np.testing.assert_allclose(np.asarray(activation(ROWS)), squashed(ROWS))
