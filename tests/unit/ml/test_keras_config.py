"""Configs of Keras models: every plain network comes in, and nothing that could do more than compute one."""

import importlib
import inspect
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.src import api_export
from keras.src.ops.operation import Operation

import stoker
from stoker.errors import InvalidJob
from stoker.kinds import KerasConfig
from stoker.kinds.training import keras_screen
from stoker.kinds.training.keras_objects import ALLOWED
from stoker_workers.ml.networks.keras_config import load_config

Config = dict[str, Any]
layers, ops = keras.layers, keras.ops

# What a layer needs besides nothing, and the shape of one row where (8,) will not do.
IMAGE, SERIES, VOLUME, TEXT = (8, 8, 3), (6, 4), (6, 6, 6, 2), ()
ARGUMENTS: dict[str, dict[str, Any]] = {
    "Activation": {"activation": "relu"},
    "AdaptiveAveragePooling1D": {"output_size": 2},
    "AdaptiveAveragePooling2D": {"output_size": 2},
    "AdaptiveAveragePooling3D": {"output_size": 2},
    "AdaptiveMaxPooling1D": {"output_size": 2},
    "AdaptiveMaxPooling2D": {"output_size": 2},
    "AdaptiveMaxPooling3D": {"output_size": 2},
    "AlphaDropout": {"rate": 0.1},
    "Bidirectional": {"layer": layers.LSTM(3)},
    **{f"AveragePooling{rank}D": {"pool_size": 2} for rank in (1, 2, 3)},
    "CategoryEncoding": {"num_tokens": 4},
    "CenterCrop": {"height": 4, "width": 4},
    "Cropping1D": {"cropping": 1},
    "Dense": {"units": 3},
    "Discretization": {"bin_boundaries": [0.0, 1.0]},
    "Dot": {"axes": 2},
    "Dropout": {"rate": 0.1},
    "EinsumDense": {"equation": "ab,bc->ac", "output_shape": 3},
    "Embedding": {"input_dim": 10, "output_dim": 3},
    "GRU": {"units": 3},
    "GRUCell": {"units": 3},
    "GaussianDropout": {"rate": 0.1},
    "GaussianNoise": {"stddev": 0.1},
    "GroupNormalization": {"groups": 2},
    "GroupQueryAttention": {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1},
    "Hashing": {"num_bins": 4},
    "HashedCrossing": {"num_bins": 4},
    "InputLayer": {"shape": (3,)},
    "IntegerLookup": {"vocabulary": [1, 2, 3]},
    "LSTM": {"units": 3},
    "LSTMCell": {"units": 3},
    "MaxNumBoundingBoxes": {"max_number": 3},
    "MultiHeadAttention": {"num_heads": 2, "key_dim": 2},
    "Normalization": {"mean": 1.0, "variance": 2.0},
    "Permute": {"dims": (2, 1)},
    "Pipeline": {"layers": [layers.Rescaling(0.5)]},
    "RNN": {"cell": layers.StackedRNNCells([layers.LSTMCell(2), layers.GRUCell(2)])},
    "RandomBrightness": {"factor": 0.1},
    "RandomColorDegeneration": {"factor": 0.1},
    "RandomContrast": {"factor": 0.1},
    "RandomCrop": {"height": 4, "width": 4},
    "RandomHue": {"factor": 0.1},
    "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.1},
    "RandomSaturation": {"factor": 0.1},
    "RandomSharpness": {"factor": 0.1},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.1},
    "RepeatVector": {"n": 2},
    "Rescaling": {"scale": 0.5},
    "Reshape": {"target_shape": (4, 2)},
    "Resizing": {"height": 4, "width": 4},
    "ReversibleEmbedding": {"input_dim": 10, "output_dim": 3},
    "SimpleRNN": {"units": 3},
    "SimpleRNNCell": {"units": 3},
    "SpatialDropout1D": {"rate": 0.1},
    "SpatialDropout2D": {"rate": 0.1},
    "SpatialDropout3D": {"rate": 0.1},
    "SpectralNormalization": {"layer": layers.Dense(3)},
    "StackedRNNCells": {"cells": [layers.LSTMCell(2), layers.GRUCell(2)]},
    "StringLookup": {"vocabulary": ["a", "b"]},
    "TextVectorization": {"vocabulary": ["a", "b"], "output_sequence_length": 3},
    "TimeDistributed": {"layer": layers.Dense(3)},
    **{name: {"filters": 2, "kernel_size": 2} for name in ("Conv1D", "Conv2D", "Conv3D")},
    **{f"Conv{rank}DTranspose": {"filters": 2, "kernel_size": 2} for rank in (1, 2, 3)},
    **{f"ConvLSTM{rank}D": {"filters": 2, "kernel_size": 2} for rank in (1, 2, 3)},
    **{f"SeparableConv{rank}D": {"filters": 2, "kernel_size": 2} for rank in (1, 2)},
    **{f"DepthwiseConv{rank}D": {"kernel_size": 2} for rank in (1, 2)},
}
MERGING = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
ATTENTION = ("AdditiveAttention", "Attention", "MultiHeadAttention", "GroupQueryAttention")
# Built from shapes or states that a functional model has not, for pictures with labels in a dict, or no step of one.
ALONE = ("CutMix", "Equalization", "GRUCell", "HashedCrossing", "InputLayer", "LSTMCell", "MaxNumBoundingBoxes",
         "MixUp", "SimpleRNNCell", "StackedRNNCells")  # fmt: skip
LAYERS = sorted(name for module, name in ALLOWED if module == "keras.layers")


def row_shape(name: str) -> tuple[int, ...]:
    if name.startswith("ConvLSTM"):
        return (2, *VOLUME[: int(name[-2]) + 1])
    if (name.endswith("D") and name[-2] in "123") or name.endswith("DTranspose"):
        rank = int(name.removesuffix("Transpose")[-2])
        return {1: SERIES, 2: IMAGE, 3: VOLUME}[rank]
    if name.startswith(("Random", "Rand", "Aug", "Auto", "Equal", "Center", "Contrast", "Resiz", "Solar")):
        return IMAGE
    if name in ("Bidirectional", "GRU", "LSTM", "Masking", "Permute", "RNN", "SimpleRNN", "TimeDistributed"):
        return SERIES
    return {
        "MelSpectrogram": (4000,),
        "STFTSpectrogram": (4000, 1),
        "StringLookup": (1,),
        "TextVectorization": (1,),
    }.get(name, (8,))


def model_with(name: str) -> keras.Model:
    """The smallest model with this layer."""
    layer = getattr(layers, name)(**ARGUMENTS.get(name, {}))
    if name in MERGING or name == "Dot" or name in ATTENTION:
        first, second = keras.Input(SERIES), keras.Input(SERIES)
        takes_a_list = name in (*MERGING, "Dot", "AdditiveAttention", "Attention")
        return keras.Model([first, second], layer([first, second]) if takes_a_list else layer(first, second))
    text = name in ("StringLookup", "TextVectorization")
    whole = name in ("CategoryEncoding", "Embedding", "IntegerLookup", "Hashing", "ReversibleEmbedding")
    inputs = keras.Input(row_shape(name), dtype="string" if text else "int32" if whole else "float32")
    return keras.Model(inputs, layer(inputs))


def config_of(model: keras.Model) -> Config:
    return dict(json.loads(model.to_json()))


def loaded(model: keras.Model) -> keras.Model:
    """The model after the whole way: through a spec, its JSON, and the worker's loading."""
    spec = stoker.Train(model="m", data="sample://iris", architecture=KerasConfig(config=config_of(model)))
    read = stoker.Train.model_validate_json(spec.model_dump_json())
    assert isinstance(read.architecture, KerasConfig)
    return load_config(read.architecture.config)


def test_every_layer_on_the_list_is_built_saved_and_loaded(subtests: pytest.Subtests) -> None:
    for name in [name for name in LAYERS if name not in ALONE]:
        with subtests.test(name):
            model = model_with(name)
            assert config_of(loaded(model)) == config_of(model)


def test_layers_that_stand_in_no_functional_model_are_loaded_within_another(subtests: pytest.Subtests) -> None:
    for name in ALONE:
        with subtests.test(name):
            document = keras.saving.serialize_keras_object(getattr(layers, name)(**ARGUMENTS.get(name, {})))
            assert (document["module"], document["class_name"]) in ALLOWED
            config = as_an_activation(document)
            del config["compile_config"]
            assert KerasConfig(config=config).config == json.loads(json.dumps(config))


def two_towers() -> keras.Model:
    first, second = keras.Input((4,), name="first"), keras.Input((5,), name="second")
    shared = layers.Dense(3, activation="relu", kernel_initializer="he_normal", kernel_regularizer="l2")
    a, b = layers.Dense(6)(first), layers.Dense(6)(second)
    return keras.Model({"first": first, "second": second}, [shared(a), shared(b) * 2.0 + shared(a)])


def with_operations() -> keras.Model:
    x = keras.Input((4, 6))
    y = ops.reshape(x, (-1, 6, 4)) / 255.0 - np.arange(4, dtype="float32")
    z = ops.concatenate([y[:, :3], ops.relu(y)[..., 1:4, :]], axis=1)
    w = ops.where(z > 0, ops.sqrt(ops.abs(z)), ops.clip(z, -1, 1))
    return keras.Model(x, ops.softmax(ops.einsum("bij,bkj->bik", w, z)) + ops.mean(w, axis=-1, keepdims=True))


def transformer() -> keras.Model:
    tokens = keras.Input((7,), dtype="int32")
    x = layers.Embedding(20, 8, mask_zero=True)(tokens)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4, dropout=0.1)(x, x, use_causal_mask=True))
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True, kernel_constraint=keras.constraints.MaxNorm(2)))(x)
    return keras.Model(tokens, layers.TimeDistributed(layers.Dense(3, activation="softmax"))(x))


def nested() -> keras.Model:
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, dtype="mixed_bfloat16"), layers.LeakyReLU(0.2)])
    inner.compile("adam", "mse")
    outer = keras.Sequential([keras.Input((4,)), inner, layers.Dense(2)])
    outer.compile("sgd", "mse", metrics=["mae"])
    return outer


@pytest.mark.parametrize("build", [two_towers, with_operations, transformer, nested])
def test_real_models_compute_the_same_once_loaded(build: Callable[[], keras.Model]) -> None:
    model = build()
    again = loaded(model)
    again.set_weights(model.get_weights())
    random = np.random.default_rng(0)
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model._inputs_struct
    rows = keras.tree.map_structure(
        lambda tensor: np.abs(random.normal(size=(2, *tensor.shape[1:]))).astype(tensor.dtype), structure
    )
    for expected, given in zip(keras.tree.flatten(model(rows)), keras.tree.flatten(again(rows)), strict=True):
        np.testing.assert_allclose(np.asarray(given, "float32"), np.asarray(expected, "float32"), rtol=1e-5)
    assert not again.compiled


ACTIVATIONS = sorted(
    name for name, found in vars(keras.activations).items()
    if inspect.isfunction(found) and name not in ("get", "serialize", "deserialize")
)  # fmt: skip


def test_everything_that_a_layer_takes_comes_in(subtests: pytest.Subtests) -> None:
    taken = [("activation", name, getattr(keras.activations, name)) for name in ACTIVATIONS]
    for argument in ("initializer", "regularizer", "constraint"):
        for module, name in sorted(ALLOWED - {("keras.initializers", "STFT")}):
            if module == f"keras.{argument}s":
                taken.append((f"kernel_{argument}", name, getattr(getattr(keras, f"{argument}s"), name)()))
    for argument, name, value in taken:
        with subtests.test(name):
            model = keras.Sequential([keras.Input((4,)), layers.Dense(4, **{argument: value})])
            assert config_of(loaded(model)) == config_of(model)


# In Keras, but not let in: base classes, aliases that no config names, and what runs what it is given.
REFUSED_LAYERS = {"FlaxLayer", "JaxLayer", "Lambda", "Layer", "TFSMLayer", "TorchModuleWrapper", "Wrapper"}
REFUSED_OPERATIONS = {"AssociativeScan", "Cond", "ForiLoop", "JVP", "Map", "Scan", "SegmentReduction", "Switch",
                      "VectorizedMap", "WhileLoop"}  # fmt: skip
OPERATIONS = ("core", "einops", "image", "linalg", "math", "nn", "numpy")


def test_the_list_is_all_that_keras_has_but_what_runs_what_it_is_given() -> None:
    there = {name for name, found in vars(layers).items() if inspect.isclass(found) and issubclass(found, layers.Layer)}
    canonical = {name for name in there if document_name(getattr(layers, name)) == name}
    assert canonical - REFUSED_LAYERS == set(LAYERS)
    for module in OPERATIONS:
        here = vars(importlib.import_module(f"keras.src.ops.{module}")).items()
        operations = {name for name, found in here if inspect.isclass(found) and issubclass(found, Operation)}
        listed = {name for place, name in ALLOWED if place == f"keras.src.ops.{module}"}
        assert operations - REFUSED_OPERATIONS - {"Operation"} == listed, module


def document_name(layer: type) -> str:
    return str(api_export.get_name_from_symbol(layer)).rpartition(".")[2]


def test_every_object_on_the_list_is_a_class_of_the_installed_keras() -> None:
    assert [pair for pair in sorted(ALLOWED) if not hasattr(found_in_keras(*pair), "from_config")] == []


def found_in_keras(module: str, name: str) -> type | None:
    found = api_export.get_symbol_from_name(f"{module}.{name}")
    found = found or getattr(importlib.import_module(module), name, None)
    return found if inspect.isclass(found) else None


# Attacks. Each is put where a plain network has something harmless.


PLAIN = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="victim")]).to_json()


_X = keras.Input((4,))
PLAIN_FUNCTIONAL = keras.Model(_X, ops.relu(_X)).to_json()


def plain() -> Config:
    return dict(json.loads(PLAIN))


def as_a_layer(part: Config) -> Config:
    config = plain()
    config["config"]["layers"].append(part)
    return config


def as_an_activation(part: object) -> Config:
    config = plain()
    config["config"]["layers"][1]["config"]["activation"] = part
    return config


def named(module: str | None, class_name: object, config: object = None, **more: object) -> Config:
    return {"module": module, "class_name": class_name, "config": {} if config is None else config, **more}


def as_a_branch(part: Config) -> Config:
    """The attack that wrote a file: a function as a branch of an operation that calls it."""
    config = dict(json.loads(PLAIN_FUNCTIONAL))
    switch = named("keras.src.ops.core", "Switch", {"name": "switch"}, registered_name="Switch", name="switch")
    switch["inbound_nodes"] = [{"args": [0, [part], "/tmp/x"], "kwargs": {}}]
    config["config"]["layers"].append(switch)
    return config


FUNCTIONS = [
    ("keras", "visualization.plot_image_gallery"),
    ("keras", "config.set_floatx"),
    ("keras", "utils.get_file"),
    ("keras", "layers.Lambda"),
    ("keras", "layers.TFSMLayer"),
    ("keras", "layers.TorchModuleWrapper"),
    ("keras.config", "set_floatx"),
    ("keras.layers", "../Dense"),
    ("keras.layers", "deserialize"),
    ("keras.models", "load_model"),
    ("keras.saving", "load_model"),
    ("keras.src.layers.core.lambda_layer", "Lambda"),
    ("keras.src.ops.core", "Cond"),
    ("keras.src.ops.core", "map"),
    ("keras.src.ops.operation", "Operation"),
    ("keras.quantizers", "GPTQConfig"),
    ("keras.utils", "get_file"),
    ("keras.visualization", "plot_image_gallery"),
    ("keras_hub.models", "Backbone"),
    ("builtins", "eval"),
    ("operator", "attrgetter"),
    ("os", "system"),
    (None, "Dense"),
    ("", "Dense"),
    ("keras.layers", ["Dense"]),
    ("keras.layers", {"class_name": "Dense"}),
]


@pytest.mark.parametrize("place", [as_a_layer, as_an_activation, as_a_branch])
def test_what_is_not_on_the_list_is_refused_wherever_it_stands(
    place: Callable[[Config], Config], subtests: pytest.Subtests
) -> None:
    for module, name in FUNCTIONS:
        with subtests.test(f"{module}.{name}"):
            refused_at_both_ends(place(named(module, name)), "names|can run any code|quantised")


def test_what_runs_what_it_is_given_is_refused(subtests: pytest.Subtests) -> None:
    modules = ("keras.layers", "keras.src.ops.core", "keras.src.ops.linalg", "keras.src.ops.math")
    for module, name in product(modules, sorted(REFUSED_LAYERS | REFUSED_OPERATIONS)):
        with subtests.test(f"{module}.{name}"):
            refused_at_both_ends(as_a_layer(named(module, name)), "for custom code use stoker.Builder")


SMUGGLED: list[tuple[Config, str]] = [
    ({"class_name": "function", "module": "builtins", "config": "eval", "registered_name": "function"}, "function"),
    ({"class_name": "function", "module": "keras.utils", "config": "get_file"}, r"keras\.utils\.function"),
    ({"class_name": "function", "module": "keras.activations", "config": "relu"}, "function"),
    (named("builtins", "__lambda__", {"value": ["4wEAAAA=", None, None]}), "run any code"),
    (named(None, "__typespec__", [[1], "float32"], spec_name="TensorSpec"), "__typespec__"),
    (named("builtins", "__tensor__", {"value": [1.0], "dtype": "float32"}), "__tensor__"),
    (named("os", "__numpy__", {"value": [1.0], "dtype": "float32"}), r"os\.__numpy__"),
    (named("builtins", "__numpy__", {"value": ["a"], "dtype": "S999999999"}), "dtype S999999999"),
    (named("builtins", "__numpy__", {"value": [{}], "dtype": "object"}), "dtype object"),
    (named("keras.layers", "ReLU", registered_name="package>Evil"), "under the name package>Evil"),
    (named("keras.layers", "ReLU", registered_name=["ReLU"]), "under the name"),
    (named("keras.layers", "ReLU", "not a dict"), "no settings for keras.layers.ReLU"),
    (named("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}), "reads a vocabulary from a file"),
    (named("keras.layers", "IntegerLookup", {"vocabulary": "http://x/y"}), "reads a vocabulary from a file"),
    (named("keras.layers", "TextVectorization", {"vocabulary": "/etc/passwd"}), "reads a vocabulary from a file"),
    (
        named("keras.layers", "RNN", {"cell": named("keras.layers", "Lambda")}),
        "Lambda layer, which can run any code",
    ),
    (named("keras.layers", "Bidirectional", {"layer": named("os", "system")}), r"names os\.system"),
    (
        named("keras.layers", "TextVectorization", {"standardize": named("builtins", "function", "exec")}),
        "function",
    ),
]


@pytest.mark.parametrize("place", [as_a_layer, as_an_activation])
def test_every_way_to_smuggle_an_object_is_refused(
    place: Callable[[Config], Config], subtests: pytest.Subtests
) -> None:
    for part, message in SMUGGLED:
        with subtests.test(message, part=part):
            refused_at_both_ends(place(part), message)


def deep(levels: int) -> Config:
    part: Any = named("keras.layers", "Lambda")
    for _ in range(levels):
        part = [part]
    return as_an_activation(part)


def circular() -> Config:
    config = plain()
    config["config"]["layers"].append(config)
    return config


def shared_without_end() -> Config:
    """As YAML's anchors write it: small in memory, endless when written out."""
    part: Any = ["x"]
    for _ in range(60):
        part = [part, part]
    return as_an_activation(part)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (lambda: deep(60), "can run any code"),
        (lambda: deep(200), "nested more than 100 deep"),
        (lambda: deep(100_000), "nested more than 100 deep"),
        (circular, "or holds itself"),
        (lambda: as_an_activation(float("nan")), "NaN or infinity"),
        (lambda: as_an_activation(print), "a builtin_function_or_method, which is no JSON"),
        (lambda: as_an_activation(np.zeros(3)), "a ndarray, which is no JSON"),
        (lambda: as_an_activation({1: 2}), "has the key 1"),
    ],
)
def test_what_is_no_plain_json_is_refused_in_one_sentence(config: Callable[[], Config], message: str) -> None:
    refused_at_both_ends(config(), message)


DENSE_2 = {
    "name": "dense",
    "trainable": True,
    "dtype": "float32",
    "units": 3,
    "activation": "softmax",
    "use_bias": True,
}
KERAS_2_SEQUENTIAL = {
    "class_name": "Sequential",
    "config": {
        "name": "sequential",
        "layers": [{"class_name": "Dense", "config": {**DENSE_2, "batch_input_shape": [None, 4]}}],
    },
}
KERAS_2_FUNCTIONAL = {
    "class_name": "Functional",
    "config": {
        "name": "model",
        "layers": [
            {
                "class_name": "InputLayer",
                "config": {"batch_input_shape": [None, 4], "dtype": "float32", "sparse": False, "name": "input_1"},
                "name": "input_1",
                "inbound_nodes": [],
            },
            {
                "class_name": "Dense",
                "config": DENSE_2,
                "name": "dense",
                "inbound_nodes": [[["input_1", 0, 0, {}]]],
            },
        ],
        "input_layers": [["input_1", 0, 0]],
        "output_layers": [["dense", 0, 0]],
    },
}


@pytest.mark.parametrize("config", [KERAS_2_SEQUENTIAL, KERAS_2_FUNCTIONAL])
@pytest.mark.parametrize("version", [{}, {"keras_version": "2.15.0", "backend": "tensorflow"}])
def test_a_config_of_keras_2_is_refused_by_its_age(config: Config, version: Config) -> None:
    message = r"was written by Keras 2[ .].*; load the model's file with keras\.models\.load_model of Keras 3"
    refused_at_both_ends({**config, **version}, message)
    with pytest.raises(InvalidJob, match=message):
        KerasConfig.model_validate({"config": json.dumps({**config, **version})})


def test_a_batch_of_fixed_size_is_refused_at_the_door() -> None:
    x = keras.Input(batch_shape=(8, 4))
    for model in (keras.Model(x, layers.Dense(3)(x)), keras.Sequential([x, layers.Dense(3)])):
        refused_at_both_ends(json.loads(model.to_json()), r"batches of exactly 8 rows.*keras\.Input\(shape\)")


def test_what_is_no_document_of_a_model_is_refused_with_what_would_be() -> None:
    refused_at_both_ends(plain()["config"], r"what get_config\(\) gives.*; give model\.to_json\(\)")
    with pytest.raises(InvalidJob, match=r"no JSON: .*; give what model\.to_json\(\) gives"):
        KerasConfig.model_validate({"config": PLAIN[:100]})


def test_a_config_that_is_endless_when_written_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_screen, "_MOST_VALUES", 10_000)
    refused_at_both_ends(shared_without_end(), "more than 10,000 values")


def refused_at_both_ends(config: Config, message: str) -> None:
    """By the client that makes a spec of it, and by the worker that finds it in a record."""
    for end in (lambda: KerasConfig(config=config), lambda: load_config(config)):
        with pytest.raises(InvalidJob, match=message) as error:
            end()
        assert "\n" not in error.value.message
        assert len(error.value.message) < 400


def test_an_attack_that_wrote_a_file_through_a_branch_writes_nothing(tmp_path: Path) -> None:
    config = as_a_branch(named("keras", "visualization.plot_image_gallery", registered_name=None))
    config["config"]["layers"][-1]["inbound_nodes"][0]["args"][2] = {"path": str(tmp_path / "gallery.png")}
    refused_at_both_ends(config, r"keras\.visualization\.plot_image_gallery|Switch")
    assert list(tmp_path.iterdir()) == []


def test_what_a_model_was_compiled_with_is_never_executed() -> None:
    config = as_a_layer(named("keras.layers", "ReLU", {"name": "r"}, compile_config=named("os", "system")))
    config["compile_config"] = {"loss": named("os", "system")}
    assert "system" not in json.dumps(KerasConfig(config=config).config)
    assert not load_config(config).compiled


@pytest.mark.parametrize(
    "settings", [{"units": -3}, {"units": 10**30}, {"units": "many"}, {"no_such": 1}, {"activation": "no-such"}]
)
def test_what_keras_itself_cannot_build_is_refused_in_one_sentence(settings: Config) -> None:
    config = plain()
    config["config"]["layers"][1]["config"] |= settings
    with pytest.raises(InvalidJob, match="Keras cannot build the architecture's config") as error:
        load_config(config)
    assert "\n" not in error.value.message
