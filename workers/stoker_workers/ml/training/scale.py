"""How numbers to predict are scaled for the network."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from ..preprocessing.figures import standard_deviation
from ..preprocessing.target import Target


@dataclass(frozen=True)
class Scale:
    """How numbers to predict are centred and scaled for the network.

    Attributes:
        mean, spread: of each output unit, float32.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, target: Target, mean: ArrayLike, spread: ArrayLike) -> Self:
        """From the figures of each number of a target, or one for all of them."""
        shape = target.shape or (1,)
        return cls(*(np.broadcast_to(each, shape).reshape(-1).astype(np.float32) for each in (mean, spread)))

    def scaled(self, target: NDArray[np.float32]) -> NDArray[np.float32]:
        """Targets as the network learns them."""
        scaled: NDArray[np.float32] = (target - self.mean) / self.spread
        return scaled

    def unscaled(self, tensor: tf.Tensor) -> tf.Tensor:
        """What the network learns or gives, as numbers to predict."""
        spread, mean = (tf.constant(each, tensor.dtype) for each in (self.spread, self.mean))
        return tensor * spread + mean

    @property
    def layer_arguments(self) -> tuple[list[float] | float, list[float] | float]:
        """By what a layer multiplies outputs, and what it then adds: a number each where all units have the same."""
        if len(self.mean) > 1 and not np.ptp(self.mean) and not np.ptp(self.spread):
            return float(self.spread[0]), float(self.mean[0])
        return self.spread.tolist(), self.mean.tolist()


def number_scale(target: Target) -> Scale | None:
    """That of the training rows' numbers; None for classes."""
    if target.moments is None:
        return None
    return Scale.of(target, target.moments.mean, standard_deviation(target.moments.mean, target.moments.variance))
