"""Saving the files of a training: the model in its formats, its history, its TensorBoard log."""

import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import keras
import tensorflow as tf

from stoker.models.manifest import Artifact, Signature

from ..prediction.loading import check_saved
from ..run import Run
from ..writing import BestEffort, write_result


def save_model(model: keras.Model, signature: Signature, formats: Sequence[str], run: Run) -> dict[str, Artifact]:
    """Store the model in each format ("keras", "h5"), and check that each file can be loaded.

    Raises:
        InvalidJob: a file cannot be loaded, or predicts something else than the model.
    """
    files = {}
    for name in formats:
        path = run.scratch / f"model.{name}"
        model.save(path)
        if not check_saved(path, model, signature):
            why = "the model fails on rows that are made up from the ranges of its inputs"
            run.say(f"the saved {path.name} loads, but nothing was predicted by it to compare: {why}", level="warning")
        files[name] = write_result(run, partial(run.store.put_file, path))
    return files


def save_history(history: Mapping[str, Sequence[float]], run: Run) -> dict[str, Artifact]:
    """Store the metrics of each epoch as JSON, and as a zip of TensorBoard runs "train" and "validation"."""
    document = write_result(run, lambda: run.store.put_bytes(json.dumps(history, indent=1).encode(), "history.json"))
    board = BestEffort(run, "the TensorBoard log").write(lambda: _tensorboard(history, run))
    return {"history": document} | ({"tensorboard": board} if board else {})


def _tensorboard(history: Mapping[str, Sequence[float]], run: Run) -> Artifact:
    logs = run.scratch / "tensorboard.zip"
    training = {name: values for name, values in history.items() if not name.startswith("val_")}
    validation = {name.removeprefix("val_"): values for name, values in history.items() if name.startswith("val_")}
    with zipfile.ZipFile(logs, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, curves in (("train", training), ("validation", validation)):
            if curves:
                path = run.scratch / f"events.out.tfevents.{name}"
                _write_curves(path, curves)
                archive.write(path, f"{name}/{path.name}")
    return run.store.put_file(logs)


def _write_curves(path: Path, curves: Mapping[str, Sequence[float]]) -> None:
    """A TensorBoard log: TFRecords of Event messages. (`tf.summary` would need the tensorboard package.)"""
    now = time.time()
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(tf.compat.v1.Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for epoch, values in enumerate(zip(*curves.values(), strict=True), start=1):
            points = [
                tf.compat.v1.Summary.Value(tag=f"epoch_{name}", simple_value=value)
                for name, value in zip(curves, values, strict=True)
            ]
            event = tf.compat.v1.Event(wall_time=now, step=epoch, summary=tf.compat.v1.Summary(value=points))
            writer.write(event.SerializeToString())
