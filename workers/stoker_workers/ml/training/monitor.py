"""A metric of the history that something depends on."""

from collections.abc import Mapping

from stoker.errors import InvalidJob
from stoker.kinds import EarlyStopping, Plateau


class Monitor:
    """Tells whether a metric has improved.

    Args:
        what: what depends on it, for messages.
        directions: the names of the history, and whether larger values are better; None where only the author knows.

    Raises:
        InvalidJob: the training has no such metric, or its direction is not known.
    """

    def __init__(self, what: str, spec: EarlyStopping | Plateau, directions: Mapping[str, bool | None]) -> None:
        if spec.monitor not in directions:
            raise InvalidJob(
                f"{what} watches {spec.monitor}, but this training has {', '.join(directions)}; choose one of them, or "
                "name it in metrics"
            )
        rises = directions[spec.monitor] if spec.mode is None else spec.mode == "max"
        if rises is None:
            raise InvalidJob(
                f"{what} watches {spec.monitor}, and only you know whether less of it is better: set mode to 'min' or "
                "'max'"
            )
        self._spec = spec
        self._rises = rises

    def value(self, metrics: Mapping[str, float]) -> float:
        """The metric, of those of an epoch."""
        return metrics[self._spec.monitor]

    def improves(self, value: float, best: float | None) -> bool:
        """Whether it is better than the best, by more than the least that counts."""
        if best is None:
            return True
        return (value - best if self._rises else best - value) > self._spec.min_delta
