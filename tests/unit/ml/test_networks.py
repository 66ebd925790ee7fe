"""Networks and the data that each is for: they learn it, are served and resumed exactly, and refuse other data."""

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.applications import efficientnet
from keras.src.legacy.saving import legacy_h5_format

import stoker
from stoker.errors import InvalidJob, StokerError
from stoker.events import Checkpoint, Event, Log
from stoker.kinds.training.architecture import Architecture
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.rows import encode
from stoker.models.tensors import Array
from stoker.outages import DependencyUnavailable
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.networks import pretrained
from stoker_workers.ml.networks.pretrained import take_weights
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.run import Outcome, Run
from stoker_workers.ml.training.freezing import Restart, freezing
from stoker_workers.ml.training.optimizer import build_optimizer

from .conftest import assert_resumes, history_of, manifest_of

OpenRun = Callable[..., Run]
Rows = dict[str, list[Any]]
RANDOM = np.random.default_rng(0)
ROWS = 240
GOOD, BAD = ("lovely", "friendly", "quick"), ("dull", "rude", "slow")


def a_table() -> Rows:
    """Rows of every kind, each of which tells the label: a rising beat, a good word, a low id, a shop on its day."""
    label = RANDOM.integers(0, 2, ROWS).astype(bool)
    rows: Rows = {"beat": [], "pulse": [], "ids": [], "review": [], "shop": [], "day": [], "size": []}
    for each in label:
        steps = int(RANDOM.integers(2, 9))
        rows["beat"].append((np.linspace(0, 1 if each else -1, steps) + RANDOM.normal(0, 0.1, steps)).round(3).tolist())
        rows["pulse"].append(RANDOM.normal(60, 5, 8).round(1).tolist())
        rows["ids"].append(RANDOM.integers(1 if each else 5, 5 if each else 9, RANDOM.integers(1, 6)).tolist())
        rows["review"].append(f"the staff was {RANDOM.choice(GOOD if each else BAD)} and number {RANDOM.integers(40)}")
        shop = int(RANDOM.integers(20))
        rows["shop"].append(f"shop {shop:02}")
        rows["day"].append(("mon", "tue")[(shop + each) % 2])
        rows["size"].append(float(RANDOM.normal()))
    return rows | {"y": ["yes" if each else "no" for each in label]}


TABLE = a_table()
STEPS = RANDOM.normal(size=(ROWS, 6, 2)).astype(np.float32)
IMAGES = RANDOM.normal(size=(ROWS, 8, 8, 3)).astype(np.float32)
CASES: dict[str, tuple[Architecture, tuple[str, ...]]] = {
    "batch norm": (stoker.MLP(norm="batch", dropout=0.1), ("size", "shop", "ids")),
    "layer norm, residual": (stoker.MLP(hidden=(16, 16, 8), norm="layer", residual=True), ("size", "shop", "ids")),
    "wide and deep": (stoker.WideAndDeep(hidden=(8,), crosses=(("shop", "day"),)), ("size", "shop", "day")),
    "wide and deep, hashed": (
        stoker.WideAndDeep(hidden=(8,), crosses=(("shop", "day"),), buckets=11),
        ("size", "shop", "day", "ids"),
    ),
    "lstm": (stoker.Sequence(units=8), ("beat",)),
    "gru of two columns": (stoker.Sequence(cell="gru", units=8, layers=2, dropout=0.1), ("beat", "pulse", "size")),
    "tcn": (stoker.Sequence(cell="tcn", units=8, dense=(4,)), ("beat", "shop")),
    "transformer": (stoker.Sequence(cell="transformer", units=8, heads=2, layers=1), ("beat",)),
    "lstm of ids": (stoker.Sequence(units=8), ("ids", "size")),
    "words": (stoker.Text(units=8, dense=(8,)), ("review",)),
    "words and a table": (stoker.Text(units=8, words=12, length=5), ("review", "size", "shop")),
    "lstm of words": (stoker.Text(cell="lstm", units=8), ("review",)),
    "transformer of words": (stoker.Text(cell="transformer", units=8, heads=2, layers=2), ("review",)),
}  # fmt: skip
# Whose state is more than weights and an optimizer's: batch norm's statistics, and the seeds of dropout.
RESUMED = ("batch norm", "gru of two columns", "transformer of words")
# Whose parts are all in others, or built, resumed and served by cheaper tests.
QUICK = ("wide and deep, hashed", "words and a table")
UNUSUAL = {
    "beat": [[], None, [0.1, None, 3.0], [0.2] * 30],
    "pulse": [[60.0] * 8, [61.0] * 8, [0.0] * 8, list(range(8))],
    "ids": [[], [8, 99], None, [3]],
    "review": ["", "never heard of", None, "lovely " * 50],
    "shop": ["shop 01", "new", None, "shop 19"],
    "day": ["mon", None, "sun", "tue"],
    "size": [0.5, None, 1e9, -3.0],
}


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., stoker.Data]:
    """Writes some columns of the table, and the label."""

    def written(columns: tuple[str, ...]) -> stoker.Data:
        path = tmp_path / "table.jsonl"
        rows = [{name: TABLE[name][row] for name in (*columns, "y")} for row in range(ROWS)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        kinds = {"shop": "category", "day": "category", "ids": "tokens", "pulse": "sequence", "review": "text"}
        return stoker.Data.model_validate(
            {"ref": path, "columns": {name: kind for name, kind in kinds.items() if name in columns}}
        )

    return written


def served(outcome: Outcome, run: Run, rows: Any) -> ModelVersion:
    """The registered model, which predicts the same for raw rows by Stoker and by Keras alone in safe mode."""
    version = ModelVersion(**dict(manifest_of(outcome)), version=1, created_at="2026-01-01T00:00:00Z")
    inputs = Inputs(version.signature, version.ref)
    tensors = inputs.encoded(rows)
    inputs.check(tensors)
    ours = Predictor.load(version, run.store, run.scratch, rows=len(rows)).predict(tensors)
    model = keras.saving.load_model(run.store.fetch(version.files["keras"], run.scratch), safe_mode=True, compile=False)
    given = rows if isinstance(rows, np.ndarray) else encode(version.signature.inputs, rows)
    alone = {name: tf.constant(values) for name, values in given.items()} if isinstance(given, dict) else given
    if isinstance(alone, dict) and not isinstance(model.input, dict):
        [alone] = alone.values()
    np.testing.assert_allclose(ours, model(alone, training=False).numpy(), atol=1e-5)
    assert np.isfinite(ours).all()
    return version


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES]
)
def test_a_network_learns_its_data_and_is_served_raw_rows_and_resumed(
    case: str, open_run: OpenRun, events: list[Event], table: Callable[..., stoker.Data]
) -> None:
    architecture, columns = CASES[case]
    spec = stoker.Train(
        model="m",
        data=table(columns),
        architecture=architecture,
        target="y",
        features=columns,
        epochs=15,
        batch_size=54,  # a quarter of the rows to train on
        optimizer=stoker.Optimizer(learning_rate=0.02),
        checkpoint=stoker.Checkpoints(steps=25, seconds=None, keep=100),  # twice in 60 steps
        seed=1,
    )
    outcome = train(spec, open_run())
    version = served(outcome, open_run(), {name: UNUSUAL[name] for name in columns})
    assert version.metrics["val_accuracy"] > 0.85
    if case in RESUMED:
        assert_resumes(spec, outcome, events, open_run())


@pytest.mark.usefixtures("graphs_traced")
@pytest.mark.parametrize(
    ("architecture", "x"),
    [
        (stoker.ResNet(filters=(4, 8), blocks=1), IMAGES),
        pytest.param(stoker.ResNet(filters=(4,), blocks=1), IMAGES[:, :, :, 0], marks=pytest.mark.slow),
        pytest.param(stoker.Sequence(cell="gru", units=4), STEPS, marks=pytest.mark.slow),
        (stoker.Sequence(cell="tcn", units=4), STEPS[:, :, 0]),
    ],
)
def test_arrays_are_images_or_sequences_by_their_network(
    architecture: Architecture, x: Array, open_run: OpenRun, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", x=x, y=x.reshape(ROWS, -1)[:, 0])
    spec = stoker.Train(model="m", data=str(tmp_path / "data.npz"), architecture=architecture, epochs=1)
    served(train(spec, open_run()), open_run(), x[:5])


@pytest.mark.parametrize(
    ("architecture", "columns", "message"),
    [
        (stoker.Sequence(), ("size", "shop"), r"a Sequence takes rows of shape \(steps, channels\), lists .* has none"),
        (stoker.Text(), ("size", "beat"), "a Text network takes at least one column of text, and the data has none"),
        (stoker.WideAndDeep(crosses=(("shop", "size"),)), ("size", "shop"), "crosses names 'size', which is no column"),
        (stoker.ResNet(), ("size", "shop"), "a ResNet takes rows of shape"),
    ],
)
def test_data_of_another_kind_is_refused(
    architecture: Architecture, columns: tuple[str, ...], message: str, open_run: OpenRun,
    table: Callable[..., stoker.Data],
) -> None:  # fmt: skip
    spec = stoker.Train(model="m", data=table(columns), architecture=architecture, target="y", features=columns)
    with pytest.raises(InvalidJob, match=message):
        train(spec, open_run())


def test_columns_that_are_read_as_one_sequence_are_told(
    open_run: OpenRun, events: list[Event], table: Callable[..., stoker.Data]
) -> None:
    spec = stoker.Train(model="m", data=table(("beat", "pulse")), architecture=stoker.Sequence(units=2), epochs=1)
    train(spec, open_run())
    lines = [event.line for event in events if isinstance(event, Log)]
    assert "one sequence of 8 steps: 'beat', 'pulse', side by side" in lines


PICTURES = RANDOM.integers(0, 255, (48, 32, 32, 3)).astype(np.uint8)


def saved_in(folder: Path, network: keras.Model) -> Path:
    """A folder of the network's weights, and of a model that has them."""
    network.save_weights(folder / "net.weights.h5")
    keras.Sequential([keras.Input((32, 32, 3)), network, keras.layers.Dense(2)]).save(folder / "net.keras")
    return folder


def of_keras(name: str) -> keras.Model:
    build = getattr(keras.applications, name)
    return build(include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg")


@pytest.fixture(scope="module")
def normed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a small network with batch norm."""
    network = of_keras("MobileNet")
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(PICTURES / 127.5 - 1.0, training=True)  # statistics with which no layer's output fades away
    return saved_in(tmp_path_factory.mktemp("normed"), network)


def fine_tuned(folder: Path, name: str, weights: Path, **fields: Any) -> stoker.Train:
    np.savez(folder / "pictures.npz", x=PICTURES, y=np.arange(48) % 3)
    network = {"type": "pretrained", "name": name, "weights": str(weights), "freeze_epochs": 1, "fine_rate": 0.1}
    usual = {"model": "m", "data": str(folder / "pictures.npz"), "architecture": network, "epochs": 2, "seed": 1}
    return stoker.Train.model_validate(usual | {"batch_size": 16} | fields)


def body(outcome: Outcome, run: Run) -> list[Array]:
    """The weights of the pretrained part of what was trained."""
    path = run.store.fetch(manifest_of(outcome).files["keras"], run.scratch)
    weights: list[Array] = pretrained.base_of(keras.saving.load_model(path, compile=False)).get_weights()
    return weights


def within(file: Path) -> list[Array]:
    """The weights of the network in a file of `saved_in`."""
    weights: list[Array] = keras.saving.load_model(file, compile=False).layers[0].get_weights()
    return weights


@pytest.mark.slow
@pytest.mark.usefixtures("graphs_traced")
def test_pretrained_weights_are_frozen_and_the_network_served(
    open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    plain = saved_in(tmp_path, of_keras("VGG16"))
    outcome = train(fine_tuned(tmp_path, "VGG16", plain / "net.keras", epochs=1), open_run())
    served(outcome, open_run(), PICTURES[:4])
    lines = [event.line for event in events if isinstance(event, Log)]
    assert f"VGG16 starts from the weights of {plain / 'net.keras'}" in lines
    for ours, theirs in zip(body(outcome, open_run()), within(plain / "net.keras"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_is_new_is_trained_first_and_all_of_it_as_from_the_start_at_a_lower_rate() -> None:
    """As a whole in the tests below; here without a training."""
    shaped = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], name="base")
    network = keras.Sequential([keras.Input((4,)), shaped, keras.layers.Dense(2)])
    spec = stoker.Train(
        model="m",
        data="d.npz",
        architecture=stoker.Pretrained("VGG16", weights="net.h5", freeze_epochs=2, fine_rate=0.1),
        optimizer=stoker.Optimizer(learning_rate=0.5),
    )
    first = freezing(spec, network)
    assert first is not None
    assert (first.epochs, first.head) == (2, network.layers[-1].trainable_variables)
    schedule = first.afterwards(lambda step: step + 1000.0, 5)
    assert schedule is not None
    assert schedule(7) == pytest.approx((7 + 2 * 5 + 1000) * 0.1)
    optimizer = build_optimizer(spec.optimizer, network)
    begun = [variable.numpy() for variable in optimizer.variables]
    restart = Restart(optimizer, spec)
    optimizer.apply([tf.ones_like(variable.value) for variable in network.trainable_variables])
    assert int(optimizer.iterations) == 1
    assert restart(first.rate) == pytest.approx(0.05)
    assert float(optimizer.learning_rate) == pytest.approx(0.05)
    for variable, value in zip(optimizer.variables, begun, strict=True):
        if "learning_rate" not in variable.path:
            np.testing.assert_array_equal(variable.numpy(), value)


def little(input_shape: tuple[int, int, int], name: str = "base", **_of_applications: Any) -> keras.Model:
    """Built as the networks of keras.applications are, with batch norm as well, but traced at once."""
    pictures = keras.Input(input_shape)
    hidden = keras.layers.BatchNormalization(momentum=0.0)(keras.layers.Conv2D(4, 3)(pictures))
    return keras.Model(pictures, keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(hidden)), name=name)


@pytest.mark.usefixtures("graphs_traced")
def test_a_network_is_frozen_and_then_thawed_and_resumed_bitwise_equal(
    open_run: OpenRun, events: list[Event], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow tests do so with networks of Keras, which take long to trace."""
    monkeypatch.setattr(keras.applications, "MobileNet", little)
    saved_in(tmp_path, little((32, 32, 3)))
    often = stoker.Checkpoints(steps=1, keep=100)
    spec = fine_tuned(tmp_path, "MobileNet", tmp_path / "net.weights.h5", checkpoint=often)
    undisturbed = train(spec, open_run())
    lines = [event.line for event in events if isinstance(event, Log)]
    assert f"MobileNet starts from the weights of {tmp_path / 'net.weights.h5'}" in lines
    assert "from epoch 2 on all weights are trained, at a rate of 0.0001" in lines
    served(undisturbed, open_run(), PICTURES[:4])
    saved = {(event.epoch, event.step): event.artifact for event in events if isinstance(event, Checkpoint)}
    frozen = train(spec.model_copy(update={"epochs": 1, "checkpoint": stoker.Checkpoints()}), open_run())
    given = within(tmp_path / "net.keras")
    for ours, theirs in zip(body(frozen, open_run()), given, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    changed = [not np.array_equal(*pair) for pair in zip(body(undisturbed, open_run()), given, strict=True)]
    assert changed == [True, True, False, False, False, False]  # the convolution is trained, batch norm stays
    # Where what is frozen is thawed; the slow tests resume at other places, too.
    resumed = train(spec, replace(open_run(), checkpoints=(saved[0, 3],)))
    assert history_of(resumed) == history_of(undisturbed)


@pytest.mark.slow
@pytest.mark.usefixtures("graphs_traced")
def test_pretrained_weights_are_trained_after_that_and_resumed_bitwise_equal_at_any_place(
    normed: Path, open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    often = stoker.Checkpoints(steps=1, keep=100)
    spec = fine_tuned(tmp_path, "MobileNet", normed / "net.weights.h5", checkpoint=often)
    undisturbed = train(spec, open_run())
    lines = [event.line for event in events if isinstance(event, Log)]
    assert f"MobileNet starts from the weights of {normed / 'net.weights.h5'}" in lines
    assert "from epoch 2 on all weights are trained, at a rate of 0.0001" in lines
    served(undisturbed, open_run(), PICTURES[:4])
    ours, given = body(undisturbed, open_run()), within(normed / "net.keras")
    changed = [not np.array_equal(*pair) for pair in zip(ours, given, strict=True)]
    assert 0 < sum(changed) < len(changed)  # batch norm stays
    saved = {(event.epoch, event.step): event.artifact for event in events if isinstance(event, Checkpoint)}
    for place in ((0, 2), (0, 3), (1, 1)):
        resumed = train(spec, replace(open_run(), checkpoints=(saved[place],)))
        assert history_of(resumed) == history_of(undisturbed)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "VGG19"}, "do not fit VGG19"),
        ({"weights": "nowhere.weights.h5"}, "nowhere.weights.h5"),
    ],
)
def test_weights_of_something_else_are_refused(
    fields: dict[str, Any], message: str, open_run: OpenRun, tmp_path: Path
) -> None:
    spec = fine_tuned(tmp_path, "VGG16", saved_in(tmp_path, little((32, 32, 3))) / "net.weights.h5")
    assert spec.architecture is not None
    spec = spec.model_copy(update={"architecture": spec.architecture.model_copy(update=fields)})
    with pytest.raises(InvalidJob, match=message):
        train(spec, open_run())


def as_downloaded(network: keras.Model, path: Path) -> Path:
    """A file of weights in the format of those that Keras loads down."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    return path


def test_files_as_users_have_them_are_read_and_others_refused(open_run: OpenRun, tmp_path: Path) -> None:
    build = keras.applications.VGG16
    given, base = of_keras("VGG16"), build(include_top=False, weights=None, input_shape=(32, 32, 3), name="base")
    network = keras.Sequential([keras.Input((32, 32, 3)), base])

    def load(file: Path) -> None:
        take_weights(stoker.Pretrained("VGG16", weights=str(file)), network, open_run())

    def is_loaded(source: keras.Model) -> bool:
        return all(map(np.array_equal, base.get_weights(), source.get_weights()[: len(base.weights)]))

    load(as_downloaded(given, tmp_path / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"))
    assert is_loaded(given)
    topped = build(weights=None, input_shape=(32, 32, 3), classes=3)
    topped.save_weights(tmp_path / "topped.weights.h5")
    load(tmp_path / "topped.weights.h5")  # of which the top is left out
    assert is_loaded(topped)

    other = of_keras("VGG19")
    other.save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "page.weights.h5").write_text("<html>404</html>")
    unfit = "do not fit VGG16: {} .* the file without its top that Keras loads down"
    for wrong, why in (
        (as_downloaded(topped, tmp_path / "topped.h5"), unfit.format("Layer count mismatch .* 13 layers, found 16")),
        (as_downloaded(other, tmp_path / "other.h5"), unfit.format("Layer count mismatch")),
        (tmp_path / "other.weights.h5", unfit.format(".* no matching group found")),
        (tmp_path / "page.weights.h5", r"page\.weights\.h5"),
    ):
        with pytest.raises(InvalidJob, match=why):
            load(wrong)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [((socket.EAI_AGAIN, "try again"), DependencyUnavailable), ((socket.EAI_NONAME, "unknown"), InvalidJob)],
)
def test_a_worker_without_a_network_says_what_to_do(
    failure: tuple[int, str], expected: type[StokerError], open_run: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(*failure)

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    url = "https://weights.example/net.weights.h5"
    with pytest.raises(expected) as away:
        take_weights(stoker.Pretrained("VGG16", weights=url), little((32, 32, 3)), open_run())
    assert away.value.message.startswith(f"the weights {url} ")
    assert away.value.message.endswith(
        "; where workers have no way there, load it down elsewhere, and give its path or URL where they read data"
    )


def test_the_published_scale_of_an_efficientnet_is_that_of_keras(open_run: OpenRun, tmp_path: Path) -> None:
    """As a whole in the slow test below; here without a network that takes long to build."""
    stem = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Normalization(axis=-1)], name="base")
    [scaling] = stem.layers
    mean, spread = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pictures = np.random.default_rng(0).random((2, 4, 4, 3)).astype(np.float32)
    file = str(tmp_path / "stem.weights.h5")
    for variance, used in ((spread, spread**2), (spread**2, spread**2), (np.ones(3), np.ones(3))):
        scaling.adapt_mean.assign(mean)
        scaling.adapt_variance.assign(variance)
        stem.save_weights(file)
        network = keras.Sequential([keras.Input((4, 4, 3)), stem])
        take_weights(stoker.Pretrained("EfficientNetB0", weights=file), network, open_run())
        np.testing.assert_allclose(stem(pictures), (pictures - mean) / np.sqrt(used), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_an_efficientnet_computes_what_keras_makes_of_the_published_file(
    open_run: OpenRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = of_keras("EfficientNetB0")
    [scaling] = [layer for layer in published.layers if isinstance(layer, keras.layers.Normalization)]
    scaling.adapt_mean.assign([0.485, 0.456, 0.406])
    scaling.adapt_variance.assign([0.229, 0.224, 0.225])
    file = as_downloaded(published, tmp_path / "efficientnetb0_notop.h5")
    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *_, **__: str(file))
    shape = {"include_top": False, "input_shape": (32, 32, 3), "pooling": "avg"}
    expected = keras.applications.EfficientNetB0(weights="imagenet", **shape)
    expected.save(tmp_path / "whole.keras")
    expected.save_weights(tmp_path / "whole.weights.h5")
    levels = PICTURES[:4].astype(np.float32)
    for name in ("efficientnetb0_notop.h5", "whole.keras", "whole.weights.h5"):
        base = keras.applications.EfficientNetB0(weights=None, name="base", **shape)
        network = keras.Sequential([keras.Input((32, 32, 3)), base])
        take_weights(stoker.Pretrained("EfficientNetB0", weights=str(tmp_path / name)), network, open_run())
        np.testing.assert_allclose(base(levels, training=False), expected(levels, training=False), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"weights": "imagenet"},
            r"nothing is downloaded .* run keras\.applications\.MobileNet\(",
        ),
        ({"weights": None, "freeze_epochs": 2}, "random weights are not worth freezing"),
        ({"name": "MobileNetV9", "weights": None}, "name"),
    ],
)
def test_a_pretrained_network_names_its_weights(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        stoker.Pretrained(**{"name": "MobileNet", **fields})
