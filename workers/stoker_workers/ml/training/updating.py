"""What a gradient step does besides computing the gradients: adding up, clipping, applying, averaging."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from stoker.kinds import Optimizer

from .averaging import Average
from .optimizer import LearningRate
from .replicas import Replicas

Gradients = Sequence[tf.Tensor | tf.IndexedSlices | None]
"""Those of each variable; None for one on which the loss does not depend."""

Learn = Callable[[tf.Tensor, tf.Tensor], tuple[Gradients, tf.Tensor]]
"""From indices of rows, and the number of pieces of which they are one, to gradients and totals."""


@dataclass(frozen=True)
class Update:
    """Applies the gradients of a step, within a replica.

    Attributes:
        variables: what is trained.
        schedule: of the learning rate; None for one that is not scheduled.
        clip: the spec that says how gradients are clipped.
        average: of the weights; None if none is kept.
    """

    optimizer: keras.optimizers.Optimizer
    variables: Sequence[keras.Variable]
    schedule: LearningRate | None
    clip: Optimizer
    replicas: Replicas
    average: Average | None = None

    def __call__(self, gradients: Gradients) -> None:
        """Take the step."""
        if self.schedule is not None:
            self.optimizer.learning_rate.assign(self.schedule(self.optimizer.iterations))
        self.optimizer.apply(self._clipped(gradients), self.variables)
        if self.average:
            self.average.update(self.optimizer.iterations)

    def _clipped(self, gradients: Gradients) -> Gradients:
        """The gradients of the whole batch, clipped, as this replica's part of them."""
        norm, most = self.clip.clip_norm, self.clip.clip_value
        if norm is None and most is None:
            return gradients
        # The optimizer adds up what all replicas give it; what is clipped must be the sum.
        sums = [None if each is None else self.replicas.total(tf.convert_to_tensor(each)) for each in gradients]
        scale = self.optimizer.scale_loss(tf.constant(1.0))
        if most is not None:
            sums = [None if each is None else tf.clip_by_value(each, -most * scale, most * scale) for each in sums]
        if norm is not None:
            sums, _ = tf.clip_by_global_norm(sums, norm * scale)
        return [None if each is None else each / self.replicas.size for each in sums]


def add_up(
    learn: Learn, rows: tf.Tensor, pieces: tf.Tensor, values: Sequence[tf.Variable], width: int
) -> tuple[Gradients, tf.Tensor]:
    """The gradients and the totals of all rows, some at a time.

    Args:
        pieces: how many times.
        values: of what the gradients are.
        width: of the totals.
    """
    count = tf.shape(rows)[0]
    depends = [True] * len(values)

    def body(piece: tf.Tensor, totals: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
        gradients, more = learn(rows[piece * count // pieces : (piece + 1) * count // pieces], pieces)
        depends[:] = [gradient is not None for gradient in gradients]
        added = (
            total if gradient is None else total + tf.convert_to_tensor(gradient)
            for total, gradient in zip(sums, gradients, strict=True)
        )
        return piece + 1, totals + more, *added

    nothing = [tf.zeros(value.shape, value.dtype) for value in values]
    _, totals, *sums = tf.while_loop(
        lambda piece, *_: piece < pieces,
        body,
        (0, tf.zeros((width,), tf.float64), *nothing),
        parallel_iterations=1,
    )
    return [total if needed else None for total, needed in zip(sums, depends, strict=True)], totals
