"""Models of other packages, through lanes: what `stoker` answers is what the package's own way does."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

import stoker

from ..conftest import PATIENCE_S

Array = NDArray[Any]
RNG = np.random.default_rng(0)


def close(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def by_interpreter(path: Path, rows: Array) -> dict[str, Array]:
    """What LiteRT's own interpreter answers, row by row."""
    interpreter = Interpreter(str(path))
    answers: dict[str, list[Array]] = {}
    for row in rows:
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], row[np.newaxis])
        interpreter.invoke()
        for detail in interpreter.get_output_details():
            answers.setdefault(detail["name"], []).append(interpreter.get_tensor(detail["index"])[0])
    return {name: np.stack(each) for name, each in answers.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "alpha"), [("MobileNet", 0.25), ("MobileNetV2", 0.35)])
def test_a_network_of_keras_applications_answers_as_in_keras(
    name: str, alpha: float, client: stoker.Client, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)((96, 96, 3), alpha=alpha, weights=None, classes=10)
    model.save(tmp_path / "mobile.keras")
    version = client.register("mobile", tmp_path / "mobile.keras", classes=[f"kind {at}" for at in range(10)])
    assert version.parameters == model.count_params()
    rows = RNG.random((3, 96, 96, 3), dtype=np.float32)
    close(client.infer("mobile", rows, timeout=PATIENCE_S), model(rows).numpy())
    assert client.predict("mobile", rows, timeout=PATIENCE_S)[0].label in version.signature.classes


@pytest.fixture(scope="module")
def pitch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the models in basic-pitch, of which nothing is installed."""
    folder = tmp_path_factory.mktemp("pitch")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "-d", str(folder), "basic-pitch==0.4.0"]
    subprocess.run(command, check=True, timeout=300, env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder / "basic_pitch" / "saved_models" / "icassp_2022"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nmp", "nmp.tflite", "nmp.onnx"])
def test_the_models_of_basic_pitch_answer_as_in_their_own_frameworks(
    name: str, pitch: Path, client: stoker.Client
) -> None:
    sound = (0.1 * RNG.standard_normal((3, 43844, 1))).astype(np.float32)
    version = client.register("pitch", pitch / name)
    answers = client.infer(version.ref, sound, timeout=240)
    if name == "nmp.tflite":
        own = by_interpreter(pitch / name, sound)
    elif name == "nmp.onnx":
        session = onnxruntime.InferenceSession(pitch / name)
        outputs = [each.name for each in session.get_outputs()]
        own = dict(zip(outputs, session.run(outputs, {session.get_inputs()[0].name: sound}), strict=True))
    else:
        own = _by_tensorflow(pitch / name, sound)
    assert set(answers) == set(own)
    for output, values in own.items():
        close(answers[output], values)


def _by_tensorflow(folder: Path, rows: Array) -> dict[str, Array]:
    """TensorFlow's answer by the graph alone, as of version 1: the optimizer in the file is none of Keras 3."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], str(folder)).signature_def["serving_default"]
        [given] = signature.inputs.values()
        names = {name: each.name for name, each in signature.outputs.items()}
        answers: dict[str, Array] = session.run(names, {given.name: rows})
        return answers
