"""Networks and the data that each is for: they learn it, are served and resumed exactly, and refuse other data."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import stoker
from stoker.errors import InvalidJob
from stoker.events import Checkpoint, Event, Log
from stoker.kinds.architecture import Architecture
from stoker.models.inputs import Inputs
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.rows import encode
from stoker.models.tensors import Array
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.networks import pretrained
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.run import Run, Stopped

from .conftest import manifest_of

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
    "transformer": (stoker.Sequence(cell="transformer", units=8, heads=2), ("beat",)),
    "lstm of ids": (stoker.Sequence(units=8), ("ids", "size")),
    "words": (stoker.Text(units=8, dense=(8,)), ("review",)),
    "words and a table": (stoker.Text(units=8, words=12, length=5), ("review", "size", "shop")),
    "lstm of words": (stoker.Text(cell="lstm", units=8), ("review",)),
    "transformer of words": (stoker.Text(cell="transformer", units=8, heads=2, layers=1), ("review",)),
}  # fmt: skip
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


def served(spec: stoker.Train, run: Run, rows: Any) -> tuple[ModelVersion, Array]:
    """The registered model, and what it predicts for raw rows: by Stoker, and the same by Keras alone in safe mode."""
    version = ModelVersion(**dict(manifest_of(train(spec, run))), version=1, created_at="2026-01-01T00:00:00Z")
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
    return version, ours


@pytest.mark.parametrize("case", CASES)
def test_a_network_learns_its_data_and_is_served_raw_rows(
    case: str, open_run: OpenRun, table: Callable[..., stoker.Data]
) -> None:
    architecture, columns = CASES[case]
    spec = stoker.Train(
        model="m",
        data=table(columns),
        architecture=architecture,
        target="y",
        features=columns,
        epochs=25,
        optimizer=stoker.Optimizer(learning_rate=0.01),
        seed=1,
    )
    version, _ = served(spec, open_run(), {name: UNUSUAL[name] for name in columns})
    assert version.metrics["val_accuracy"] > 0.85


@pytest.mark.parametrize(
    ("architecture", "x"),
    [
        (stoker.ResNet(filters=(4, 8), blocks=1), IMAGES),
        (stoker.ResNet(filters=(4,), blocks=1), IMAGES[:, :, :, 0]),
        (stoker.Sequence(cell="gru", units=4), STEPS),
        (stoker.Sequence(cell="tcn", units=4), STEPS[:, :, 0]),
    ],
)
def test_arrays_are_images_or_sequences_by_their_network(
    architecture: Architecture, x: Array, open_run: OpenRun, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", x=x, y=x.reshape(ROWS, -1)[:, 0])
    spec = stoker.Train(model="m", data=str(tmp_path / "data.npz"), architecture=architecture, epochs=1)
    served(spec, open_run(), x[:5])


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


def is_in_second_epoch(events: list[Event]) -> bool:
    return any(isinstance(event, Checkpoint) and event.epoch for event in events)


@pytest.mark.parametrize("case", ["batch norm", "gru of two columns", "transformer of words", "wide and deep, hashed"])
def test_a_resumed_training_ends_bitwise_equal(
    case: str, open_run: OpenRun, events: list[Event], table: Callable[..., stoker.Data]
) -> None:
    architecture, columns = CASES[case]
    spec = stoker.Train(
        model="m",
        data=table(columns),
        architecture=architecture,
        target="y",
        epochs=3,
        batch_size=16,
        seed=3,
        checkpoint=stoker.Checkpoints(steps=5),
    )

    def weights(run: Run) -> list[Array]:
        manifest = manifest_of(train(spec, run))
        path = run.store.fetch(manifest.files["keras"], run.scratch)
        loaded: list[Array] = keras.saving.load_model(path, compile=False).get_weights()
        return loaded

    undisturbed = weights(open_run())
    events.clear()
    with pytest.raises(Stopped):
        train(spec, open_run(stop_requested=lambda: "drain" if is_in_second_epoch(events) else None))
    saved = [event.artifact for event in events if isinstance(event, Checkpoint)]
    resumed = weights(Run(**{**vars(open_run()), "checkpoints": tuple(saved)}))
    for ours, theirs in zip(resumed, undisturbed, strict=True):
        np.testing.assert_array_equal(ours, theirs)


PICTURES = RANDOM.integers(0, 255, (48, 32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the weights of a small network are, and a model that has them."""
    folder = tmp_path_factory.mktemp("weights")
    network = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg")
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(PICTURES / 127.5 - 1.0, training=True)  # statistics with which no layer's output fades away
    network.save_weights(folder / "net.weights.h5")
    keras.Sequential([keras.Input((32, 32, 3)), network, keras.layers.Dense(2)]).save(folder / "net.keras")
    return folder


def fine_tuned(folder: Path, base: Path, **fields: Any) -> stoker.Train:
    np.savez(folder / "pictures.npz", x=PICTURES, y=np.arange(48) % 3)
    network = stoker.Pretrained("MobileNet", weights=str(base), freeze_epochs=1, fine_rate=0.1)
    data = str(folder / "pictures.npz")
    return stoker.Train(model="m", data=data, architecture=network, epochs=2, batch_size=16, seed=1, **fields)


def test_pretrained_weights_are_frozen_then_trained_and_served(
    base: Path, open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    spec = fine_tuned(tmp_path, base / "net.weights.h5")
    served(spec, open_run(), PICTURES[:4])
    lines = [event.line for event in events if isinstance(event, Log)]
    assert f"MobileNet starts from the weights of {base / 'net.weights.h5'}" in lines
    assert "from epoch 2 on all weights are trained, at a rate of 0.0001" in lines

    def body(job: stoker.Train) -> list[Array]:
        run = open_run()
        files = manifest_of(train(job, run)).files
        model = keras.saving.load_model(run.store.fetch(files["keras"], run.scratch), compile=False)
        loaded: list[Array] = pretrained.base_of(model).get_weights()
        return loaded

    given = keras.saving.load_model(base / "net.keras", compile=False).layers[0].get_weights()
    frozen = spec.model_copy(update={"epochs": 1})
    assert spec.architecture is not None
    of_keras = frozen.model_copy(
        update={"architecture": spec.architecture.model_copy(update={"weights": str(base / "net.keras")})}
    )
    for job in (frozen, of_keras):
        assert all(np.array_equal(ours, theirs) for ours, theirs in zip(body(job), given, strict=True))
    changed = [not np.array_equal(ours, theirs) for ours, theirs in zip(body(spec), given, strict=True)]
    assert 0 < sum(changed) < len(changed)  # batch norm stays


def test_a_fine_tuning_is_resumed_bitwise_equal_at_any_place(
    base: Path, open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    spec = fine_tuned(tmp_path, base / "net.weights.h5", checkpoint=stoker.Checkpoints(steps=1, keep=100))

    def history(*checkpoints: Artifact) -> dict[str, tuple[float, ...]]:
        result = train(spec, Run(**{**vars(open_run()), "checkpoints": checkpoints})).result
        assert isinstance(result, stoker.TrainResult)
        return result.history

    undisturbed = history()
    saved = {(event.epoch, event.step): event.artifact for event in events if isinstance(event, Checkpoint)}
    for place in ((0, 2), (0, 3), (1, 1)):
        assert history(saved[place]) == undisturbed


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "MobileNetV2"}, "do not fit MobileNetV2"),
        ({"weights": "nowhere.weights.h5"}, "nowhere.weights.h5"),
    ],
)
def test_weights_of_something_else_are_refused(
    fields: dict[str, Any], message: str, base: Path, open_run: OpenRun, tmp_path: Path
) -> None:
    spec = fine_tuned(tmp_path, base / "net.weights.h5")
    assert spec.architecture is not None
    spec = spec.model_copy(update={"architecture": spec.architecture.model_copy(update=fields)})
    with pytest.raises(InvalidJob, match=message):
        train(spec, open_run())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weights": "imagenet"}, "weights must be a file .* nothing is downloaded"),
        ({"weights": None, "freeze_epochs": 2}, "random weights are not worth freezing"),
        ({"name": "MobileNetV9", "weights": None}, "name"),
    ],
)
def test_a_pretrained_network_names_its_weights(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        stoker.Pretrained(**{"name": "MobileNet", **fields})
