"""Training what is new of a pretrained network first, and all of it afterwards."""

from dataclasses import dataclass
from typing import Any

import keras
from numpy.typing import NDArray

from stoker.kinds import Pretrained, Train

from ..networks.pretrained import base_of
from .optimizer import LearningRate, base_rate


@dataclass(frozen=True)
class Freezing:
    """The first epochs, in which the pretrained weights stay as they are.

    Attributes:
        epochs: how many.
        head: what is trained in them.
        rate: the learning rate afterwards, by what it was.
    """

    epochs: int
    head: list[keras.Variable]
    rate: float

    def afterwards(self, schedule: LearningRate | None, steps: int) -> LearningRate | None:
        """The schedule after the first epochs, of `steps` steps each: it goes on, at the lower rate."""
        if schedule is None:
            return None
        return lambda step: schedule(step + self.epochs * steps) * self.rate


def freezing(spec: Train, network: keras.Model) -> Freezing | None:
    """The freezing of a spec; None where all is trained from the start."""
    architecture = spec.architecture
    if not isinstance(architecture, Pretrained) or not architecture.frozen_epochs:
        return None
    kept = {id(variable) for variable in base_of(network).trainable_variables}
    head = [variable for variable in network.trainable_variables if id(variable) not in kept]
    return Freezing(architecture.frozen_epochs, head, architecture.fine_rate)


class Restart:
    """Takes an optimizer back to where it began: what it remembers is of the frozen network.

    Args:
        optimizer: as it is before the first step.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer, spec: Train) -> None:
        self._optimizer = optimizer
        self._rate = base_rate(spec.optimizer)
        self._begun: list[NDArray[Any]] = [variable.numpy() for variable in optimizer.variables]

    def __call__(self, rate: float) -> float:
        """Go back, to a share of the learning rate; gives it."""
        for variable, value in zip(self._optimizer.variables, self._begun, strict=True):
            variable.assign(value)
        self._optimizer.learning_rate = self._rate * rate
        return self._rate * rate
