"""Early stopping."""

from collections.abc import Mapping

from stoker.errors import InvalidJob
from stoker.kinds import EarlyStopping

from .checkpoint import Position


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
        if spec.monitor not in directions:
            raise InvalidJob(
                f"early stopping watches {spec.monitor}, but this training has {', '.join(directions)}; choose one of "
                "them, or name it in metrics"
            )
        rises = directions[spec.monitor] if spec.mode is None else spec.mode == "max"
        if rises is None:
            raise InvalidJob(
                f"early stopping watches {spec.monitor}, and only you know whether less of it is better: set mode to "
                "'min' or 'max'"
            )
        self._spec = spec
        self._rises = rises
        self.restores_best = spec.restore_best

    def improved(self, position: Position, metrics: dict[str, float]) -> bool:
        """Record the metrics of an epoch; gives whether it is the best so far."""
        value = metrics[self._spec.monitor]
        if position.best is not None:
            gain = value - position.best if self._rises else position.best - value
            if gain <= self._spec.min_delta:
                return False
        position.best, position.best_epoch = value, position.epoch
        return True

    def exhausted(self, position: Position) -> bool:
        """Whether the metric has not improved for too long."""
        return position.epoch - position.best_epoch >= self._spec.patience
