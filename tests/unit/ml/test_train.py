"""The `Train` job from end to end: what is learned, told and left behind."""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.events import Checkpoint, Epoch, Event, Log, Progress
from stoker.kinds import CNN, MLP, Checkpoints, EarlyStopping, Optimizer, Schedule, Train, TrainResult
from stoker.models.access import Access
from stoker.models.manifest import Artifact
from stoker.models.rows import encode
from stoker.models.store import Store
from stoker_workers.kinds.train import run as train
from stoker_workers.ml import data as engine_data
from stoker_workers.ml import writing
from stoker_workers.ml.data.samples import load_sample
from stoker_workers.ml.preprocessing import layers
from stoker_workers.ml.preprocessing.target import encode_target
from stoker_workers.ml.run import Outcome, Run, Stopped
from stoker_workers.ml.training import dataset, rows, step

from .conftest import manifest_of

Stop = Literal["cancel", "drain"] | None
Damaged = Callable[[Store, Artifact], tuple[Artifact, ...]]

ANYWHERE = Access(["/"], "/")


class Attempts:
    """Executes attempts of one job, and keeps what they emit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(str(folder / "store"))
        self.events: list[Event] = []
        self.stop: Stop = None
        self.drain_in: int | None = None
        self._attempts = 0

    def train(self, spec: Train, *, checkpoints: Sequence[Artifact] = ()) -> tuple[TrainResult, Outcome]:
        self._attempts += 1
        scratch = self.folder / f"scratch{self._attempts}"
        scratch.mkdir()
        run = Run(
            job="job",
            store=self.store,
            scratch=scratch,
            builders=(),
            access=Access(["/"], "/"),
            models=(),
            checkpoints=tuple(checkpoints),
            emit=self.events.append,
            stop_requested=self._stop_requested,
        )
        outcome = train(spec, run)
        assert isinstance(outcome.result, TrainResult)
        return outcome.result, outcome

    def interrupted(self, spec: Train, *, epoch: int, checkpoints: Sequence[Artifact] = ()) -> list[Artifact]:
        """Drain the job once it has saved a checkpoint within this epoch, counted from 0; its checkpoints."""
        self.events.clear()
        self.drain_in = epoch
        with pytest.raises(Stopped) as stopped:
            self.train(spec, checkpoints=checkpoints)
        assert stopped.value.reason == "drain"
        self.drain_in = None
        return [event.artifact for event in self.checkpoints()]

    def checkpoints(self) -> list[Checkpoint]:
        return [event for event in self.events if isinstance(event, Checkpoint)]

    def epochs(self) -> list[Epoch]:
        return [event for event in self.events if isinstance(event, Epoch)]

    def model(self, result: TrainResult, file: str = "keras") -> keras.Model:
        return keras.models.load_model(self.store.fetch(result.files[file], self.folder))

    def weights(self, result: TrainResult) -> list[NDArray[Any]]:
        weights: list[NDArray[Any]] = self.model(result).get_weights()
        return weights

    def _stop_requested(self) -> Stop:
        if self.drain_in is not None and any(
            event.epoch == self.drain_in and event.step for event in self.checkpoints()
        ):
            return "drain"
        return self.stop


@pytest.fixture
def job(tmp_path: Path) -> Attempts:
    return Attempts(tmp_path)


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes small files take the path of large ones."""
    monkeypatch.setattr(engine_data, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(dataset, "RESIDENT_BYTES", 0)
    monkeypatch.setattr(rows, "WINDOW_BYTES", 1_000)
    monkeypatch.setattr(layers, "CALL_ROWS", 64)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A CSV of 300 rows whose label follows from a number and a text."""
    random = np.random.default_rng(0)
    age, colour = random.normal(40, 10, 300), random.choice(["red", "green", "blue"], 300)
    label = np.where((age > 40) ^ (colour == "red"), "yes", "no")
    lines = [f"{a:.3f},{c},{y}" for a, c, y in zip(age, colour, label, strict=True)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["age,colour,label", *lines]))
    return path


def test_the_default_job_learns_digits_with_the_reference_network_and_describes_its_model(job: Attempts) -> None:
    result, outcome = job.train(Train(model="digits", data="sample://digits", seed=1))
    assert result.metrics["val_accuracy"] > 0.9
    assert (result.epochs, result.seed, result.parameters) == (10, 1, 64 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10)
    manifest = manifest_of(outcome)
    signature = manifest.signature
    assert (signature.task, signature.classes) == ("multiclass", tuple("0123456789"))
    (pixels,) = signature.inputs
    assert (pixels.name, pixels.shape, pixels.low, pixels.high) == ("x", (64,), 0, 16)
    assert set(manifest.files) == {"keras", "history"}
    dense = [layer for layer in job.model(result).layers if isinstance(layer, keras.layers.Dense)]
    assert [(layer.units, layer.activation.__name__) for layer in dense] == [
        (64, "relu"),
        (32, "relu"),
        (10, "softmax"),
    ]


@pytest.mark.slow
def test_the_saved_model_predicts_raw_rows_as_well_as_training_said(job: Attempts) -> None:
    spec = Train(
        model="m", data="sample://wine", epochs=15, validation_data="sample://wine", validation_split=0, seed=1
    )
    result, outcome = job.train(spec)
    manifest = manifest_of(outcome)
    test = next(load_sample("wine", "test").batches(1_000))
    predictions = job.model(result).predict(encode(manifest.signature.inputs, test)["x"], verbose=0)
    accuracy = np.mean(predictions.argmax(axis=1) == encode_target(manifest.signature, test))
    assert accuracy == pytest.approx(result.metrics["val_accuracy"])
    assert accuracy > 0.9


@pytest.mark.usefixtures("graphs_traced")
def test_a_validation_that_is_not_traced_measures_the_same(
    job: Attempts, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = Train(model="m", data=str(table), epochs=2, metrics=("accuracy", "auc", "f1"), seed=1)
    traced: list[bool] = []
    compiled = step._compile

    def noted(*arguments: Any, **options: Any) -> step.Loop:
        traced.append(options.get("traced", True))
        return compiled(*arguments, **options)

    monkeypatch.setattr(step, "_compile", noted)
    brief, _ = job.train(spec)
    monkeypatch.setattr(step, "_FEW_STEPS", 1)
    long, _ = job.train(spec)
    assert traced == [True, False, True, True]
    assert brief.history.keys() == long.history.keys()
    for name, values in brief.history.items():
        assert values == pytest.approx(long.history[name], rel=1e-5), name
    for ours, theirs in zip(job.weights(brief), job.weights(long), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("loss", "output"),
    [
        pytest.param(None, "auto", marks=pytest.mark.slow),
        (None, "linear"),
        pytest.param("categorical_crossentropy", "auto", marks=pytest.mark.slow),
        pytest.param("sparse_categorical_crossentropy", "linear", marks=pytest.mark.slow),
    ],
)
def test_the_saved_model_is_compiled_with_the_loss_it_was_trained_with(job: Attempts, loss: Any, output: Any) -> None:
    spec = Train(
        model="m",
        data="sample://breast_cancer",
        architecture=MLP(output=output),
        loss=loss,
        epochs=1,
        validation_data="sample://breast_cancer",
    )
    result, outcome = job.train(spec)
    manifest = manifest_of(outcome)
    test = next(load_sample("breast_cancer", "test").batches(1_000))
    y = encode_target(manifest.signature, test)
    truth = keras.utils.to_categorical(y) if loss == "categorical_crossentropy" else y.reshape(-1, 1)
    x = encode(manifest.signature.inputs, test)["x"]
    measured = job.model(result).evaluate(x, truth, verbose=0, return_dict=True)
    assert measured["loss"] == pytest.approx(result.metrics["val_loss"], rel=1e-4)
    assert measured["accuracy"] == pytest.approx(result.metrics["val_accuracy"], rel=1e-4)


def test_numbers_and_texts_become_named_inputs_of_one_model(job: Attempts, table: Path) -> None:
    optimizer = Optimizer(learning_rate=0.01)
    result, outcome = job.train(Train(model="m", data=str(table), epochs=80, optimizer=optimizer, seed=1))
    manifest = manifest_of(outcome)
    signature = manifest.signature
    assert [(spec.name, spec.dtype, spec.columns) for spec in signature.inputs] == [
        ("features", "float32", ("age",)),
        ("categories", "string", ("colour",)),
    ]
    assert (signature.target, signature.classes, signature.task) == ("label", ("no", "yes"), "binary")
    rows = {"age": np.array([60.0, 60.0]), "colour": np.array(["red", "blue"], dtype=object)}
    inputs = encode(signature.inputs, rows)
    scores = job.model(result)({name: tf.constant(values) for name, values in inputs.items()}).numpy()
    assert (scores[:, 0] > 0.5).tolist() == [False, True]


@pytest.mark.slow
def test_regression_learns_numbers(job: Attempts) -> None:
    spec = Train(model="m", data="sample://diabetes", epochs=60, optimizer=Optimizer(learning_rate=0.01), seed=1)
    result, outcome = job.train(spec)
    manifest = manifest_of(outcome)
    assert manifest.signature.task == "regression"
    assert set(result.metrics) == {"loss", "mae", "val_loss", "val_mae"}
    assert result.metrics["mae"] < 50  # guessing the mean is off by 66


@pytest.mark.slow
def test_a_cnn_takes_flat_square_rows(job: Attempts) -> None:
    spec = Train(
        model="m", data="sample://digits", architecture=CNN(filters=(8,), dense=(16,)), epochs=4, batch_size=16, seed=1
    )
    result, _ = job.train(spec)
    assert result.metrics["val_accuracy"] > 0.8


@pytest.mark.usefixtures("graphs_traced")
def test_plain_keras_training_in_the_same_order_gives_the_same_weights(job: Attempts, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(70, 5)).astype(np.float32), random.integers(0, 3, 70)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    spec = Train(
        model="m",
        data=str(tmp_path / "data.npz"),
        architecture=MLP(hidden=(8,), l2=0.01),
        epochs=2,
        normalize=False,
        validation_split=0,
        seed=7,
    )
    result, _ = job.train(spec)

    keras.utils.set_random_seed(7)
    plain = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(8, "relu", kernel_regularizer=keras.regularizers.L2(0.01)),
            keras.layers.Dense(3, "softmax", kernel_regularizer=keras.regularizers.L2(0.01)),
        ]
    )
    plain.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    for epoch in range(2):
        (window,) = rows.ResidentRows(iter([{"x0": x, "y0": y.astype(np.int32)}]), 70).windows((7, epoch))
        for start in range(0, 70, 32):
            batch = window.order[start : start + 32]
            plain.train_on_batch(x[batch], y[batch])
    for ours, theirs in zip(job.weights(result), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not(job: Attempts) -> None:
    spec = Train(
        model="m",
        data="sample://digits",
        architecture=CNN(filters=(4,), dropout=0.2),
        epochs=1,
        batch_size=256,
        validation_split=0,
        seed=3,
    )
    first, second = (job.weights(job.train(spec)[0]) for _ in range(2))
    other = job.weights(job.train(spec.model_copy(update={"seed": 4}))[0])
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


INTERRUPTIBLE = Train(
    model="m",
    data="sample://digits",
    architecture=MLP(hidden=(16,), dropout=0.3),
    epochs=4,
    optimizer=Optimizer(name="adamw", schedule=Schedule(decay="cosine", warmup=0.1)),
    early_stopping=EarlyStopping(patience=3),
    checkpoint=Checkpoints(steps=7, seconds=None),
    seed=5,
)


@pytest.mark.usefixtures("streamed")
def test_a_streamed_training_resumes_bitwise_too_with_the_seed_that_was_drawn(job: Attempts, table: Path) -> None:
    checkpoint = Checkpoints(steps=2, seconds=None)
    spec = INTERRUPTIBLE.model_copy(update={"data": str(table), "checkpoint": checkpoint, "seed": None})
    left = job.interrupted(spec, epoch=2)
    resumed, _ = job.train(spec, checkpoints=left)
    undisturbed, _ = job.train(spec.model_copy(update={"seed": resumed.seed}))
    assert resumed.history == undisturbed.history
    for ours, theirs in zip(job.weights(resumed), job.weights(undisturbed), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.usefixtures("streamed")
def test_streamed_rows_are_all_trained_on_or_held_out(job: Attempts, table: Path) -> None:
    result, _ = job.train(Train(model="m", data=str(table), epochs=1, validation_split=0.3, seed=0))
    assert 180 < result.rows < 240
    assert rows.StreamedRows.note in [event.line for event in job.events if isinstance(event, Log)]
    assert set(result.metrics) == {"loss", "accuracy", "val_loss", "val_accuracy"}


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Attempts, TrainResult]:
    """A job that nothing has interrupted, and what came of it."""
    job = Attempts(tmp_path_factory.mktemp("undisturbed"))
    result, _ = job.train(INTERRUPTIBLE)
    return job, result


@pytest.fixture(scope="module")
def undisturbed(left_alone: tuple[Attempts, TrainResult]) -> tuple[TrainResult, list[NDArray[Any]]]:
    """What comes of a training that nothing interrupts, and its weights."""
    job, result = left_alone
    return result, job.weights(result)


def assert_ends_as(undisturbed: tuple[TrainResult, list[NDArray[Any]]], job: Attempts, resumed: TrainResult) -> None:
    expected, weights = undisturbed
    assert resumed.history == expected.history
    for ours, theirs in zip(job.weights(resumed), weights, strict=True):
        assert np.array_equal(ours, theirs)


def test_a_training_ends_bitwise_where_an_undisturbed_one_does_however_often_it_is_interrupted(
    job: Attempts, undisturbed: tuple[TrainResult, list[NDArray[Any]]]
) -> None:
    left, told = list[Artifact](), list[int]()
    for epoch in (1, 1):
        left = job.interrupted(INTERRUPTIBLE, epoch=epoch, checkpoints=left)
        told += [event.epoch for event in job.epochs()]
    job.events.clear()
    resumed, _ = job.train(INTERRUPTIBLE, checkpoints=left)
    assert [*told, *(event.epoch for event in job.epochs())] == [1, 2, 3, 4]
    assert_ends_as(undisturbed, job, resumed)


def test_damaged_checkpoints_are_left_out_and_the_training_ends_as_an_undisturbed_one_does(
    job: Attempts, damaged: Damaged, undisturbed: tuple[TrainResult, list[NDArray[Any]]]
) -> None:
    *_, older = job.interrupted(INTERRUPTIBLE, epoch=2)
    job.events.clear()
    resumed, _ = job.train(INTERRUPTIBLE, checkpoints=(older, *damaged(job.store.of_job("job"), older)))
    assert [event.epoch for event in job.epochs()] == [3, 4]
    assert_all_left_out(warnings(job))
    assert_ends_as(undisturbed, job, resumed)


def assert_all_left_out(lines: list[str]) -> None:
    """All damaged checkpoints are told of, the newest first."""
    assert [line.partition(" is left out: ")[0] for line in lines] == ["null", "cut", "empty", "gone", "flipped"]
    assert "is no checkpoint of this version of Stoker" in lines[0]
    assert "is gone from the artifact store" in lines[3]
    assert "is corrupt: its SHA-256 is" in lines[4]


def test_a_training_whose_checkpoints_are_all_damaged_starts_anew(
    damaged: Damaged, left_alone: tuple[Attempts, TrainResult]
) -> None:
    job, undisturbed = left_alone
    store, last = job.store.of_job("job"), job.checkpoints()[-1].artifact
    job.events.clear()
    again, _ = job.train(INTERRUPTIBLE, checkpoints=damaged(store, last))
    assert [event.epoch for event in job.epochs()] == [1, 2, 3, 4]
    *left_out, anew = warnings(job)
    assert_all_left_out(left_out)
    assert anew == "no checkpoint is left to go on from: the job starts anew"
    assert again.history == undisturbed.history


def test_a_cancelled_job_stops_without_a_checkpoint(job: Attempts) -> None:
    job.stop = "cancel"
    with pytest.raises(Stopped) as stopped:
        job.train(INTERRUPTIBLE)
    assert stopped.value.reason == "cancel"
    assert not job.checkpoints()


def test_a_checkpoint_of_changed_data_is_refused(job: Attempts, table: Path) -> None:
    spec = INTERRUPTIBLE.model_copy(update={"data": str(table), "checkpoint": Checkpoints(steps=2, seconds=None)})
    left = job.interrupted(spec, epoch=1)
    table.write_text(table.read_text() + "\n41.0,red,no\n42.0,red,no")
    with pytest.raises(InvalidJob, match="the data has changed since the checkpoint: 270 rows"):
        job.train(spec, checkpoints=left)


def test_early_stopping_keeps_the_best_epoch(job: Attempts) -> None:
    spec = Train(
        model="m",
        data="sample://wine",
        epochs=200,
        optimizer=Optimizer(learning_rate=0.05),
        early_stopping=EarlyStopping(patience=4),
        seed=2,
    )
    result, _ = job.train(spec)
    losses = result.history["val_loss"]
    assert result.epochs < 200
    assert result.metrics["val_loss"] == min(losses)
    assert len(losses) == losses.index(min(losses)) + 1 + 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("age,colour,label\n", r"validation_data .*empty\.csv has no rows"),
        ("age,colour\n41,red\n", r"empty\.csv has no column 'label'"),
        ("age,colour,label\n41,red,\n", "no row of the data to validate on has a value to predict"),
    ],
    ids=["no rows", "no target", "no value of the target"],
)
def test_validation_data_that_nothing_can_be_measured_on_is_refused(
    job: Attempts, table: Path, content: str, message: str
) -> None:
    empty = table.with_name("empty.csv")
    empty.write_text(content)
    with pytest.raises(InvalidJob, match=message):
        job.train(Train(model="m", data=str(table), validation_data=str(empty), target="label", epochs=1))


@pytest.mark.parametrize("row", [0, 7, 49])
def test_a_refused_value_is_named_by_its_row_in_the_data_whichever_rows_are_held_out(
    job: Attempts, tmp_path: Path, row: int
) -> None:
    x, y = np.ones((50, 3)), np.arange(50) % 2.0
    x[row, 1] = np.inf
    y[[3, 20]] = np.nan
    np.savez(tmp_path / "data.npz", x=x, y=y)
    for seed in range(3):
        with pytest.raises(InvalidJob, match=f"column 'x' holds inf in row {row} "):
            job.train(Train(model="m", data=str(tmp_path / "data.npz"), validation_split=0.5, seed=seed))


def test_a_header_without_rows_is_refused(job: Attempts, tmp_path: Path) -> None:
    path = tmp_path / "header.csv"
    path.write_text("age,label\n")
    with pytest.raises(InvalidJob, match=r"header\.csv has no rows to train on"):
        job.train(Train(model="m", data=str(path), target="label"))


def test_a_diverging_training_says_so(job: Attempts) -> None:
    spec = Train(
        model="m", data="sample://diabetes", normalize=False, optimizer=Optimizer(name="sgd", learning_rate=1e9)
    )
    with pytest.raises(InvalidJob, match=r"training diverged: loss became (nan|inf) in epoch \d+; lower the learning"):
        job.train(spec)


def test_class_weights_shift_what_is_learned(job: Attempts) -> None:
    spec = Train(model="m", data="sample://breast_cancer", epochs=2, validation_split=0, seed=0)
    plain, _ = job.train(spec)
    weighted, _ = job.train(spec.model_copy(update={"class_weights": {"0": 50.0}}))
    x = next(load_sample("breast_cancer", "test").batches(1_000))["x"].astype(np.float32)
    scores = [np.mean(job.model(result)(x)) for result in (plain, weighted)]
    assert scores[1] < scores[0]


def test_mixed_precision_computes_in_half_and_answers_in_float32(job: Attempts) -> None:
    result, _ = job.train(Train(model="m", data="sample://digits", precision="mixed", epochs=5, seed=1))
    dense = [layer for layer in job.model(result).layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.compute_dtype for layer in dense] == ["bfloat16", "bfloat16", "float32"]
    assert {str(weight.dtype) for layer in dense for weight in layer.weights} == {"float32"}
    assert result.metrics["val_accuracy"] > 0.85


def test_events_history_and_tensorboard_logs_hold_the_curves(job: Attempts, tmp_path: Path) -> None:
    result, _ = job.train(Train(model="m", data="sample://iris", epochs=2))
    assert [event.epoch for event in job.epochs()] == [1, 2]
    assert [event.metrics["val_loss"] for event in job.epochs()] == list(result.history["val_loss"])
    assert job.epochs()[-1].eta_s == 0
    assert all(event.rows_per_s and event.rows_per_s > 0 for event in job.epochs())
    history = json.loads(job.store.read(result.files["history"]))
    assert {name: tuple(values) for name, values in history.items()} == result.history
    with zipfile.ZipFile(io.BytesIO(job.store.read(result.files["tensorboard"]))) as archive:
        archive.extractall(tmp_path / "logs")
        assert sorted(Path(name).parent.name for name in archive.namelist()) == ["train", "validation"]
    (log,) = (tmp_path / "logs" / "validation").iterdir()
    points = [
        (event.step, value.simple_value)
        for event in tf.compat.v1.train.summary_iterator(str(log))
        for value in event.summary.value
        if value.tag == "epoch_loss"
    ]
    assert [epoch for epoch, _ in points] == [1, 2]
    assert [loss for _, loss in points] == pytest.approx(result.history["val_loss"])


class _Absent:
    """Takes a store away and brings it back, as a job tells of its epochs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take_away(self) -> None:
        self._folder.mkdir(exist_ok=True)
        self._folder.rename(self._folder.with_suffix(".away"))
        self._folder.touch()

    def bring_back(self) -> None:
        self._folder.unlink()
        self._folder.with_suffix(".away").rename(self._folder)


class _Eventful(list[Event]):
    """Events, which are also acted upon."""

    def __init__(self, act: Callable[[Event], object]) -> None:
        self._act = act

    def append(self, event: Event) -> None:
        super().append(event)
        self._act(event)


def warnings(job: Attempts) -> list[str]:
    return [event.line for event in job.events if isinstance(event, Log) and event.level == "warning"]


def test_a_checkpoint_that_cannot_be_written_is_left_out_and_the_next_is_tried(job: Attempts, tmp_path: Path) -> None:
    absent = _Absent(tmp_path / "store")

    def act(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 2:
            absent.take_away()
        elif isinstance(event, Epoch) and event.epoch == 4:
            absent.bring_back()

    job.events = _Eventful(act)
    spec = Train(model="m", data="sample://iris", epochs=6, checkpoint=Checkpoints(epochs=1, seconds=None), seed=1)
    result, _ = job.train(spec)
    assert result.epochs == 6
    assert [event.epoch for event in job.checkpoints()] == [1, 4, 5, 6]
    [warning] = warnings(job)
    assert warning.startswith("a checkpoint could not be written, and the job goes on without: the artifact store")


def test_a_trained_model_waits_for_a_store_that_is_away(
    job: Attempts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_REPORT_S", 0.0)
    monkeypatch.setattr(writing, "_RETRY_S", 0.01)
    absent = _Absent(tmp_path / "store")
    waited: list[int] = []

    def act(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 2:
            absent.take_away()
        elif isinstance(event, Progress) and event.stage == "waiting for the store":
            waited.append(event.done)
            if len(waited) == 2:
                absent.bring_back()

    job.events = _Eventful(act)
    result, _ = job.train(Train(model="m", data="sample://iris", epochs=2, seed=1))
    assert len(waited) == 2
    assert len(warnings(job)) == 1 + len([line for line in warnings(job) if line.startswith("a checkpoint")])
    assert job.model(result)


def test_a_job_that_waits_for_the_store_obeys_a_cancel(job: Attempts, tmp_path: Path) -> None:
    absent = _Absent(tmp_path / "store")

    def act(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 2:
            absent.take_away()
        elif isinstance(event, Progress) and event.stage == "waiting for the store":
            job.stop = "cancel"

    job.events = _Eventful(act)
    with pytest.raises(Stopped) as stopped:
        job.train(Train(model="m", data="sample://iris", epochs=2, seed=1))
    assert stopped.value.reason == "cancel"
