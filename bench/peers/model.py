"""The measured models as every reference serves them: the weights that Stoker trained, in one `tf.function`.

TensorFlow loads with the first model, in each system's own Python and in the processes that need it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def names() -> list[str]:
    """The models that are to be served."""
    return sorted(path.stem for path in _folder().glob("*.keras"))


def load_keras(name: str) -> Any:
    """The model as it was saved."""
    import tensorflow as tf

    return tf.keras.models.load_model(_folder() / f"{name}.keras", compile=False)


def load(name: str) -> Callable[[Array], Array]:
    """Rows in, predictions out: traced once, for any number of rows, and already run."""
    import tensorflow as tf

    model = load_keras(name)
    [given] = model.inputs
    signature = tf.TensorSpec((None, *given.shape[1:]), tf.float32)
    traced = tf.function(lambda rows: model(rows, training=False), input_signature=[signature])

    def predict(rows: Array) -> Array:
        answer: Array = traced(tf.constant(rows)).numpy()
        return answer

    predict(np.zeros((1, *given.shape[1:]), np.float32))
    return predict


def _folder() -> Path:
    return Path(os.environ["BENCH_MODELS"])
