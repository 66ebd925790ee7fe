"""The measured models as every reference serves them: the weights that Stoker trained, in one `tf.function`.

Only TensorFlow here, so that it loads in each system's own Python.
"""

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Array = NDArray[np.float32]
NAMES = ("mlp", "cnn")


def load_keras(name: str) -> tf.keras.Model:
    """The model as it was saved."""
    return tf.keras.models.load_model(Path(os.environ["BENCH_MODELS"]) / f"{name}.keras", compile=False)


def load(name: str) -> Callable[[Array], Array]:
    """Rows in, predictions out: traced once, for any number of rows, and already run."""
    model = load_keras(name)
    [given] = model.inputs
    signature = tf.TensorSpec((None, *given.shape[1:]), tf.float32)
    traced = tf.function(lambda rows: model(rows, training=False), input_signature=[signature])

    def predict(rows: Array) -> Array:
        answer: Array = traced(tf.constant(rows)).numpy()
        return answer

    predict(np.zeros((1, *given.shape[1:]), np.float32))
    return predict
