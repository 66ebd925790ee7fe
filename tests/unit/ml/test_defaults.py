"""Defaults that are right: whatever the data's scale, its names, and the network's first layer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

import stoker
from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.kinds.training.architecture import Architecture
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.tensors import Array
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.data.samples import load_sample
from stoker_workers.ml.networks.shapes import check_shapes
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.run import Run

from .conftest import manifest_of

OpenRun = Callable[..., Run]
RANDOM = np.random.default_rng(0)


@pytest.fixture
def served(open_run: OpenRun) -> Callable[[stoker.Train, object], Array]:
    """Trains a job, and predicts raw rows with what it registers."""
    return lambda spec, rows: predicted_by(registered(spec, open_run()), rows, open_run())


Served = Callable[[stoker.Train, object], Array]


def registered(spec: stoker.Train, run: Run) -> ModelVersion:
    return ModelVersion(**dict(manifest_of(train(spec, run))), version=1, created_at="2026-01-01T00:00:00Z")


def predicted_by(version: ModelVersion, rows: Any, run: Run) -> Array:
    inputs = Inputs(version.signature, version.ref)
    tensors = inputs.encoded(rows)
    inputs.check(tensors)
    answers: Array = Predictor.load(version, run.store, run.scratch, rows=len(rows)).predict(tensors)
    return answers


def arrays(folder: Path, x: NDArray[Any], y: NDArray[Any]) -> str:
    np.savez(folder / "data.npz", x=x, y=y)
    return str(folder / "data.npz")


def config_of(*layers: keras.layers.Layer, shape: tuple[int, ...]) -> Architecture:
    return stoker.KerasConfig(config=keras.Sequential([keras.Input(shape), *layers]).to_json())


def r2(truth: Array, predicted: Array) -> float:
    truth, predicted = truth.ravel(), predicted.ravel()
    return float(1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def lines(events: list[Event]) -> str:
    return "\n".join(event.line for event in events if isinstance(event, Log))


@pytest.mark.slow
def test_a_regression_with_defaults_learns_a_target_of_any_scale(served: Served, tmp_path: Path) -> None:
    test = next(load_sample("diabetes", "test").batches(1_000))
    predicted = served(stoker.Train(model="m", data="sample://diabetes", seed=1), test["x"].astype(np.float32))
    assert r2(test["y"], predicted) > 0.4
    x = RANDOM.uniform(-1, 1, (400, 1))
    predicted = served(stoker.Train(model="m", data=arrays(tmp_path, x, 3000 * x[:, 0] + 1e6), seed=1), x)
    assert r2(3000 * x[:, 0] + 1e6, predicted) > 0.98


@pytest.mark.parametrize("factor", [pytest.param(1e-30, marks=pytest.mark.slow), 1e30])
def test_a_target_of_any_power_of_ten_is_learned_and_measured(factor: float, open_run: OpenRun, tmp_path: Path) -> None:
    x = RANDOM.uniform(-1, 1, (300, 1))
    for loss in ("mse", "huber") if factor < 1 else ("mse",):
        spec = stoker.Train(
            model="m", data=arrays(tmp_path, x, factor * x[:, 0]), epochs=20, batch_size=16, seed=1,
            metrics=("mae", "rmse", "r2", "mape"), loss=loss,
        )  # fmt: skip
        result = train(spec, open_run()).result
        assert isinstance(result, stoker.TrainResult)
        metrics = result.metrics
        assert metrics["r2"] > 0.9
        assert 0 < metrics["mae"] < 0.2 * factor
        assert 0 < metrics["loss"] < 0.1 * factor**2
        assert metrics["rmse"] < 0.2 * factor


def test_a_target_whose_digits_float32_cannot_hold_is_told_of_or_refused(
    open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    x = RANDOM.uniform(-1, 1, (100, 1))
    for names in ({"y": 2**60 + (1000 * x[:, 0]).astype(int)}, {"y": 1e8 + x[:, 0]}):
        np.savez(tmp_path / "far.npz", x=x, **names)
        with pytest.raises(InvalidJob, match=r"target 'y' holds numbers around 1.* nothing is left to learn; subtract"):
            train(stoker.Train(model="m", data=str(tmp_path / "far.npz")), open_run())
    train(stoker.Train(model="m", data=arrays(tmp_path, x, 1e5 + x[:, 0]), epochs=1), open_run())
    assert "which knows none between those that are 0.012 apart" in lines(events)


def test_losses_are_in_the_target_s_own_units(open_run: OpenRun, tmp_path: Path) -> None:
    x = RANDOM.uniform(-1, 1, (400, 1))
    spec = stoker.Train(model="m", data=arrays(tmp_path, x, 3000 * x[:, 0]), validation_split=0, epochs=1, seed=1)
    result = train(spec, open_run()).result
    assert isinstance(result, stoker.TrainResult)
    assert 300 < result.metrics["mae"] < 3000
    assert result.metrics["loss"] == pytest.approx(result.metrics["mae"] ** 2, rel=1)


def test_ids_reach_an_embedding_as_they_are(open_run: OpenRun, events: list[Event], tmp_path: Path) -> None:
    ids = RANDOM.integers(0, 50, (600, 6))
    y = (ids < 5).any(axis=1).astype(int)
    embedding = (keras.layers.Embedding(50, 4), keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(1, "sigmoid"))
    spec = stoker.Train(
        model="m", data=arrays(tmp_path, ids, y), architecture=config_of(*embedding, shape=(6,)), epochs=60, seed=1
    )
    version = registered(spec, open_run())
    assert ((predicted_by(version, ids, open_run())[:, 0] > 0.5) == y).mean() > 0.95
    assert "inputs are not scaled: the network begins with Embedding" in lines(events)
    with pytest.raises(InvalidJob, match="'x' must be from 0 to 49"):
        predicted_by(version, ids + 1, open_run())


@pytest.mark.parametrize(
    ("shift", "split", "message"),
    [
        (-1, 0.0, "ids from -1 to 48"),
        (1, 0.0, "ids from 1 to 50.*input_dim=51"),
        (1, 0.9, "holds the id 50 in row .*the model takes those from 0 to 49"),
    ],
)
def test_ids_that_an_embedding_does_not_have_are_refused(
    shift: int, split: float, message: str, open_run: OpenRun, tmp_path: Path
) -> None:
    ids = np.arange(50).reshape(10, 5) + shift
    layers = (keras.layers.Embedding(50, 2), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid"))
    data = arrays(tmp_path, ids, np.arange(10) % 2)
    with pytest.raises(InvalidJob, match=message):
        train(
            stoker.Train(
                model="m", data=data, architecture=config_of(*layers, shape=(5,)), validation_split=split, seed=0
            ),
            open_run(),
        )


def test_grey_levels_reach_a_rescaling_as_they_are(served: Served, events: list[Event], tmp_path: Path) -> None:
    images = RANDOM.integers(0, 256, (200, 4, 4, 1)).astype(np.uint8)
    y = (images.mean(axis=(1, 2, 3)) > 127).astype(int)
    layers = (keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid"))
    network = config_of(*layers, shape=(4, 4, 1))
    spec = stoker.Train(model="m", data=arrays(tmp_path, images, y), architecture=network, epochs=60, seed=1)
    spec = spec.model_copy(update={"optimizer": stoker.Optimizer(learning_rate=0.05)})
    assert ((served(spec, images)[:, 0] > 0.5) == y).mean() > 0.85
    assert "the network begins with Rescaling" in lines(events)


NAMES = [
    "dense",
    "reshape",
    "normalization",
    "concatenate",
    "string_lookup",
    "rescaling",
    "input_0",
    "features",
    "a/b",
    "ä ö",
]


def test_columns_may_be_called_like_layers(served: Served, tmp_path: Path) -> None:
    table = {name: RANDOM.normal(size=40).round(3) for name in NAMES} | {"flatten": np.array(["p", "q"] * 20)}
    rows = zip(*table.values(), np.arange(40) % 2, strict=True)
    path = tmp_path / "table.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [(*table, "y"), *rows]))
    assert served(stoker.Train(model="m", data=str(path), epochs=1), table).shape == (40, 1)


@pytest.mark.slow
def test_layers_may_be_called_like_inputs(served: Served, tmp_path: Path) -> None:
    names = ("features", "x", "inputs", "normalization", "network")
    hidden = [keras.layers.Dense(3, "relu", name=name) for name in names]
    network = config_of(*hidden, keras.layers.Dense(1, "sigmoid"), shape=(4,))
    x = RANDOM.normal(size=(40, 4))
    spec = stoker.Train(model="m", data=arrays(tmp_path, x, np.arange(40) % 2), architecture=network, epochs=1)
    assert served(spec, x).shape == (40, 1)


def test_a_sequential_without_an_input_is_built_for_the_data(served: Served, tmp_path: Path) -> None:
    network = stoker.KerasConfig(config=keras.Sequential([keras.layers.Dense(1, "sigmoid")]).to_json())
    x = RANDOM.normal(size=(40, 4))
    spec = stoker.Train(model="m", data=arrays(tmp_path, x, np.arange(40) % 2), architecture=network, epochs=1)
    assert served(spec, x).shape == (40, 1)


def test_a_network_of_a_fixed_batch_is_refused_also_where_code_has_built_it() -> None:
    fixed = keras.Sequential([keras.Input((4,), batch_size=8), keras.layers.Dense(1, "sigmoid")])
    with pytest.raises(
        InvalidJob, match="takes batches of exactly 8 rows; give its input a shape without a batch size"
    ):
        check_shapes(fixed, (4,), (1,), ())


def test_a_layer_whose_adapted_state_is_elsewhere_is_refused() -> None:
    layer = keras.layers.Normalization()
    layer.adapt(np.arange(8.0).reshape(4, 2))
    with pytest.raises(InvalidJob, match=r"a Normalization without its mean and variance.*Normalization\(mean=…, var"):
        config_of(layer, keras.layers.Dense(1), shape=(2,))
    given = keras.layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 4.0])
    assert config_of(given, keras.layers.Dense(1), shape=(2,))


def test_what_people_write_is_understood() -> None:
    spec = stoker.Train(
        model="m",
        data="d.csv",
        architecture=stoker.MLP(hidden=64),
        class_weights={0: 1.0, True: 2.0},
    )
    assert spec.architecture == stoker.MLP(hidden=(64,))
    assert spec.class_weights == {"0": 1.0, "True": 2.0}
