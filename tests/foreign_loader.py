"""Computes rows by an export, as a program that knows the library of its format and nothing of Stoker.

    python foreign_loader.py savedmodel DIR rows.npz outputs.npz

The arrays of both files have the names of the export's inputs and outputs; texts are bytes.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def elsewhere(library: str, folder: Path, rows: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of rows as this program computes them by an export in a folder."""
    taken, given = folder.with_suffix(".rows.npz"), folder.with_suffix(".outputs.npz")
    np.savez(taken, **rows)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, __file__, library, str(folder), str(taken), str(given)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with np.load(given) as arrays:
        return dict(arrays)


def savedmodel(path: str, rows: dict[str, Any]) -> dict[str, Any]:
    import tensorflow as tf

    serve = tf.saved_model.load(path).signatures["serving_default"]
    return {name: array.numpy() for name, array in serve(**{name: tf.constant(rows[name]) for name in rows}).items()}


def litert(path: str, rows: dict[str, Any]) -> dict[str, Any]:
    from ai_edge_litert.interpreter import Interpreter

    outputs: dict[str, Any] = Interpreter(model_path=f"{path}/model.tflite").get_signature_runner()(**rows)
    return outputs


def onnx(path: str, rows: dict[str, Any]) -> dict[str, Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(f"{path}/model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    texts = {name: np.array([[text.decode() for text in row] for row in a.tolist()], object)
             for name, a in rows.items() if a.dtype.kind == "S"}  # fmt: skip
    return dict(zip(names, session.run(None, {**rows, **texts}), strict=True))


def keras(path: str, rows: dict[str, Any]) -> dict[str, Any]:
    from keras.saving import load_model

    [only] = rows.values()
    files = [each for each in Path(path).rglob("model.*") if each.suffix in (".keras", ".h5")]
    return {file.suffix: np.asarray(load_model(file, compile=False)(only)) for file in files}


if __name__ == "__main__":
    library, folder, taken, given = sys.argv[1:]
    with np.load(taken) as arrays:
        np.savez(given, **{"litert": litert, "onnx": onnx, "savedmodel": savedmodel, "keras": keras}[library](
            folder, dict(arrays)))  # fmt: skip
    assert not {"stoker", "stoker_workers"} & sys.modules.keys()
    assert library in ("savedmodel", "keras") or "tensorflow" not in sys.modules
