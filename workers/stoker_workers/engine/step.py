"""The compiled heart of training: many gradient steps per call, with the metrics summed up inside."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from .objective import Objective
from .optimizer import LearningRate
from .rows import Window

Totals = tuple[float, float, float]
"""Sums over rows: loss, metric, and how many rows."""

NO_ROWS: Totals = (0.0, 0.0, 0.0)

Lines = NDArray[np.int32]
"""Row indices of shape (steps, batch size)."""

Loop = Callable[[Window, Lines, Totals], Totals]
"""Works through the lines, one step each, and gives the totals with their rows added.

The totals pass through the compiled loop, so that sums come out the same however the steps are cut into calls.
"""


def compile_training(
    network: keras.Model,
    objective: Objective,
    optimizer: keras.optimizers.Optimizer,
    schedule: LearningRate | None,
) -> Loop:
    """One gradient step per line of indices."""
    variables = network.trainable_variables
    values = [variable.value for variable in variables]

    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            output = network(x, training=True)
            losses = objective.losses(y, output)
            weights = objective.weights(y)
            if weights is not None:
                losses = losses * weights
            loss = _with_penalties(tf.reduce_mean(losses), network)
            scaled = optimizer.scale_loss(loss)
        if schedule is not None:
            optimizer.learning_rate.assign(schedule(optimizer.iterations))
        optimizer.apply(tape.gradient(scaled, values), variables)
        return _sums(loss, objective.scores(y, output))

    return _compile(step, network, objective)


def compile_validation(network: keras.Model, objective: Objective) -> Loop:
    """One forward pass per line of indices."""

    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        output = network(x, training=False)
        loss = _with_penalties(tf.reduce_mean(objective.losses(y, output)), network)
        return _sums(loss, objective.scores(y, output))

    return _compile(step, network, objective)


def _compile(step: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], network: keras.Model, objective: Objective) -> Loop:
    sample = network.inputs[0].shape
    signature = [
        tf.TensorSpec(sample, tf.float32),
        tf.TensorSpec(*_target_spec(objective)),
        tf.TensorSpec((None, None), tf.int32),
        tf.TensorSpec((3,), tf.float64),
    ]

    def loop(x: tf.Tensor, y: tf.Tensor, indices: tf.Tensor, totals: tf.Tensor) -> tf.Tensor:
        def body(line: tf.Tensor, totals: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            rows = indices[line]
            return line + 1, totals + step(tf.gather(x, rows), tf.gather(y, rows))

        steps = tf.shape(indices)[0]
        _, totals = tf.while_loop(lambda line, _: line < steps, body, [0, totals], parallel_iterations=1)
        return totals

    # One graph serves every call, since all sizes are open. XLA is left out: on a CPU it takes longer to compile a
    # small network than the training takes.
    compiled = tf.function(loop, input_signature=signature, autograph=False)

    def call(window: Window, lines: Lines, totals: Totals) -> Totals:
        loss, score, rows = compiled(window.x, window.y, lines, tf.constant(totals, tf.float64)).numpy().tolist()
        return loss, score, rows

    return call


def _target_spec(objective: Objective) -> tuple[tuple[int | None, ...], tf.DType]:
    if objective.name.endswith("categorical_crossentropy"):
        return (None,), tf.int32
    return (None, objective.units), tf.float32


def _with_penalties(loss: tf.Tensor, network: keras.Model) -> tf.Tensor:
    """The loss with the penalties that layers add, such as L1 and L2."""
    return tf.add_n([loss, *network.losses]) if network.losses else loss


def _sums(loss: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    rows = tf.cast(tf.size(scores), tf.float64)
    return tf.stack([tf.cast(loss, tf.float64) * rows, tf.cast(tf.reduce_sum(scores), tf.float64), rows])
