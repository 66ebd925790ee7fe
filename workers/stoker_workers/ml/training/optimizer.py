"""The optimizer of a spec, and its learning rate schedule."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from stoker.kinds import Optimizer

_CLASSES = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
}
_USUAL_RATE = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.001}

LearningRate = Callable[[tf.Tensor], tf.Tensor]
"""The learning rate after a number of optimizer steps."""


def build_optimizer(spec: Optimizer, network: keras.Model) -> keras.optimizers.Optimizer:
    """The optimizer, built for the network; it scales the loss if a layer computes in float16."""
    options: dict[str, Any] = {"learning_rate": base_rate(spec)}
    if spec.weight_decay is not None:
        options["weight_decay"] = spec.weight_decay
    if spec.name in ("sgd", "rmsprop"):
        options["momentum"] = spec.momentum
    optimizer = _CLASSES[spec.name](**options)
    if isinstance(optimizer, keras.optimizers.Adam):
        _fuse(optimizer)
    if any(layer.compute_dtype == "float16" for layer in network.layers):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer


def _fuse(optimizer: keras.optimizers.Adam) -> None:
    """Have TensorFlow's own kernel take the optimizer's steps: one pass over the numbers, where Keras makes ten.

    The formula is the same, and so is what is saved: Keras' class, its settings and its variables.
    """

    def update_step(gradient: Any, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        place = optimizer._get_variable_index(variable)  # noqa: SLF001
        step = tf.cast(optimizer.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=optimizer._momentums[place].value.handle,  # noqa: SLF001
            v=optimizer._velocities[place].value.handle,  # noqa: SLF001
            beta1_power=optimizer.beta_1**step,
            beta2_power=optimizer.beta_2**step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            # An embedding's names the rows that it is of, some more than once; Keras squares the parts of such a row
            # one by one.
            grad=tf.convert_to_tensor(gradient),
        )

    optimizer.update_step = update_step


def base_rate(spec: Optimizer) -> float:
    """The learning rate that a schedule starts from or warms up to."""
    return _USUAL_RATE[spec.name] if spec.learning_rate is None else spec.learning_rate


def build_schedule(spec: Optimizer, steps: int) -> LearningRate | None:
    """The learning rate's schedule over `steps` optimizer steps; None for a constant rate.

    The training assigns it to the optimizer's plain learning rate at every step, so that the saved model can be loaded
    without any class of Stoker.
    """
    if spec.schedule is None:
        return None
    rate, final = base_rate(spec), spec.schedule.final
    warmup = round(steps * spec.schedule.warmup)
    falling = max(steps - warmup, 1)
    match spec.schedule.decay:
        case "cosine":
            decay = keras.optimizers.schedules.CosineDecay(rate, falling, alpha=final)
        case "linear":
            decay = keras.optimizers.schedules.PolynomialDecay(rate, falling, end_learning_rate=rate * final)
        case "exponential":
            decay = keras.optimizers.schedules.ExponentialDecay(rate, falling, decay_rate=final)

    def learning_rate(step: tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        if not warmup:
            return decay(step)
        return tf.where(step < warmup, rate * (step + 1) / warmup, decay(tf.maximum(step - warmup, 0.0)))

    return learning_rate
