"""Writing to a store that may be away: a result waits until it is back, what can be done without is left out."""

import time
from collections.abc import Callable
from typing import TypeVar

from stoker.errors import Unavailable
from stoker.events import Log, Progress
from stoker.outages import DependencyUnavailable, disk_outage

from .progress import obey_stop
from .run import Run

T = TypeVar("T")
_RETRY_S = 1.0
# Between two events that say how long it has waited.
_TELL_S = 10.0


def write_result(run: Run, write: Callable[[], T]) -> T:
    """Write what the job was done for, however long the store is away.

    Raises:
        Stopped: a stop was asked for meanwhile.
    """
    met_at: float | None = None
    tell_at = 0.0
    while True:
        try:
            written = write()
            break
        except DependencyUnavailable as error:
            if met_at is None:
                met_at = time.monotonic()
                _warn(run, f"what the job has made waits for the {error.outage.of}: {error.message}")
            run.blocked(error.outage)
        if time.monotonic() >= tell_at:
            waited_s = round(time.monotonic() - met_at)
            run.emit(Progress(stage="waiting for the store", done=waited_s, unit="s"))
            tell_at = time.monotonic() + _TELL_S
        obey_stop(run)
        time.sleep(_RETRY_S)
    if met_at is not None:
        run.blocked(None)
    return written


class BestEffort:
    """Writes of one kind that the job can do without, such as its checkpoints.

    Args:
        what: what is written, for the warning, which is given once until a write succeeds again.
    """

    def __init__(self, run: Run, what: str) -> None:
        self._run = run
        self._what = what
        self._failing = False

    def write(self, write: Callable[[], T]) -> T | None:
        """What `write` gives; None if the store or the disk is away, which is said."""
        try:
            written = write()
        except Unavailable as error:
            self._failed(error.message)
            return None
        except Exception as error:
            if outage := disk_outage(error):
                self._failed(outage.reason)
                return None
            raise
        self._failing = False
        return written

    def _failed(self, reason: str) -> None:
        if not self._failing:
            _warn(self._run, f"{self._what} could not be written, and the job goes on without: {reason}")
        self._failing = True


def _warn(run: Run, line: str) -> None:
    run.emit(Log(line=line, level="warning"))
