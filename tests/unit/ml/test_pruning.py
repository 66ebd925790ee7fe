"""Removing neurons and filters: where they are read, what stays whole, and that what is left computes the same."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers as k

from stoker.errors import InvalidJob
from stoker.kinds import CNN, MLP, ResNet, Sequence, UNet
from stoker_workers.ml.networks.cnn import cnn_layers
from stoker_workers.ml.networks.mlp import mlp, mlp_layers
from stoker_workers.ml.networks.resnet import resnet
from stoker_workers.ml.networks.sequence import whole_sequence
from stoker_workers.ml.networks.unet import unet
from stoker_workers.ml.optimisation.pruning import pruned
from stoker_workers.ml.optimisation.units import FIXED, followed
from stoker_workers.ml.prediction.loading import load_saved


def functional(
    shape: tuple[int, ...], build: Callable[[keras.KerasTensor], keras.KerasTensor | dict[str, keras.KerasTensor]]
) -> keras.Model:
    row = keras.Input(shape, name="inputs")
    return keras.Model(row, build(row), name="network")


def sequential(shape: tuple[int, ...], *layers: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input(shape, name="inputs"), *layers])


def nested(row: keras.KerasTensor) -> keras.KerasTensor:
    inner = functional((6,), lambda tensor: k.Dense(8, activation="relu")(k.Dense(6, activation="relu")(tensor)))
    return k.Dense(2)(inner(k.Rescaling(2.0)(row)))


def in_branches(row: keras.KerasTensor) -> keras.KerasTensor:
    image = k.Reshape((6, 6, 1))(row)
    one = k.Conv2D(8, 3, activation="relu")(image)
    two = k.SeparableConv2D(6, 3, activation="relu", depth_multiplier=2)(k.Conv2D(4, 1)(image))
    tensor = k.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(k.Concatenate()([one, two]))
    tensor = k.Conv2DTranspose(6, 2, strides=2)(keras.ops.relu(k.PReLU(shared_axes=[1, 2])(tensor)))
    tensor = k.Reshape((-1, 6))(k.MaxPooling2D(2)(tensor))
    tensor = k.Conv1D(4, 3, activation="relu")(k.ZeroPadding1D(1)(tensor))
    return k.Dense(3, activation="softmax")(k.Dense(8, activation="relu")(k.Flatten()(tensor)))


def two_outputs(row: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    hidden = k.Dense(8, activation="relu")(row)
    return {"price": k.Dense(1, name="price")(hidden), "sold": k.Dense(2, activation="softmax", name="sold")(hidden)}


MODELS: dict[str, Callable[[], keras.Model]] = {
    "mlp": lambda: sequential(
        (6,), *mlp_layers(MLP(hidden=(16, 8), dropout=0.1), (6,)), k.Dense(3, activation="softmax")
    ),
    "batch norm": lambda: sequential((6,), *mlp_layers(MLP(hidden=(16, 8), norm="batch"), (6,)), k.Dense(3)),
    "cnn": lambda: sequential((8, 8), *cnn_layers(CNN(filters=(4, 6), dense=(8,)), (8, 8)), k.Dense(3)),
    "resnet": lambda: functional((8, 8, 1), lambda row: k.Dense(3)(resnet(ResNet(filters=(4, 6), blocks=1), row))),
    "transformer": lambda: functional(
        (5, 2), lambda row: k.Dense(3)(whole_sequence(Sequence(cell="transformer", units=8, dense=(6,)), row))
    ),
    "lstm": lambda: functional(
        (5, 2), lambda row: k.Dense(3)(whole_sequence(Sequence(cell="lstm", units=4, dense=(8,)), row))
    ),
    "unet": lambda: unet(UNet(filters=(4, 6)), (8, 8, 1), 2),
    "nested": lambda: functional((6,), nested),
    "branches": lambda: functional((36,), in_branches),
    "two outputs": lambda: functional((6,), two_outputs),
}


def silence(model: keras.Model, share: float) -> None:
    """Let so many units of each layer that can lose some give nothing but zeros, drawn at random."""
    random = np.random.default_rng(0)
    network = followed(model)
    silent = np.zeros(network.size, dtype=bool)
    for layer in network.free:
        units = network.made[id(layer)]
        gone = random.permutation(len(units))[: len(units) - max(round(len(units) * (1 - share)), 1)]
        silent[units[gone]] = True
        kernel = layer.pointwise_kernel if "Separable" in type(layer).__name__ else layer.kernel
        axis = -2 if "Transpose" in type(layer).__name__ else -1
        for weight, at in ((kernel, axis), (layer.bias, -1)) if layer.use_bias else ((kernel, axis),):
            values = np.moveaxis(weight.numpy(), at, -1)
            values[..., gone] = 0
            weight.assign(np.moveaxis(values, -1, at))
    for layer in model._flatten_layers():
        if isinstance(layer, k.BatchNormalization | k.DepthwiseConv2D) and id(layer) in network.made:
            units = network.made[id(layer)]
            gone = np.flatnonzero((units != FIXED) & silent[units])
            for weight in layer.weights:
                if weight.name in ("beta", "moving_mean", "bias"):
                    values = weight.numpy()
                    values[gone] = 0
                    weight.assign(values)


def rows_for(model: keras.Model, count: int = 5) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(1).normal(size=(count, *model.inputs[0].shape[1:])).astype(np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_without_units_that_give_nothing_a_model_computes_what_it_did_also_saved_and_loaded(
    name: str, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    for weight in model.weights:  # also of biases and batch norm
        weight.assign(weight + 0.1 * np.random.default_rng(2).random(weight.shape))
    silence(model, 0.5)
    smaller = pruned(model, 0.5, "m@1")
    assert smaller.model.count_params() < model.count_params()
    rows = rows_for(model)
    path = tmp_path / "model.keras"
    smaller.model.save(path)
    expected = keras.tree.flatten(model(rows))
    for each in (smaller.model, load_saved(path, "m@1")):
        for output, wanted in zip(keras.tree.flatten(each(rows)), expected, strict=True):
            np.testing.assert_allclose(output, wanted, atol=1e-5 * np.abs(wanted).max())


def test_half_the_neurons_of_each_layer_go_and_names_inputs_and_outputs_stay() -> None:
    model = sequential((64,), k.Dense(256, activation="relu"), k.Dense(128, activation="relu"), k.Dense(10))
    smaller = pruned(model, 0.5, "m@1")
    assert [layer.units for layer in smaller.model.layers] == [128, 64, 10]
    assert smaller.model.count_params() <= 0.37 * model.count_params()
    assert [layer.name for layer in smaller.model.layers] == [layer.name for layer in model.layers]
    assert smaller.model.inputs[0].name == "inputs"
    assert smaller.removed == 192
    assert [widths[1:] for widths in smaller.widths] == [(256, 128), (128, 64)]


def test_the_weakest_go_and_a_batch_norm_behind_them_counts() -> None:
    model = sequential((2,), k.Dense(3, use_bias=False), k.BatchNormalization(), k.Dense(1))
    dense, norm, _ = model.layers
    dense.kernel.assign([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    assert pruned(model, 0.34, "m@1").model.layers[0].kernel.numpy().tolist() == [[2, 3], [2, 3]]
    norm.gamma.assign([9.0, 1.0, 1.0])
    assert pruned(model, 0.34, "m@1").model.layers[0].kernel.numpy().tolist() == [[1, 3], [1, 3]]


def test_the_model_itself_stays_as_it_was() -> None:
    model = MODELS["mlp"]()
    before = [weight.numpy().copy() for weight in model.weights]
    pruned(model, 0.5, "m@1")
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_layer_keeps_one_unit_at_least() -> None:
    smaller = pruned(sequential((6,), k.Dense(4, name="hidden"), k.Dense(1)), 0.99, "m@1")
    assert smaller.widths == (("hidden", 4, 1),)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (lambda: sequential((6,), k.Dense(3, name="only")), r"only gives the output"),
        (lambda: sequential((6,), k.Dense(1, name="one"), k.Dense(3, name="last")), r"one has a single unit"),
        (
            lambda: functional((6,), lambda row: mlp(MLP(hidden=(4, 4), residual=True), row)),
            r"dense\S* is summed up by 'add\S*' \(Add\)",
        ),
        (
            lambda: sequential((5, 2), k.LSTM(4, name="reader"), k.Dense(3)),
            r"'reader' is of LSTM",
        ),
        (
            lambda: sequential((6,), k.Dense(4, activation="softmax", name="gate"), k.Dense(3)),
            r"gate gives shares of one",
        ),
        (
            lambda: functional((6,), lambda row: k.Dense(2)(keras.ops.sort(k.Dense(4, name="sorted")(row)))),
            r"sorted is read by 'sort\S*' \(Sort\)",
        ),
        (lambda: sequential((6,), k.Rescaling(2.0)), r"no layers with weights"),
    ],
)
def test_where_nothing_can_go_the_layers_are_named_and_why(model: Callable[[], keras.Model], why: str) -> None:
    with pytest.raises(InvalidJob, match=why) as raised:
        pruned(model(), 0.5, "m@1")
    assert "distil" in raised.value.message


def test_a_layer_that_is_called_twice_keeps_its_units() -> None:
    def twice(row: keras.KerasTensor) -> keras.KerasTensor:
        shared = k.Dense(6, activation="relu", name="shared")
        return k.Dense(2)(k.Dense(8, name="free")(shared(shared(row))))

    smaller = pruned(functional((6,), twice), 0.5, "m@1")
    assert smaller.widths == (("free", 8, 4),)
    assert "shared (it meets in 'shared', which is called more than once)" in smaller.words


def test_too_small_a_share_says_the_least_that_does_something() -> None:
    with pytest.raises(InvalidJob, match=r"share=0.01 is less than one of the 16 units"):
        pruned(MODELS["mlp"](), 0.01, "m@1")
