"""An average of the weights over the last steps, which is often better than the last weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import tensorflow as tf

from .replicas import Replicas


class Average:
    """The exponential moving average of weights; it is what is validated and saved.

    The first steps weigh more, so that the random weights of the start are soon forgotten: after n steps it keeps the
    share (1 + n) / (10 + n), or `decay` if that is less, as TensorFlow's own does.

    Args:
        decay: the share that it keeps at a step.
        weights: what is averaged.

    Attributes:
        variables: the averages, in the order of the weights; part of every checkpoint.
    """

    def __init__(self, decay: float, weights: Sequence[keras.Variable], replicas: Replicas) -> None:
        self._decay = decay
        self._weights = list(weights)
        self._replicas = replicas
        self._is_in_place = False
        with replicas.scope():
            self.variables = [
                keras.Variable(
                    replicas.value(weight), trainable=False, dtype=weight.dtype, aggregation="only_first_replica"
                )
                for weight in weights
            ]

    def update(self, steps: tf.Tensor) -> None:
        """Within a step: take in the weights after so many steps."""
        done = tf.cast(steps, tf.float32)
        kept = tf.minimum(self._decay, (1 + done) / (10 + done))
        for average, weight in zip(self.variables, self._weights, strict=True):
            share = tf.cast(1 - kept, average.dtype)
            average.assign_add((weight.value - average.value) * share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block, the network has the averages, and `variables` have its weights."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Within the block, the network has its weights again if it has the averages."""
        exchanged = self._is_in_place
        if exchanged:
            self.exchange()
        try:
            yield
        finally:
            if exchanged:
                self.exchange()

    def exchange(self) -> None:
        """Give the network the averages, and keep its weights; done twice, nothing has changed."""
        self._is_in_place = not self._is_in_place
        for average, weight in zip(self.variables, self._weights, strict=True):
            values = self._replicas.value(weight).copy()
            weight.assign(self._replicas.value(average))
            average.assign(values)
