"""Trainings with classes of the author's own, in memory: trained, registered, and loaded."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import keras
import numpy as np
import pytest
from shop.layers import Gate

from stoker.errors import InvalidJob
from stoker.kinds import Builder, KerasConfig, Train
from stoker.models.manifest import ModelVersion
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.custom import distribution
from stoker_workers.ml.prediction.loading import load_saved
from stoker_workers.ml.run import Lacking, Run

from .conftest import manifest_of

SHOP = ("shop.layers",)
BUILDER = f"{__name__}:gated"


def able(run: Run) -> Run:
    return replace(run, custom_objects=SHOP, builders=(BUILDER,))


def gated(input_shape: tuple[int, ...], output_units: int) -> keras.Model:
    return keras.Sequential([keras.Input(input_shape), Gate(), keras.layers.Dense(output_units)])


def test_own_classes_are_trained_registered_and_predict_like_plain_keras(
    open_run: Callable[..., Run],
) -> None:
    config = KerasConfig(config=json.loads(gated((4,), 3).to_json()))
    for architecture in (config, Builder(BUILDER)):
        run = able(open_run())
        spec = Train(model="m", data="sample://iris", architecture=architecture, epochs=1, seed=1)
        manifest = manifest_of(train(spec, run))
        assert manifest.modules == {"shop.layers": distribution("shop.layers")}
        version = ModelVersion(**dict(manifest), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))

        rows = np.random.default_rng(1).normal(size=(16, 4)).astype(np.float32)
        path = run.store.fetch(version.files["keras"], run.scratch)
        plain = keras.saving.load_model(path, compile=False, custom_objects={"shop>Gate": Gate})
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
