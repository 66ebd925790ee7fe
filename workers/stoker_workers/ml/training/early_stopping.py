"""Early stopping."""

from stoker.errors import InvalidJob
from stoker.kinds import EarlyStopping

from .checkpoint import Position


class Patience:
    """Monitors one metric; its state is in the position, and so in every checkpoint.

    Attributes:
        restores_best: whether to restore the best epoch's weights at the end.
    """

    def __init__(self, spec: EarlyStopping) -> None:
        self._spec = spec
        self.restores_best = spec.restore_best

    def improved(self, position: Position, metrics: dict[str, float]) -> bool:
        """Record the metrics of an epoch; gives whether it is the best so far.

        Raises:
            InvalidJob: the training has no such metric.
        """
        monitor = self._spec.monitor
        if monitor not in metrics:
            raise InvalidJob(
                f"early stopping watches {monitor}, but this training has {', '.join(metrics)}; choose one of them"
            )
        value = metrics[monitor]
        if position.best is not None:
            gain = value - position.best if self._spec.rises else position.best - value
            if gain <= self._spec.min_delta:
                return False
        position.best, position.best_epoch = value, position.epoch
        return True

    def exhausted(self, position: Position) -> bool:
        """Whether the metric has not improved for too long."""
        return position.epoch - position.best_epoch >= self._spec.patience
