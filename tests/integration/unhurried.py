"""Networks of the tests, imported by their workers: training them takes long, but little of the machine's processor."""

import time

import keras
import tensorflow as tf

_STEP_S = 0.02


def slow(input_shape: tuple[int, ...], output_units: int, *, hidden: int = 0) -> keras.Model:
    """A small network, each of whose steps takes some time; once it is saved and loaded, no more.

    Args:
        hidden: units of a layer in its middle, and dropout behind them.
    """
    pause = keras.layers.Identity()
    pause.call = _after_a_while
    middle = [keras.layers.Dense(hidden, activation="relu"), keras.layers.Dropout(0.2)] if hidden else []
    output = keras.layers.Dense(output_units, activation="softmax")
    return keras.Sequential([keras.Input(input_shape), pause, *middle, output])


def _after_a_while(inputs: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.numpy_function(_wait, [], [])]):
        return tf.identity(inputs)


def _wait() -> None:
    time.sleep(_STEP_S)
