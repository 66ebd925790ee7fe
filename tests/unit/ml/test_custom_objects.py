"""Trainings with classes and functions of the author's own, in memory: trained, registered, and loaded."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import pytest
from shop.layers import Gate, squashed
from shop.losses import Focal, Sure

import stoker_workers as functions
from stoker.errors import InvalidJob
from stoker.kinds import Builder, KerasConfig, Train
from stoker.models.manifest import ModelVersion
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.custom import distribution
from stoker_workers.ml.prediction.loading import load_foreign, load_saved
from stoker_workers.ml.run import Lacking, Run

from .conftest import manifest_of

SHOP = ("shop.layers", "shop.losses")
BUILDER = f"{__name__}:gated"
OWN = {"loss": "shop.losses:Focal", "metrics": ("accuracy", "shop.losses:Sure")}


def able(run: Run) -> Run:
    return replace(run, custom_objects=SHOP, builders=(BUILDER,))


def gated(input_shape: tuple[int, ...], output_units: int) -> keras.Model:
    hidden = keras.layers.Dense(4, squashed)
    output = keras.layers.Dense(output_units, "softmax")
    return keras.Sequential([keras.Input(input_shape), Gate(), hidden, output])


@pytest.mark.usefixtures("files_checked", "graphs_traced")
def test_own_classes_are_trained_registered_and_predict_like_plain_keras(
    open_run: Callable[..., Run],
) -> None:
    config = KerasConfig(config=json.loads(gated((4,), 3).to_json()), modules=("shop.layers",))
    for architecture in (config, Builder(BUILDER)):
        run = able(open_run())
        spec = Train(model="m", data="sample://iris", architecture=architecture, epochs=1, seed=1, **OWN)
        outcome = train(spec, run)
        manifest = manifest_of(outcome)
        assert {"loss", "accuracy", "Sure", "val_Sure"} <= set(manifest.metrics)
        assert manifest.modules == {"shop.layers": distribution("shop.layers")}
        version = ModelVersion(**dict(manifest), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))

        rows = np.random.default_rng(1).normal(size=(16, 4)).astype(np.float32)
        path = run.store.fetch(version.files["keras"], run.scratch)
        # Uncompiled, it needs nothing of the loss.
        plain = keras.saving.load_model(path)
        ours = load_saved(run.store.fetch(version.files["keras"], run.scratch), "m@1", SHOP)
        np.testing.assert_allclose(ours(rows), plain(rows), atol=1e-5)


def test_without_the_setting_a_training_is_given_to_another_worker_before_it_begins(
    open_run: Callable[..., Run],
) -> None:
    spec = Train(model="m", data="sample://iris", architecture=Builder(BUILDER), epochs=1)
    with pytest.raises(Lacking) as lacking:
        train(spec, replace(open_run(), builders=(BUILDER,)))
    assert lacking.value.words == ("module:shop.layers",)
    assert isinstance(lacking.value, InvalidJob)

    with pytest.raises(Lacking, match=r"shop\.losses:Focal.*custom_objects") as lacking:
        train(Train(model="m", data="sample://iris", **OWN), open_run())
    assert lacking.value.words == ("module:shop.losses",)


def test_h5_is_refused_before_the_training_for_a_network_with_own_classes(open_run: Callable[..., Run]) -> None:
    spec = Train(model="m", data="sample://iris", architecture=Builder(BUILDER), formats=("keras", "h5"))
    with pytest.raises(InvalidJob, match=r"formats names h5.*shop\.layers: leave it out"):
        train(spec, able(open_run()))
    config = KerasConfig(config=json.loads(gated((4,), 3).to_json()), modules=("shop.layers",))
    with pytest.raises(InvalidJob, match=r"formats names h5.*shop\.layers: leave it out"):
        Train(model="m", data="sample://iris", architecture=config, formats=("h5",))


def test_a_file_is_loaded_whatever_it_was_compiled_with(tmp_path: Path) -> None:
    model = gated((4,), 3)
    model.compile("adam", Focal(), metrics=[Sure()])
    model.save(path := tmp_path / "model.keras")
    rows = np.random.default_rng(1).normal(size=(8, 4)).astype(np.float32)
    np.testing.assert_allclose(load_foreign(path, "it", ("shop.layers",))(rows), model(rows), atol=1e-6)


@pytest.mark.usefixtures("files_checked")
def test_a_test_of_a_function_registers_own_classes_if_its_settings_allow_them(monkeypatch: pytest.MonkeyPatch) -> None:
    network = gated((4,), 3)
    with pytest.raises(InvalidJob, match="STOKER_CUSTOM_OBJECTS"):
        functions.Run().register(network, "m", task="regression")
    monkeypatch.setenv("STOKER_CUSTOM_OBJECTS", ",".join(SHOP))
    run = functions.Run()
    run.register(network, "m", task="regression")
    assert set(run.models["m"].modules) == {"shop.layers"}
