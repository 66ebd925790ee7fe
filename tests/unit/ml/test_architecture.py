"""Networks and what they are trained for: what is built, and what is refused before a step is made."""

import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.kinds import CNN, MLP, Builder, KerasConfig, Optimizer, Schedule, Train
from stoker.kinds.training.architecture import Architecture
from stoker_workers.ml.columns.stats import Moments
from stoker_workers.ml.networks.activation import gives_probabilities, output_activation
from stoker_workers.ml.networks.building import build_network
from stoker_workers.ml.preprocessing.profile import Profile
from stoker_workers.ml.preprocessing.target import Target
from stoker_workers.ml.training.objective import Objective, choose_objectives
from stoker_workers.ml.training.optimizer import build_optimizer, build_schedule

HERE = f"{__name__}:builder"


def builder(input_shape: tuple[int, ...], output_units: int, width: int = 3) -> keras.Model:
    """What a user's own function may look like."""
    tensor = keras.Input(input_shape)
    hidden = keras.layers.Dense(width)(tensor)
    return keras.Model(tensor, keras.layers.Dense(output_units, activation="softmax")(hidden))


class Custom(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    def call(self, inputs: Any) -> Any:
        return inputs


def custom_builder(input_shape: tuple[int, ...], output_units: int) -> keras.Model:
    return keras.Sequential([keras.Input(input_shape), Custom(), keras.layers.Dense(output_units)])


def no_builder(input_shape: tuple[int, ...], output_units: int) -> str:
    return "a model"


def data(classes: int = 3, units: int = 1) -> Profile:
    """A profile of data with this many classes, or of numbers where there are none."""
    labels = tuple(map(str, range(classes)))
    return Profile(
        rows=90,
        held_out=0,
        features={},
        inputs=(),
        targets=(
            Target(
                name="output",
                columns=("y",),
                task="regression" if not classes else "binary" if classes == 2 else "multiclass",
                classes=labels,
                class_rows=(60, 20, 10)[:classes],
                shape=() if classes or units == 1 else (units,),
                moments=None if classes else targets(units),
            ),
        ),
        named=True,
    )


def targets(units: int) -> Moments:
    """Moments of numbers from 0 to 1."""
    moments = Moments((units,))
    moments.update(np.linspace(0, 1, 5 * units).reshape(5, units))
    return moments


def spec(architecture: Architecture | None = None, **fields: Any) -> Train:
    return Train(model="m", data="d.csv", architecture=architecture or MLP(), **fields)


def sequential(*layers: keras.layers.Layer, inputs: tuple[int, ...] = (4,)) -> keras.Model:
    return keras.Sequential([keras.Input(inputs), *layers])


def config_of(model: keras.Model) -> KerasConfig:
    return KerasConfig(config=json.loads(model.to_json()))


def network(job: Train, profile: Profile, shape: tuple[int, ...] = (4,)) -> keras.Model:
    return build_network(job, profile, shape, (), (HERE,))


def objective(job: Train, profile: Profile) -> Objective:
    [objective] = choose_objectives(job, network(job, profile), profile)
    return objective


def test_an_mlp_has_its_layers_regularised() -> None:
    built = network(spec(MLP(hidden=(5, 6), dropout=0.5, l2=0.1, activation="tanh")), data())
    assert [type(layer).__name__ for layer in built.layers] == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert [layer.units for layer in built.layers if isinstance(layer, keras.layers.Dense)] == [5, 6, 3]
    assert len(built.losses) == 3


def test_an_mlp_flattens_images() -> None:
    assert network(spec(), data(), (4, 5)).layers[0].output.shape == (None, 20)


@pytest.mark.parametrize("shape", [(16,), (4, 4), (4, 4, 1)])
def test_a_cnn_takes_images_and_flat_squares(shape: tuple[int, ...]) -> None:
    built = network(spec(CNN(filters=(2, 3), dense=(5,))), data(), shape)
    assert built.output_shape == (None, 3)
    kinds = [type(layer).__name__ for layer in built.layers if not isinstance(layer, keras.layers.Reshape)]
    assert kinds == ["Conv2D", "MaxPooling2D", "Conv2D", "MaxPooling2D", "Flatten", "Dense", "Dense"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [((15,), r"takes rows of shape \(height, width\)"), ((2, 2), "shrinks rows of shape .* to nothing")],
)
def test_a_cnn_refuses_rows_that_are_no_images(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        network(spec(CNN(filters=(2, 3))), data(), shape)


@pytest.mark.parametrize(
    ("classes", "fields", "units", "activation"),
    [
        (3, {}, 3, "softmax"),
        (2, {}, 1, "sigmoid"),
        (2, {"loss": "sparse_categorical_crossentropy"}, 2, "softmax"),
        (2, {"architecture": MLP(output="softmax")}, 2, "softmax"),
        (3, {"architecture": MLP(output="linear")}, 3, "linear"),
        (0, {}, 1, "linear"),
    ],
)
def test_the_output_layer_fits_the_target(classes: int, fields: dict[str, Any], units: int, activation: str) -> None:
    built = network(spec(**fields), data(classes))
    assert built.output_shape == (None, units)
    assert output_activation(built) == activation


def test_a_keras_config_gives_its_model() -> None:
    model = sequential(keras.layers.Dense(7), keras.layers.BatchNormalization(), keras.layers.Dense(3))
    built = network(spec(config_of(model)), data())
    assert [layer.name for layer in built.layers[1:]] == [layer.name for layer in model.layers]


def test_a_config_of_a_compiled_model_is_taken_without_what_it_was_compiled_with() -> None:
    model = sequential(keras.layers.Dense(3))
    model.compile("adam", "mse")
    assert not network(spec(config_of(model)), data()).compiled


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (lambda: sequential(keras.layers.Dense(3), inputs=(5,)), (4,), r"takes rows of shape \(5,\).*\(4,\)"),
        (lambda: sequential(keras.layers.Dense(3), inputs=(4,)), (4, 1), r"takes rows of shape \(4,\).*\(4, 1\)"),
        (lambda: sequential(keras.layers.Dense(4)), (4,), r"output has shape \(4,\), but the target 'y' has 3 classes"),
        (lambda: sequential(keras.layers.Reshape((2, 2))), (4,), r"output has shape \(2, 2\)"),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused(
    model: Callable[[], keras.Model], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InvalidJob, match=message):
        network(spec(config_of(model())), data(), shape)


def lambda_config() -> dict[str, Any]:
    return dict(json.loads(sequential(keras.layers.Lambda(lambda x: x), keras.layers.Dense(3)).to_json()))


def vocabulary_from_a_file() -> dict[str, Any]:
    config = dict(json.loads(sequential(keras.layers.Dense(3)).to_json()))
    lookup = {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}
    config["config"]["layers"].insert(1, lookup)
    return config


def function_of_another_module() -> dict[str, Any]:
    config = dict(json.loads(sequential(keras.layers.Dense(3)).to_json()))
    call = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
    config["config"]["layers"][1]["config"]["activation"] = call
    return config


def negative_units() -> dict[str, Any]:
    config = dict(json.loads(sequential(keras.layers.Dense(3)).to_json()))
    config["config"]["layers"][1]["config"]["units"] = -3
    return config


def object_of_no_module() -> dict[str, Any]:
    config = dict(json.loads(sequential(keras.layers.Dense(3)).to_json()))
    config["config"]["layers"][1]["module"] = None
    return config


def object_without_a_module() -> dict[str, Any]:
    config = object_of_no_module()
    del config["config"]["layers"][1]["module"]
    return config


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (lambda_config, "Lambda layer, which can run any code"),
        (vocabulary_from_a_file, "reads a vocabulary from a file"),
        (function_of_another_module, r"names keras\.utils\.function, which is not one of Keras' own layers"),
        (object_of_no_module, r"names None\.Dense"),
        (object_without_a_module, r"written by Keras 2 \(its parts name no module\)"),
        (negative_units, "Keras cannot build the architecture's config: Received an invalid value for `units`"),
        (dict, r"describes a dict; expected a model's to_json\(\)"),
    ],
)
def test_a_config_that_could_do_more_than_build_layers_is_refused(
    config: Callable[[], dict[str, Any]], message: str
) -> None:
    with pytest.raises(InvalidJob, match=message):
        network(spec(KerasConfig(config=config())), data())


def test_a_builder_on_the_list_is_called_with_the_shapes() -> None:
    built = network(spec(Builder(HERE, {"width": 9})), data())
    assert [layer.units for layer in built.layers[1:]] == [9, 3]


@pytest.mark.parametrize(
    ("target", "builders", "message"),
    [
        (HERE, (), "add it to `builders` in the worker's stoker.toml or STOKER_BUILDERS"),
        (f"{__name__}:absent", (f"{__name__}:absent",), "cannot be imported on the worker"),
        (f"{__name__}:no_builder", (f"{__name__}:no_builder",), "returned a str; expected a functional or Sequential"),
        (f"{__name__}:custom_builder", (f"{__name__}:custom_builder",), "which this worker does not allow"),
    ],
)
def test_a_builder_is_refused_by_its_reason(target: str, builders: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        build_network(spec(Builder(target)), data(), (4,), (), builders)


def with_operation(function: Callable[[Any], Any]) -> keras.Model:
    tensor = keras.Input((4,))
    return keras.Model(tensor, function(keras.layers.Dense(3)(tensor)))


@pytest.mark.parametrize(
    ("model", "activation"),
    [
        (lambda: sequential(keras.layers.Dense(3, activation="softmax")), "softmax"),
        (lambda: sequential(keras.layers.Dense(3), keras.layers.Softmax()), "softmax"),
        (lambda: sequential(keras.layers.Dense(3), keras.layers.Activation("sigmoid")), "sigmoid"),
        (lambda: with_operation(keras.activations.softmax), "softmax"),
        (lambda: with_operation(keras.ops.sigmoid), "sigmoid"),
        (lambda: sequential(keras.layers.Dense(3), keras.layers.Activation("linear")), "linear"),
        (lambda: sequential(keras.layers.Dense(3, activation="softmax"), keras.layers.Dropout(0.1)), "softmax"),
        (lambda: sequential(sequential(keras.layers.Dense(3, activation="softmax"))), "softmax"),
        (lambda: sequential(keras.layers.Dense(3, activation="softmax"), keras.layers.Dense(3)), "linear"),
        (lambda: sequential(keras.layers.Dense(3)), "linear"),
        (lambda: sequential(keras.layers.Dense(3, activation="relu")), "relu"),
    ],
)
def test_the_last_activation_is_seen_in_every_form(model: Callable[[], keras.Model], activation: str) -> None:
    built = model()
    assert output_activation(built) == activation
    assert gives_probabilities(built) == (activation in ("softmax", "sigmoid"))


@pytest.mark.parametrize(
    ("classes", "fields", "name", "from_logits"),
    [
        (3, {}, "sparse_categorical_crossentropy", False),
        (3, {"architecture": MLP(output="linear")}, "sparse_categorical_crossentropy", True),
        (3, {"architecture": MLP(output="linear"), "from_logits": True}, "sparse_categorical_crossentropy", True),
        (3, {"loss": "categorical_crossentropy"}, "categorical_crossentropy", False),
        (2, {}, "binary_crossentropy", False),
        (2, {"architecture": MLP(output="linear")}, "binary_crossentropy", True),
        (0, {}, "mse", False),
        (0, {"loss": "huber"}, "huber", False),
    ],
)
def test_the_loss_fits_target_and_last_layer(
    classes: int, fields: dict[str, Any], name: str, from_logits: bool
) -> None:
    chosen = objective(spec(**fields), data(classes))
    assert (chosen.name, chosen.from_logits) == (name, from_logits)


@pytest.mark.parametrize(
    ("classes", "fields", "message"),
    [
        (3, {"from_logits": True}, "last layer is a softmax, which already gives probabilities"),
        (3, {"architecture": MLP(output="linear"), "from_logits": False}, "would be read as probabilities"),
        (3, {"architecture": MLP(output="sigmoid")}, "needs a distribution over the classes"),
        (3, {"loss": "binary_crossentropy"}, "needs two classes and one output unit; there are 3 classes"),
        (3, {"loss": "mse"}, "holds 3 classes, and loss='mse' is for numbers"),
        (2, {"loss": "binary_crossentropy", "architecture": MLP(output="softmax")}, "there are 2 classes and 2 unit"),
        (0, {"loss": "sparse_categorical_crossentropy"}, "holds numbers, and sparse_categorical_crossentropy is for"),
        (0, {"from_logits": True}, "holds numbers, and from_logits is for classes"),
        (0, {"architecture": MLP(output="softmax")}, "is a softmax over 1 unit"),
        (0, {"class_weights": "balanced"}, "class_weights are for classes"),
        (3, {"class_weights": {"7": 1.0}}, "class_weights names 7, but target 'y' has the classes 0, 1, 2"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(classes: int, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        objective(spec(**fields), data(classes))


def test_the_classic_mistake_is_caught_in_a_keras_config_too() -> None:
    model = sequential(keras.layers.Dense(3), keras.layers.Softmax())
    with pytest.raises(InvalidJob, match="already gives probabilities"):
        objective(spec(config_of(model), from_logits=True), data())


def test_balanced_class_weights_weigh_by_rarity() -> None:
    balanced = objective(spec(class_weights="balanced"), data()).class_weights
    assert balanced == pytest.approx((0.5, 1.5, 3.0))
    assert objective(spec(class_weights={"1": 4.0}), data()).class_weights == (1.0, 4.0, 1.0)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_every_optimizer_starts_at_its_usual_rate(name: Any) -> None:
    optimizer = build_optimizer(Optimizer(name=name), sequential(keras.layers.Dense(3)))
    assert float(optimizer.learning_rate) == pytest.approx(0.01 if name == "sgd" else 0.001)
    assert type(optimizer).__name__.lower() == name


def test_momentum_and_weight_decay_reach_the_optimizer() -> None:
    optimizer = build_optimizer(
        Optimizer(name="sgd", momentum=0.9, weight_decay=0.1), sequential(keras.layers.Dense(3))
    )
    assert (optimizer.momentum, optimizer.weight_decay) == (0.9, 0.1)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_a_fused_step_is_that_of_keras_and_so_is_what_is_saved(name: Any) -> None:
    options = Optimizer(name=name, weight_decay=0.1, learning_rate=0.05)
    model = keras.Sequential([keras.Input((3,), dtype="int32"), keras.layers.Embedding(5, 4), keras.layers.Dense(2)])
    fused = build_optimizer(options, model)
    plain = type(fused).from_config(fused.get_config())
    # Of one row twice, as an embedding's gradient is; Keras squares the two before it adds them up.
    rows = tf.IndexedSlices(tf.random.normal((3, 4), seed=1), tf.constant([1, 4, 1]), (5, 4))
    values = model.get_weights()
    steps = []
    for optimizer, first in ((fused, rows), (plain, tf.convert_to_tensor(rows))):
        model.set_weights(values)
        optimizer.build(model.trainable_variables)
        for _ in range(3):
            optimizer.apply([first, *(tf.sin(weight.value) for weight in model.weights[1:])])
        steps.append([*model.get_weights(), *(variable.numpy() for variable in optimizer.variables)])
    for ours, theirs in zip(*steps, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (Schedule(decay="linear", final=0.0), [1, 0.75, 0.5, 0.25, 0]),
        (Schedule(decay="cosine", final=0.0), [1, 0.853553, 0.5, 0.146447, 0]),
        (Schedule(decay="exponential", final=0.0001), [1, 0.1, 0.01, 0.001, 0.0001]),
        (Schedule(decay="linear", final=0.5, warmup=0.5), [0.02, 0.52, 1, 0.75, 0.5]),
    ],
)
def test_schedules_reach_their_final_share(schedule: Schedule, rates: list[float]) -> None:
    rate = build_schedule(Optimizer(learning_rate=1.0, schedule=schedule), steps=100)
    assert rate is not None
    np.testing.assert_allclose([float(rate(step)) for step in (0, 25, 50, 75, 100)], rates, rtol=1e-4, atol=1e-7)
