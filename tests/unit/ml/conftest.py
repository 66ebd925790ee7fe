"""What tests of the engine ask for: a store, runs that remember their events, registered models."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import keras
import numpy as np
import pytest
import tensorflow as tf

from stoker.events import Checkpoint, Event
from stoker.kinds import Checkpoints, Optimizer, Train, TrainResult
from stoker.models.access import Access
from stoker.models.effects import Register
from stoker.models.manifest import Artifact, ModelManifest, ModelVersion
from stoker.models.signature import Signature
from stoker.models.store import Store
from stoker.models.tensors import Array
from stoker_workers.kinds import compare, describe, evaluate, explain, optimize
from stoker_workers.kinds.train import run as train
from stoker_workers.ml import garbage
from stoker_workers.ml.evaluation import efficiency
from stoker_workers.ml.prediction import opening
from stoker_workers.ml.prediction.runtime import choice
from stoker_workers.ml.run import Outcome, Run
from stoker_workers.ml.training import fitting, saving
from stoker_workers.ml.training.training import Fitted, Trainer
from stoker_workers.ml.tuning import results

StopRequested = Callable[[], Literal["cancel", "drain"] | None]

# What `assert_resumes` goes on from; for trainings of few steps, so few that none is traced: `VERY_OFTEN`.
OFTEN = Checkpoints(steps=5, seconds=None, keep=100)
VERY_OFTEN = Checkpoints(steps=2, seconds=None, keep=100)
# So small a rate that nothing is learned: what the new version is shows what it has kept.
STILL = Optimizer(name="sgd", learning_rate=1e-12)


class BriefTrainer(Trainer):
    """Takes few steps operation by operation: to trace their graph takes longer, and most of a small training.

    Attributes:
        few: how many steps are, those of validation counted in. Whether there are more depends on the job alone, so
            that one that is resumed computes as it did.
    """

    few = 8

    def fit(self) -> Fitted:
        """See `Trainer`."""
        steps = self._spec.epochs * (self._steps + (self._validation is not None))
        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(before or (steps <= self.few and self._replicas.size == 1))
        try:
            return super().fit()
        finally:
            tf.config.run_functions_eagerly(before)


@pytest.fixture(scope="session", autouse=True)
def _few_steps_are_not_traced() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "Trainer", BriefTrainer)
        yield


@pytest.fixture(scope="session", autouse=True)
def _graphs_stay_as_they_are_traced() -> None:
    """To rewrite a graph for speed takes longer than a test computes with it; in running workers each is rewritten."""
    _let_graphs_be_rewritten(allowed=False)


def _let_graphs_be_rewritten(*, allowed: bool) -> None:
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not allowed})


@pytest.fixture
def graphs_traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For tests of how a training computes: others' few steps are not traced, and no graph of theirs is rewritten."""
    monkeypatch.setattr(BriefTrainer, "few", 0)
    _let_graphs_be_rewritten(allowed=True)
    yield
    _let_graphs_be_rewritten(allowed=False)


@pytest.fixture
def files_checked() -> None:
    """For tests of what a training does with the file that it has saved: others do not load it before it is used."""


@pytest.fixture
def pages_drawn() -> None:
    """For tests that look at the page of a report, which takes as long to draw as a training: others' are empty."""


@pytest.fixture
def models_converted() -> None:
    """For tests of the engines that a model is converted to: in others TensorFlow computes it, as it would anywhere."""


@pytest.fixture(autouse=True)
def _only_what_the_test_is_about(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing takes long of which the test says nothing.

    What a model costs is measured by one call of each kind instead of for seconds. Of all that a process of tests has
    made little is garbage, and to look for it after each model would take longer and longer.
    """
    monkeypatch.setattr(efficiency, "_LIMIT_S", 0.0)
    monkeypatch.setattr(efficiency, "_TURN_S", 0.0)
    monkeypatch.setattr(garbage, "gc", SimpleNamespace(collect=lambda: 0))
    if "pages_drawn" not in request.fixturenames:
        for kind in (compare, describe, evaluate, optimize):
            monkeypatch.setattr(kind, "render", lambda report: "")
        monkeypatch.setattr(explain, "render", lambda report, pictured: "")
        monkeypatch.setattr(results, "render", lambda *found: "")
    if "files_checked" not in request.fixturenames:
        monkeypatch.setattr(saving, "check_saved", lambda *saved: saved)
        monkeypatch.setattr(saving, "why_alone", lambda *engine: "")
    if "models_converted" not in request.fixturenames:
        monkeypatch.setattr(opening, "converted", lambda *arguments: [])
        monkeypatch.setattr(choice, "_LIMIT_S", 0.0)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("store")))


@pytest.fixture
def events() -> list[Event]:
    """What the test's runs have told."""
    return []


@pytest.fixture
def open_run(store: Store, events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Opens a run: `open_run(model, …, stop_requested=…)`."""

    def open_one(*models: ModelVersion, stop_requested: StopRequested = lambda: None) -> Run:
        return Run(
            job="job",
            store=store,
            scratch=tmp_path_factory.mktemp("scratch"),
            builders=(),
            access=Access(["/"], store.url),
            models=models,
            checkpoints=(),
            emit=events.append,
            stop_requested=stop_requested,
        )

    return open_one


@pytest.fixture(scope="session")
def register(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ModelVersion]:
    """Saves a Keras model as version 1: `register(model, signature, name, suffix)`."""

    def register_one(
        model: keras.Model, signature: Signature, name: str = "model", suffix: str = "keras"
    ) -> ModelVersion:
        path = tmp_path_factory.mktemp("model") / f"{name}.{suffix}"
        model.save(path)
        manifest = ModelManifest(
            name=name,
            signature=signature,
            metrics={},
            files={suffix: store.put_file(path)},
            parameters=model.count_params(),
            job="job",
            data="sample://digits",
        )
        return ModelVersion(**dict(manifest), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))

    return register_one


@pytest.fixture
def damaged() -> Callable[[Store, Artifact], tuple[Artifact, ...]]:
    """Stores copies of a file, each damaged in another way, which its name tells."""

    def copies(store: Store, artifact: Artifact) -> tuple[Artifact, ...]:
        content = store.read(artifact)
        flipped, gone = (store.put_bytes(content + name.encode(), name) for name in ("flipped", "gone"))
        path, middle = Path(store.location(flipped)), len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :] + b"flipped")
        store.delete(gone)
        # These are what was stored.
        nonsense = {"empty": b"", "cut": content[:middle], "null": b"null"}
        return flipped, gone, *(store.put_bytes(data, name) for name, data in nonsense.items())

    return copies


def manifest_of(outcome: Outcome) -> ModelManifest:
    """What a training is to register."""
    [effect] = outcome.effects
    assert isinstance(effect, Register)
    return effect.manifest


def assert_goes_on(version: ModelVersion, data: str | None, run: Run, **fields: object) -> Outcome:
    """A training goes on from a version, with other data, and begins with what that has learned.

    Args:
        data: None where `fields` adds some to the version's.
        run: of the version.
    """
    fields = {"model": "next", "init_from": version.ref, "optimizer": STILL, "epochs": 1, "batch_size": 256, **fields}
    job = Train.model_validate(fields if data is None else {"data": data, **fields})
    outcome = train(job, run)
    after = manifest_of(outcome)
    assert after.parent == version.ref
    assert after.signature == version.signature
    before = keras.saving.load_model(run.store.fetch(version.files["keras"], run.scratch), compile=False).get_weights()
    for old, new in zip(before, weights_of(outcome, run), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-5)
    return outcome


def assert_resumes(job: Train, undisturbed: Outcome, events: Sequence[Event], run: Run) -> None:
    """A training ends bitwise the same if it is lost some steps before its end, and goes on from a checkpoint.

    Args:
        job: saves checkpoints `OFTEN`, or `VERY_OFTEN`.
        undisturbed: its outcome.
        events: what it has told.
    """
    *_, left, _ = [event.artifact for event in events if isinstance(event, Checkpoint)]
    resumed = train(job, replace(run, checkpoints=(left,)))
    assert history_of(resumed) == history_of(undisturbed)
    for ours, theirs in zip(*(weights_of(outcome, run) for outcome in (resumed, undisturbed)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def history_of(outcome: Outcome) -> dict[str, tuple[float, ...]]:
    """The metrics of each epoch of a training."""
    assert isinstance(outcome.result, TrainResult)
    return outcome.result.history


def weights_of(outcome: Outcome, run: Run) -> list[Array]:
    """The weights of the model that a training is to register."""
    path = run.store.fetch(manifest_of(outcome).files["keras"], run.scratch)
    weights: list[Array] = keras.saving.load_model(path, compile=False).get_weights()
    return weights
