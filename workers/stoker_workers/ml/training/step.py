"""The compiled training loop: many gradient steps per call, metrics included."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from .objective import Objective
from .optimizer import LearningRate
from .replicas import Replicas
from .rows import Window

Totals = tuple[float, float, float]
"""Sums over rows: loss, metric, and how many rows."""

NO_ROWS: Totals = (0.0, 0.0, 0.0)

Lines = NDArray[np.int32]
"""Row indices of shape (steps, batch size)."""

Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
"""From a replica's rows, their targets and the size of the whole batch to its share of the batch's totals."""

Loop = Callable[[Window, Lines, Totals], Totals]
"""Takes one step for each line, and adds its rows to the totals.

The totals pass through the compiled loop, so that the sums do not depend on how steps are divided into calls.
"""


def compile_training(
    network: keras.Model,
    objective: Objective,
    optimizer: keras.optimizers.Optimizer,
    schedule: LearningRate | None,
    replicas: Replicas,
) -> Loop:
    """One gradient step for each line of indices, divided among the replicas."""
    variables = network.trainable_variables
    values = [variable.value for variable in variables]

    def step(x: tf.Tensor, y: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            output = network(x, training=True)
            losses = objective.losses(y, output)
            weights = objective.weights(y)
            if weights is not None:
                losses = losses * weights
            loss = _share_of_mean(losses, count, network, replicas)
            scaled = optimizer.scale_loss(loss)
        if schedule is not None:
            optimizer.learning_rate.assign(schedule(optimizer.iterations))
        optimizer.apply(tape.gradient(scaled, values), variables)
        if objective.scale is not None:
            loss = _share_of_mean(objective.reported(y, output, losses), count, network, replicas)
        return _sums(loss, objective.scores(y, output), count)

    return _compile(step, network, objective, replicas)


def compile_validation(network: keras.Model, objective: Objective, replicas: Replicas) -> Loop:
    """One forward pass for each line of indices, divided among the replicas."""

    def step(x: tf.Tensor, y: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        output = network(x, training=False)
        losses = objective.reported(y, output, objective.losses(y, output))
        loss = _share_of_mean(losses, count, network, replicas)
        return _sums(loss, objective.scores(y, output), count)

    return _compile(step, network, objective, replicas)


def _compile(step: Step, network: keras.Model, objective: Objective, replicas: Replicas) -> Loop:
    sample = network.inputs[0].shape
    signature = [
        tf.TensorSpec(sample, network.inputs[0].dtype),
        tf.TensorSpec(*_target_spec(objective)),
        tf.TensorSpec((None, None), tf.int32),
        tf.TensorSpec((3,), tf.float64),
    ]

    def shared(x: tf.Tensor, y: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        mine = replicas.share(rows)
        return replicas.total(step(tf.gather(x, mine), tf.gather(y, mine), tf.size(rows)))

    def loop(x: tf.Tensor, y: tf.Tensor, indices: tf.Tensor, totals: tf.Tensor) -> tf.Tensor:
        def body(line: tf.Tensor, totals: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return line + 1, totals + replicas.run(shared, x, y, indices[line])

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


def _share_of_mean(losses: tf.Tensor, count: tf.Tensor, network: keras.Model, replicas: Replicas) -> tf.Tensor:
    """A replica's part of the mean loss of a batch of `count` rows, and of the penalties that layers add (L1, L2)."""
    loss = tf.reduce_sum(losses) / tf.cast(count, losses.dtype)
    return tf.add_n([loss, *(penalty / replicas.size for penalty in network.losses)]) if network.losses else loss


def _sums(loss: tf.Tensor, scores: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    rows = tf.cast(count, tf.float64)
    of_replica = tf.cast(tf.size(scores), tf.float64)
    return tf.stack([tf.cast(loss, tf.float64) * rows, tf.cast(tf.reduce_sum(scores), tf.float64), of_replica])
