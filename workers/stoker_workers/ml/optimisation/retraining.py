"""Training a changed model on, by the loop of a `Train` job: so that it resumes, drains and stops as one does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from stoker.errors import InvalidJob
from stoker.kinds import Data, EarlyStopping, Optimizer, Train
from stoker.models.data import listed
from stoker.models.learned_from import UsedData
from stoker.models.manifest import ModelVersion

from ..added_data import NAME_ROWS
from ..custom import model_modules
from ..networks.layers import all_layers
from ..reading import TrainingData
from ..run import Run
from ..training.continuing import continued_model
from ..training.fitting import Fit, fit
from ..training.model import Trainable
from ..training.saving import saved_at
from .forms import Given, Made

_PATIENCE = 5
# Of rows that the job names; and of a forecast's, whose own share is not noted.
_SHARE = 0.1


@dataclass(frozen=True)
class Retraining:
    """How a version is trained on.

    Attributes:
        epochs: at most, unless the job says otherwise; fewer where the rows that are held out show no improvement.
        change: makes another model of the version's, whose weights are trained.
        build: makes what is trained of the data instead; None trains the changed model.
        finish: makes of what is trained what is trained in its place; None leaves it as it is.
    """

    epochs: int
    change: Callable[[keras.Model], keras.Model] = lambda model: model
    build: Callable[[Run, TrainingData, int], Trainable] | None = None
    finish: Callable[[Trainable, TrainingData], Trainable] | None = None


def retrained(given: Given, how: Retraining) -> Fit:
    """Train a version on, on what it has learned from or on the rows that the job names.

    Raises:
        InvalidJob: there are no such rows, or they do not fit the version, or training diverged.
        Stopped: a stop was asked for.
    """
    given.require_keras()
    version = given.version

    def changed(model: keras.Model) -> keras.Model:
        if lost := [layer.name for layer in all_layers(model) if not _is_finite(layer)]:
            raise InvalidJob(f"{version.ref} has weights that are NaN or infinite, in {listed(lost)}: train it anew")
        return how.change(model)

    def build(spec: Train, run: Run, data: TrainingData, seed: int) -> Trainable:
        _refuse_other_classes(data, version)
        if how.build is None:
            trainable = continued_model(spec, run, data.profile, seed, changed)
        else:
            trainable = how.build(run, replace(data, forecast=version.signature.forecast), seed)
        return trainable if how.finish is None else how.finish(trainable, data)

    run = replace(given.run, models=(version,))
    return fit(training_spec(given, how.epochs), run, build, again=given.spec.training is None)


def training_spec(given: Given, epochs: int) -> Train:
    """The `Train` job that trains a version on.

    Raises:
        InvalidJob: what the version has learned from is not known.
    """
    spec, version = given.spec, given.version
    return Train(
        model=spec.name or version.name,
        init_from=version.ref,
        epochs=spec.epochs or epochs,
        optimizer=Optimizer(learning_rate=spec.learning_rate),
        seed=spec.seed,
        **_rows(given),
    )


def made(given: Given, trained: Fit, words: str, figures: dict[str, float]) -> Made:
    """The form that was trained: a model without the state of its optimizer.

    Raises:
        InvalidJob: the saved file cannot be loaded, or predicts something else.
    """
    model = trained.model
    path = given.folder / "model.keras"
    why = saved_at(path, model.assembled, model.signature, given.run)
    return Made(
        files={"keras": path},
        signature=model.signature,
        parameters=model.parameters,
        words=words,
        learned_from=trained.data.learned_from,
        split=trained.data.why,
        modules=model_modules(model.assembled),
        tensorflow_why=why,
        figures={**figures, "epochs": float(trained.fitted.epochs)},
    )


def _is_finite(layer: keras.layers.Layer) -> bool:
    """Whether all that a layer has learned are numbers."""
    return all(np.isfinite(np.asarray(weight)).all() for weight in layer.trainable_weights)


def _rows(given: Given) -> dict[str, Any]:
    """What is trained on and validated on, as fields of `Train`. Where nothing is held out, nothing stops early."""
    version, learned = given.version, given.version.learned_from
    stopping = EarlyStopping(patience=_PATIENCE)
    if given.spec.training is not None:
        return {"data": given.spec.training, "validation_split": _SHARE, "early_stopping": stopping}
    if learned is None:
        why = "it was made elsewhere" if version.source else "an older Stoker has registered it"
        raise InvalidJob(f"what {version.ref} has learned from is not known, for {why}: {NAME_ROWS}")
    data = {"data": _named(learned.data[0])}
    if learned.validation is not None:
        return {**data, "validation_data": _named(learned.validation), "early_stopping": stopping}
    share = _SHARE if version.signature.forecast else learned.held_out.share if learned.held_out else 0.0
    return {**data, "validation_split": share, "early_stopping": stopping if share else None}


def _named(used: UsedData) -> Data:
    return Data.model_validate({"ref": used.ref, **used.options})


def _refuse_other_classes(data: TrainingData, version: ModelVersion) -> None:
    if version.signature.parts:
        return  # where others are refused anyway
    known = version.signature.classes
    if unknown := [label for label in data.profile.targets[0].classes if label not in known]:
        raise InvalidJob(
            f"the rows to train on have classes that {version.ref} does not know, {listed(unknown)}: leave them out, "
            "or train a version on with them first, by Train with init_from"
        )
