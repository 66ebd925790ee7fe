"""Classes of an author's own: those of allowed modules and no others, and nothing else is imported."""

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from shop import layers as shop

import stoker
from stoker.errors import InvalidJob
from stoker.kinds import KerasConfig, needs_of
from stoker_workers.ml.networks.keras_config import load_config
from stoker_workers.ml.prediction.loading import load_saved
from stoker_workers.ml.run import Lacking

SHOP = ("shop.layers",)


def network() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "relu"), shop.Gate(), keras.layers.Dense(3)])


def config_with(module: str, name: str, registered: str | None) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(network().to_json())
    part: dict[str, Any] = {"module": module, "class_name": name, "config": {}, "registered_name": registered}
    config["config"]["layers"].append(part)
    return config


def test_a_config_with_own_classes_needs_a_worker_that_has_their_module() -> None:
    spec = stoker.Train(
        model="m", data="sample://iris", architecture=KerasConfig(config=json.loads(network().to_json()))
    )
    assert needs_of(spec) == ("module:shop.layers",)
    assert load_config(spec.architecture.config, SHOP).layers[-2].__class__ is shop.Gate  # type: ignore[union-attr]
    with pytest.raises(Lacking, match=r"shop\.layers.*custom_objects") as lacking:
        load_config(spec.architecture.config)  # type: ignore[union-attr]
    assert lacking.value.words == ("module:shop.layers",)


def test_a_saved_model_with_own_classes_predicts_as_it_did(tmp_path: Path) -> None:
    model = network()
    model.save(path := tmp_path / "model.keras")
    rows = np.random.default_rng(1).normal(size=(8, 4)).astype(np.float32)
    np.testing.assert_allclose(load_saved(path, "m@1", SHOP)(rows), model(rows), atol=1e-6)
    with pytest.raises(Lacking, match=r"m@1 has classes of shop\.layers"):
        load_saved(path, "m@1")


@pytest.mark.parametrize(
    ("module", "name", "registered"),
    [
        ("os", "system", "system"),
        ("subprocess", "Popen", "shop>Gate"),
        ("builtins", "function", "eval"),
        ("__main__", "Gate", "shop>Gate"),
        ("keras.layers", "Lambda", "Lambda"),
        ("keras.layers", "Dense", "shop>Gate"),
        ("keras.src.saving.saving_lib", "load_model", "load_model"),
        ("tensorflow.python.ops.io_ops", "read_file", "read_file"),
        ("shop.layers", "Lambda", "shop>Gate"),
        ("shop.layers;os", "Gate", "shop>Gate"),
        ("shop.layers", "Gate.__init__", "shop>Gate"),
        ("..layers", "Gate", "shop>Gate"),
        ("shop.layers", "Gate", None),
    ],
)
def test_hostile_names_are_refused_even_at_the_door(module: str, name: str, registered: str | None) -> None:
    config = config_with(module, name, registered)
    with pytest.raises(InvalidJob):
        KerasConfig(config=config)
    with pytest.raises(InvalidJob):
        load_config(config, (*SHOP, module))


@pytest.mark.parametrize(
    ("name", "registered"),
    [
        ("NotOfKeras", "NotOfKeras"),
        ("keras", "keras"),
        ("Gate", "shop>Nothing"),
        ("Nothing", "Nothing"),
        ("Any", "Any"),
    ],
)
def test_of_an_allowed_module_only_its_own_keras_classes(name: str, registered: str) -> None:
    with pytest.raises(InvalidJob, match="the architecture's config names"):
        load_config(config_with("shop.layers", name, registered), SHOP)


def test_no_module_is_imported_that_is_not_allowed() -> None:
    sys.modules.pop("shop.orders", None)
    with pytest.raises(Lacking, match=r"shop\.orders"):
        load_config(config_with("shop.orders", "Week", "Week"), SHOP)
    assert "shop.orders" not in sys.modules


def test_a_class_of_another_module_does_not_come_under_an_allowed_ones_name() -> None:
    with pytest.raises(InvalidJob, match=r"no class of shop\.jobs"):
        load_config(config_with("shop.jobs", "Gate", "shop>Gate"), (*SHOP, "shop.jobs"))
