"""A learning rate that is lowered when a metric no longer improves."""

from collections.abc import Mapping

import keras
import numpy as np

from stoker.kinds import Plateau

from .checkpoint import Position
from .monitor import Monitor


class PlateauRate:
    """Lowers an optimizer's learning rate; its state is in the position and in the optimizer, and so in checkpoints.

    Args:
        directions: the names of the history, and whether larger values are better; None where only the author knows.

    Raises:
        InvalidJob: the training has no such metric, or its direction is not known.
    """

    def __init__(
        self, spec: Plateau, directions: Mapping[str, bool | None], optimizer: keras.optimizers.Optimizer
    ) -> None:
        self._monitor = Monitor("plateau", spec, directions)
        self._spec = spec
        self._optimizer = optimizer

    def closed(self, position: Position, metrics: Mapping[str, float]) -> str | None:
        """Record the metrics of an epoch; gives what is to be said if the rate is lowered."""
        value = self._monitor.value(metrics)
        if self._monitor.improves(value, position.plateau):
            position.plateau, position.plateau_epoch = value, position.epoch
            return None
        if position.epoch - position.plateau_epoch < self._spec.patience:
            return None
        position.plateau_epoch = position.epoch
        before = float(self._optimizer.learning_rate)
        rate = max(before * self._spec.factor, self._spec.least)
        if np.float32(rate) >= before:
            return None
        self._optimizer.learning_rate = rate
        return (
            f"{self._spec.monitor} has not improved for {self._spec.patience} epochs: from epoch {position.epoch + 1} "
            f"on the learning rate is {rate:g}"
        )
