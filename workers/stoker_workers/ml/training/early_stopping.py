"""Early stopping."""

from collections.abc import Mapping

from stoker.kinds import EarlyStopping

from .checkpoint import Position
from .monitor import Monitor


class Patience:
    """Monitors one metric; its state is in the position, and so in every checkpoint.

    Args:
        directions: the names of the history, and whether larger values are better; None where only the author knows.

    Raises:
        InvalidJob: the training has no such metric, or its direction is not known.

    Attributes:
        restores_best: whether to restore the best epoch's weights at the end.
    """

    def __init__(self, spec: EarlyStopping, directions: Mapping[str, bool | None]) -> None:
        self._monitor = Monitor("early stopping", spec, directions)
        self._patience = spec.patience
        self.restores_best = spec.restore_best

    def improved(self, position: Position, metrics: dict[str, float]) -> bool:
        """Record the metrics of an epoch; gives whether it is the best so far."""
        value = self._monitor.value(metrics)
        if not self._monitor.improves(value, position.best):
            return False
        position.best, position.best_epoch = value, position.epoch
        return True

    def exhausted(self, position: Position) -> bool:
        """Whether the metric has not improved for too long."""
        return position.epoch - position.best_epoch >= self._patience
