"""Writing to a store that may be away: results wait until it is back, optional files are left out."""

import time
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from stoker.errors import Unavailable
from stoker.events import Progress
from stoker.models.manifest import Artifact
from stoker.outages import DependencyUnavailable, disk_outage

from .progress import obey_stop
from .run import Run

T = TypeVar("T")
_RETRY_S = 1.0
# Between two progress events of the wait.
_REPORT_S = 10.0


def write_result(run: Run, write: Callable[[], T]) -> T:
    """Write a result of the job, however long the store is away.

    Raises:
        Stopped: a stop was requested meanwhile.
    """
    away_at: float | None = None
    report_at = 0.0
    while True:
        try:
            written = write()
            break
        except DependencyUnavailable as error:
            if away_at is None:
                away_at = time.monotonic()
                line = f"what the job has made waits for the {error.outage.of}: {error.message}"
                run.say(line, level="warning")
            run.blocked(error.outage)
        if time.monotonic() >= report_at:
            waited_s = round(time.monotonic() - away_at)
            run.emit(Progress(stage="waiting for the store", done=waited_s, unit="s"))
            report_at = time.monotonic() + _REPORT_S
        obey_stop(run)
        time.sleep(_RETRY_S)
    if away_at is not None:
        run.blocked(None)
    return written


def write_report(run: Run, report: BaseModel, render: Callable[[], str]) -> dict[str, Artifact]:
    """Write a report as JSON, and the page of it if that can be written; gives the files by name."""
    document = report.model_dump_json(exclude={"files"}, indent=1).encode()
    files = {"report": write_result(run, lambda: run.store.put_bytes(document, "report.json"))}
    page = BestEffort(run, "the page of the report").write(
        lambda: run.store.put_bytes(render().encode(), "report.html")
    )
    return files | ({"html": page} if page else {})


class BestEffort:
    """Optional writes of one kind, such as checkpoints.

    Args:
        what: what is written, for the warning, which is sent once until a write succeeds again.
    """

    def __init__(self, run: Run, what: str) -> None:
        self._run = run
        self._what = what
        self._failing = False

    def write(self, write: Callable[[], T]) -> T | None:
        """The result of `write`; None, with a warning, if the store or the disk is away."""
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
            line = f"{self._what} could not be written, and the job goes on without: {reason}"
            self._run.say(line, level="warning")
        self._failing = True
