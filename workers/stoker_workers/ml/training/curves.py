"""The curves of a training as a TensorBoard log."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

_VALIDATION = "val_"


def write_curves(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write the TensorBoard runs "train" and "validation", each a folder.

    Args:
        history: the metrics of each epoch, those of the validation with "val_" before their names.
    """
    for name, is_its in (("train", False), ("validation", True)):
        curves = [
            {metric.removeprefix(_VALIDATION): value for metric, value in epoch.items() if _validates(metric) == is_its}
            for epoch in history
        ]
        if any(curves):
            path = folder / name / f"events.out.tfevents.{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, curves)


def _validates(metric: str) -> bool:
    return metric.startswith(_VALIDATION)


def _write(path: Path, curves: Sequence[Mapping[str, float]]) -> None:
    """TFRecords of Event messages. (`tf.summary` would need the tensorboard package.)"""
    now = time.time()
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(tf.compat.v1.Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for epoch, metrics in enumerate(curves, start=1):
            points = [
                tf.compat.v1.Summary.Value(tag=f"epoch_{name}", simple_value=value) for name, value in metrics.items()
            ]
            event = tf.compat.v1.Event(wall_time=now, step=epoch, summary=tf.compat.v1.Summary(value=points))
            writer.write(event.SerializeToString())
