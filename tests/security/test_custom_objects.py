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


def activated(function: object) -> dict[str, Any]:
    """A config whose first layer has a function as its activation."""
    config: dict[str, Any] = json.loads(network().to_json())
    [dense] = [each for each in config["config"]["layers"] if each["config"].get("activation") == "relu"]
    dense["config"]["activation"] = function
    return config


def function(name: str, module: str = "builtins", registered: str | None = "function") -> dict[str, Any]:
    return {"class_name": "function", "module": module, "config": name, "registered_name": registered}


def test_a_registered_function_may_be_an_activation_and_nothing_else() -> None:
    assert function("shop>squashed") == keras.activations.serialize(shop.squashed)
    config = activated(function("shop>squashed"))
    assert load_config(config, SHOP).layers[0].activation is shop.squashed
    alone = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, shop.squashed)])
    with pytest.raises(Lacking, match=r"shop>squashed of shop\.layers") as lacking:
        load_config(json.loads(alone.to_json()), ("shop.orders",))
    assert lacking.value.words == ("module:shop.layers",)
    with pytest.raises(InvalidJob, match=r"KerasConfig\(config=…, modules="):
        KerasConfig(config=config)
    spec = stoker.Train(
        model="m", data="sample://iris", architecture=KerasConfig(config=config, modules=("shop.more",))
    )
    assert needs_of(spec) == ("module:shop.layers", "module:shop.more")

    elsewhere: dict[str, Any] = json.loads(network().to_json())
    elsewhere["config"]["layers"].append(function("shop>squashed"))
    with pytest.raises(InvalidJob, match="only activations may be in a model"):
        KerasConfig(config=elsewhere, modules=SHOP)


@pytest.mark.parametrize(
    "hostile",
    [
        function("eval"),
        function("squashed"),
        function("shop>squashed", registered="eval"),
        function("shop>squashed", registered=None),
        function("shop>squashed", module="os"),
        function("shop>squashed", module="keras.activations"),
        function("shop>os.system"),
        function(">squashed"),
    ],
)
def test_hostile_functions_are_refused_even_at_the_door(hostile: dict[str, Any]) -> None:
    with pytest.raises(InvalidJob, match=r"names (the function|os\.function|keras\.activations\.function)"):
        KerasConfig(config=activated(hostile), modules=SHOP)


@pytest.mark.parametrize("name", ["shop>Gate", "shop>nothing", "Custom>squashed"])
def test_of_allowed_modules_only_their_registered_functions(name: str) -> None:
    with pytest.raises(InvalidJob, match="which no module registers that this worker allows"):
        load_config(activated(function(name)), SHOP)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"loss": "shop.losses:Focal"}, ("module:shop.losses",)),
        ({"metrics": ["accuracy", "shop.metrics:Sure"]}, ("module:shop.metrics",)),
        ({"loss": "shop.jobs:loss", "metrics": "shop.jobs:share"}, ()),
        ({"outputs": {"a": {"loss": "shop.b:B"}, "b": {"metrics": "shop.a:A"}}}, ("module:shop.a", "module:shop.b")),
    ],
)
def test_a_training_with_own_losses_and_metrics_needs_a_worker_that_has_their_module(
    fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    assert needs_of(stoker.Train(model="m", data="sample://iris", **fields)) == words


def test_an_import_needs_the_modules_that_are_said_of_it() -> None:
    spec = stoker.Import(model="m", source="m.keras", modules=("shop.layers",))
    assert needs_of(spec) == ("module:shop.layers",)


@pytest.mark.parametrize("name", ["keras.losses:Huber", "os:PathLike", "__main__:Loss"])
def test_classes_of_others_are_no_losses_and_metrics_of_ones_own(name: str) -> None:
    for field in ("loss", "metrics"):
        with pytest.raises(InvalidJob, match="is no class of yours"):
            stoker.Train.model_validate({"model": "m", "data": "sample://iris", field: name})


def test_no_module_is_imported_that_is_not_allowed() -> None:
    sys.modules.pop("shop.orders", None)
    with pytest.raises(Lacking, match=r"shop\.orders"):
        load_config(config_with("shop.orders", "Week", "Week"), SHOP)
    assert "shop.orders" not in sys.modules


def test_a_class_of_another_module_does_not_come_under_an_allowed_ones_name() -> None:
    with pytest.raises(InvalidJob, match=r"no class of shop\.jobs"):
        load_config(config_with("shop.jobs", "Gate", "shop>Gate"), (*SHOP, "shop.jobs"))
