"""`callbacks.Stoker`: a fit of an author's own that is stopped anywhere ends as an undisturbed one, bit by bit."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import stoker
from stoker.models.store import Store
from stoker_workers import Run
from stoker_workers.callbacks import Stoker
from stoker_workers.ml.run import Stopped, StopRequest

EPOCHS, ROWS, BATCH = 3, 60, 16
BATCHES = 4
random = np.random.default_rng(0)
X = random.normal(size=(ROWS, 8)).astype(np.float32)
Y = (X.sum(axis=1) > 0).astype(np.float32)
Fit = Callable[[Run], "Ended"]


class Ended:
    """What a fit leaves: all variables, and Keras' history."""

    def __init__(self, model: keras.Model) -> None:
        self.values = [np.array(variable) for variable in [*model.variables, *model.optimizer.variables]]
        self.history: dict[str, list[float]] = model.history.history

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Ended)
        assert len(self.values) == len(other.values)
        return self.history == other.history and all(map(np.array_equal, self.values, other.values))

    __hash__ = None  # type: ignore[assignment]


def model(**compiled: Any) -> keras.Model:
    """Every kind of state, and few operations: it computes them one by one, or is traced for each of many fits."""
    built = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.BatchNormalization(scale=False),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1, "sigmoid", use_bias=False),
        ]
    )
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    built.compile(optimizer, "binary_crossentropy", **{"metrics": ["accuracy"], "run_eagerly": True, **compiled})
    return built


GRAPH = {"run_eagerly": False}
"""As most fits are."""


def fit(run: Run, *data: Any, others: Any = (), compiled: Any = None, **how: Any) -> Ended:
    keras.utils.set_random_seed(run.seed)
    built = model(**(compiled or {}))
    built.fit(*data, epochs=EPOCHS, verbose=0, callbacks=[Stoker(run, seconds=None, steps=5), *others], **how)
    return Ended(built)


def in_order(run: Run) -> Ended:
    return fit(run, X, Y, shuffle=False, batch_size=BATCH)


def shuffled(run: Run, **compiled: Any) -> Ended:
    return fit(run, X, Y, batch_size=BATCH, validation_split=0.2, compiled=compiled)


def shuffled_as_graph(run: Run) -> Ended:
    return shuffled(run, **GRAPH)


def piped(run: Run, **compiled: Any) -> Ended:
    """A data set with an order of its own for each epoch, several steps a call, and a validation now and then."""
    rows = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(ROWS, seed=3).batch(BATCH).prefetch(2)
    compiled = {"steps_per_execution": 2, **compiled}
    return fit(run, rows, validation_data=(X, Y), validation_freq=2, shuffle=False, compiled=compiled)


def piped_as_graph(run: Run) -> Ended:
    return piped(run, **GRAPH)


def endless() -> Any:
    """Batches that never end, drawn from NumPy's own random numbers."""
    while True:
        drawn = np.random.permutation(ROWS)[:BATCH]
        yield X[drawn], Y[drawn]


def watchers() -> list[keras.callbacks.Callback]:
    return [
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=1, min_delta=0.02, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=0.5),
    ]


def metrics() -> dict[str, Any]:
    return {"metrics": ["accuracy", keras.metrics.AUC(name="auc")]}


def generated(run: Run) -> Ended:
    return fit(run, endless(), steps_per_epoch=BATCHES, shuffle=False)


def watched(run: Run) -> Ended:
    return fit(run, X, Y, batch_size=BATCH, validation_split=0.2, others=watchers(), compiled=metrics())


def generated_and_watched(run: Run) -> Ended:
    how = {"steps_per_epoch": BATCHES, "validation_data": (X, Y), "shuffle": False}
    return fit(run, endless(), others=watchers(), compiled=metrics(), **how)


def after(looks: int, reason: StopRequest = "drain") -> Callable[[], StopRequest | None]:
    """A stop that is asked for at the so-manieth look."""
    looked = iter(range(10**6))
    return lambda: reason if next(looked) >= looks else None


# At the last batch of an epoch or within its validation, right behind it, within another.
AGAIN_AND_AGAIN = (3, 1, 2)
AGAIN = AGAIN_AND_AGAIN[:2]


@pytest.mark.parametrize(
    ("train", "stops"),
    [
        (shuffled, AGAIN),
        # Within the second epoch.
        (piped_as_graph, (4,)),
        (generated_and_watched, (9,)),
        *(
            pytest.param(each, AGAIN_AND_AGAIN, marks=pytest.mark.slow)
            for each in (shuffled_as_graph, piped_as_graph, generated, watched)
        ),
    ],
)
def test_a_fit_that_is_stopped_ends_as_an_undisturbed_one(train: Fit, stops: tuple[int, ...], tmp_path: Path) -> None:
    undisturbed = train(Run.local(tmp_path / "undisturbed", seed=5))
    for looks in stops:
        with pytest.raises(Stopped):
            train(Run.local(tmp_path / "stopped", seed=5, stop_requested=after(looks)))
    run = Run.local(tmp_path / "stopped", seed=5)
    assert train(run) == undisturbed
    assert run.resumed_from
    assert set(run.files) == {"history", "tensorboard"}


def test_a_cancel_ends_it_at_the_next_batch_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Stopped) as stopped:
        in_order(Run.local(tmp_path, stop_requested=after(3, "cancel")))
    assert stopped.value.reason == "cancel"
    assert not list(tmp_path.glob("store/**/*.zip"))


def test_it_says_how_the_fit_goes_and_keeps_its_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run.local(tmp_path)
    ended = piped(run)
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in told if line.startswith("epoch ")] == ["1/3", "2/3", "3/3"]
    assert told[0] == f"training: 2/{EPOCHS * BATCHES} steps"
    store = Store(str(tmp_path / "store"))
    history = json.loads(store.read(run.files["history"]))
    assert [epoch["loss"] for epoch in history] == ended.history["loss"]
    assert [epoch["val_loss"] for epoch in history[1:2]] == ended.history["val_loss"]
    with zipfile.ZipFile(store.fetch(run.files["tensorboard"], tmp_path)) as board:
        logs = {name for name in board.namelist() if "events" in name}
    assert logs == {"train/events.out.tfevents.train", "validation/events.out.tfevents.validation"}


def test_a_script_of_its_own_needs_no_run_and_sees_how_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    keras.utils.set_random_seed(1)
    model().fit(X, Y, verbose=0, callbacks=[Stoker()])
    assert "epoch 1" in capsys.readouterr().out


def test_of_two_fits_the_second_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batches, few = 3, (X[: 3 * BATCH], Y[: 3 * BATCH])

    def both(run: Run) -> tuple[Ended, Ended]:
        return tuple(fit(run, *few, shuffle=False, batch_size=size) for size in (BATCH, 24))  # type: ignore[return-value]

    undisturbed = both(Run.local(tmp_path / "undisturbed"))
    with pytest.raises(Stopped):
        both(Run.local(tmp_path / "stopped", stop_requested=after(EPOCHS * (batches + 1) + 4)))
    capsys.readouterr()
    assert both(Run.local(tmp_path / "stopped")) == undisturbed
    told = capsys.readouterr().out
    assert "fit 1 is repeated: the checkpoint is of fit 2" in told
    assert told.count("epoch 1/3") == 1


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a fit has left that was stopped."""
    folder = tmp_path_factory.mktemp("left")
    with pytest.raises(Stopped):
        in_order(Run.local(folder, stop_requested=after(6)))
    return folder


@pytest.mark.parametrize(
    ("resume", "told"),
    [
        (lambda run: fit(run, X[:40], Y[:40], shuffle=False, batch_size=BATCH), "the same data and epochs"),
        (
            lambda run: fit(run, X, Y, shuffle=False, batch_size=BATCH, compiled={"weighted_metrics": ["mae"]}),
            "metrics",
        ),
    ],
)
def test_what_has_changed_since_the_checkpoint_is_refused(left: Path, resume: Fit, told: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=told):
        resume(Run.local(left))


@pytest.mark.parametrize(
    ("callbacks", "told"),
    [
        (lambda own: [keras.callbacks.TerminateOnNaN(), own], "must be the first"),
        (lambda own: [own, keras.callbacks.ModelCheckpoint("best.keras")], "leave it out"),
        (lambda own: [own, keras.callbacks.BackupAndRestore("backup")], "leave it out"),
    ],
)
def test_callbacks_that_a_resumed_fit_would_mislead_are_refused(callbacks: Any, told: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=told):
        model().fit(X, Y, verbose=0, callbacks=callbacks(Stoker(Run())))


def test_a_checkpoint_of_the_functions_own_is_no_fits_and_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.local(tmp_path)
    (run.scratch / "stage").touch()
    run.checkpoint(run.scratch / "stage")
    with pytest.raises(Stopped):
        in_order(Run.local(tmp_path, stop_requested=after(1, "cancel")))
    assert "fit 1 begins anew: the last checkpoint, stage, is not of callbacks.Stoker" in capsys.readouterr().out
