"""Saving the files of a training: the model in its formats, its history, its TensorBoard log."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras

from stoker.models.manifest import Artifact
from stoker.models.signature import Signature

from ..prediction.loading import check_saved
from ..prediction.opening import FAILS
from ..prediction.runtime import why_alone
from ..run import Run
from ..writing import BestEffort, write_result
from .curves import write_curves


@dataclass(frozen=True)
class SavedModel:
    """A model in the store.

    Attributes:
        files: by format.
        tensorflow_why: see `ModelManifest`.
    """

    files: dict[str, Artifact]
    tensorflow_why: str


def save_model(model: keras.Model, signature: Signature, formats: Sequence[str], run: Run) -> SavedModel:
    """Store the model in each format ("keras", "h5"), and check that each file can be loaded.

    Raises:
        InvalidJob: a file cannot be loaded, or predicts something else than the model.
    """
    files, why = {}, ""
    for name in formats:
        path = run.scratch / f"model.{name}"
        why = saved_at(path, model, signature, run)
        files[name] = write_result(run, partial(run.store.put_file, path))
    return SavedModel(files, why)


def saved_at(path: Path, model: keras.Model, signature: Signature, run: Run) -> str:
    """Save a model as a file, and check that it can be loaded; gives why TensorFlow alone computes it, if so.

    Raises:
        InvalidJob: it cannot be loaded, or predicts something else than the model.
    """
    model.save(path)
    if engine := check_saved(path, model, signature, run.custom_objects):
        return why_alone(engine, model.count_params())
    run.say(f"the saved {path.name} loads, but nothing was predicted by it to compare: {FAILS}", level="warning")
    return FAILS


def save_history(history: Mapping[str, Sequence[float]], run: Run) -> dict[str, Artifact]:
    """Store the metrics of each epoch as JSON, and as a zip of TensorBoard runs "train" and "validation"."""
    document = write_result(run, lambda: run.store.put_bytes(json.dumps(history, indent=1).encode(), "history.json"))
    board = BestEffort(run, "the TensorBoard log").write(lambda: _tensorboard(history, run))
    return {"history": document} | ({"tensorboard": board} if board else {})


def _tensorboard(history: Mapping[str, Sequence[float]], run: Run) -> Artifact:
    folder, logs = run.scratch / "tensorboard", run.scratch / "tensorboard.zip"
    write_curves(folder, [dict(zip(history, values, strict=True)) for values in zip(*history.values(), strict=True)])
    with zipfile.ZipFile(logs, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.glob("*/*")):
            archive.write(path, path.relative_to(folder))
    return run.store.put_file(logs)
