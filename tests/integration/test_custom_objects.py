"""Models with Keras classes of an author's own, on a real worker that allows one module of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from shop.layers import Gate

import stoker
from stoker import JobState
from stoker.models.store import Store
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import serving

ROWS = np.random.default_rng(1).uniform(0, 8, (16, 4)).astype(np.float32)


@keras.saving.register_keras_serializable(package="elsewhere")
class Twice(Gate):
    """Of a module that no worker allows."""


@pytest.fixture(scope="module")
def allowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = Settings(home=tmp_path_factory.mktemp("allowing"), slots=1, custom_objects=("shop.layers",))
    with serving(settings):
        yield settings


@pytest.fixture
def client(allowing: Settings) -> Iterator[stoker.Client]:
    with stoker.Client(settings=allowing) as client:
        yield client


def network(gate: type[keras.layers.Layer]) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), gate(), keras.layers.Dense(3)])


def training(gate: type[keras.layers.Layer]) -> stoker.Train:
    config = stoker.KerasConfig(config=json.loads(network(gate).to_json()))
    return stoker.Train(model="gated", data="sample://iris", architecture=config, epochs=1, seed=1)


def test_a_model_of_own_classes_does_what_every_model_does(
    client: stoker.Client, allowing: Settings, tmp_path: Path
) -> None:
    client.submit(training(Gate)).result(timeout=PATIENCE_S)
    version = client.model("gated@1")
    assert set(version.modules) == {"shop.layers"}

    further = stoker.Train(model="further", data="sample://iris", init_from="gated@1", epochs=1, seed=1)
    evaluating = stoker.Evaluate(model="gated@1", data="sample://iris")
    np.savez(tmp_path / "rows.npz", x=ROWS)
    inferring = stoker.Infer(model="gated@1", data=str(tmp_path / "rows.npz"))
    evaluated, inferred, _ = (
        job.result(timeout=PATIENCE_S) for job in client.submit_many([evaluating, inferring, further])
    )

    assert isinstance(evaluated, stoker.EvaluateResult)
    assert isinstance(inferred, stoker.InferResult)
    [chunk] = inferred.chunks
    for ref in ("gated@1", "further@1"):
        version = client.model(ref)
        assert set(version.modules) == {"shop.layers"}
        plain = keras.saving.load_model(Store(allowing.store).fetch(version.files["keras"], tmp_path), compile=False)
        np.testing.assert_allclose(client.infer(ref, ROWS, timeout=PATIENCE_S), plain(ROWS), atol=1e-5)
        if ref == "gated@1":
            np.testing.assert_allclose(np.load(Store(allowing.store).fetch(chunk, tmp_path)), plain(ROWS), atol=1e-5)


def test_a_job_whose_module_nobody_allows_waits_and_says_so(
    client: stoker.Client, eventually: Eventually, tmp_path: Path
) -> None:
    network(Twice).save(tmp_path / "mine.keras")
    # The one's spec says so; what is in the other's file is found by a worker that has begun with it.
    known = client.submit(training(Twice))
    with pytest.raises(stoker.Timeout):
        client.register("found", tmp_path / "mine.keras", timeout=0.1)
    [found] = client.jobs(kind="import", model="found")

    for job in (known, client.job(found.id)):
        eventually(lambda job=job: "has module" in str(job.status().reason))  # type: ignore[misc]
        assert (job.status().state, job.status().reason) == (JobState.WAITING, f"no live worker has module {__name__}")
        job.cancel()
        assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED
