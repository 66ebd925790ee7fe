"""How numbers to predict are scaled for the network."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scale:
    """How numbers to predict are centred and scaled for the network.

    Attributes:
        mean, spread: of each output unit, float32.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

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
