"""What an attempt has around it, whatever its kind: its memory, its members, a look for Flower. Extras nest."""

from collections.abc import Sequence

from stoker.events import Event, Progress

from ..ml.run import Run
from .messages import End


class GaveUp(Exception):
    """What the attempt waits for does not come. The job is handed back, so that its slot can do something else.

    Attributes:
        memory_bytes: what its next attempt is to have, elsewhere; None for what this one was to have.
    """

    def __init__(self, reason: str, memory_bytes: int | None = None) -> None:
        super().__init__(reason)
        self.memory_bytes = memory_bytes


class Extra:
    """Something around an attempt. Each does of this what it has to do; the last one is nearest to the runner."""

    def missing(self) -> Progress | None:
        """What must be there before the attempt begins, and how much of it is; None once all is.

        Raises:
            GaveUp: it does not come.
        """
        return None

    def prepared(self, run: Run) -> Run:
        """The run, with what the extra has for it."""
        return run

    def looked_at(self, end: End | None, runner: int) -> End | None:  # noqa: ARG002
        """How the attempt ends, each time that it is looked at.

        Args:
            end: how it ends otherwise; None if it goes on.
            runner: the process id of the runner.
        """
        return end

    def emitted(self, event: Event) -> None:
        """The runner has sent an event."""

    def drew(self, batch: bytes) -> None:
        """The runner has drawn samples of what it predicts."""

    def reported(self, events: Sequence[Event]) -> None:
        """The ledger has these events now."""

    def close(self) -> None:
        """The attempt is over."""
