"""Duties: what a controller does again and again. Each is guarded, timed and counted, so that none stops another."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from redis.exceptions import RedisError

from stoker.errors import StokerError
from stoker.ledger import duty_runs
from stoker.ledger.duty_runs import DutyRun
from stoker.redis.connection import Connection

T = TypeVar("T")
_log = logging.getLogger(__name__)


def _nothing() -> None:
    """What most duties do where another controller leads."""


@dataclass(frozen=True)
class Duty:
    """Something that the leading controller does regularly.

    It may raise whatever it likes. Two controllers may run it at the same moment, and it may end at any point.

    Attributes:
        name: what it is called in logs, metrics and by `stoker doctor`: a verb and what it is about.
        interval_s: seconds between the end of one run and the start of the next.
        stand_by: what a controller does instead that does not lead.
    """

    name: str
    interval_s: float
    run: Callable[[], object]
    stand_by: Callable[[], object] = _nothing


class DutyThread(threading.Thread):
    """Runs those duties one after the other that depend on the same thing, such as the store.

    What they depend on may be slow or away; that holds up no duty of another thread.

    Args:
        leads: tells whether this controller leads.
        connection: where the runs are noted.
    """

    def __init__(self, name: str, duties: Sequence[Duty], leads: Callable[[], bool], connection: Connection) -> None:
        super().__init__(name=name, daemon=True)
        self._duties = duties
        self._leads = leads
        self._connection = connection
        self._ending = threading.Event()
        self._failures: dict[Duty, str] = {}
        self._unnoted: list[DutyRun] = []
        # Before a pause of so long, the runs since the last one are noted, together.
        self._pause_s = min(duty.interval_s for duty in duties) / 10

    def run(self) -> None:
        """Run every duty when its time has come, until `end`."""
        due = dict.fromkeys(self._duties, time.monotonic())
        while not self._ending.wait(max(0.0, min(due.values()) - time.monotonic())):
            duty = min(due, key=due.__getitem__)
            self._run(duty)
            due[duty] = time.monotonic() + duty.interval_s
            if min(due.values()) > time.monotonic() + self._pause_s:
                self._note()
        self._note()

    def end(self) -> None:
        """Start no duty any more."""
        self._ending.set()

    def _run(self, duty: Duty) -> None:
        leads, started, failure = self._leads(), time.monotonic(), None
        try:
            (duty.run if leads else duty.stand_by)()
        except Exception as error:  # noqa: BLE001  # the edge of a duty: whatever fails here stops no other duty
            failure = _described(error)
            self._log_failure(duty, failure, error)
        else:
            if self._failures.pop(duty, None):
                _log.info("duty %r works again", duty.name)
        if leads:
            self._unnoted.append(DutyRun(duty.name, time.monotonic() - started, failure))

    def _log_failure(self, duty: Duty, failure: str, error: Exception) -> None:
        """Log a failure once, and again when it is another; one that nobody has foreseen with its traceback."""
        if self._failures.get(duty) == failure:
            return
        self._failures[duty] = failure
        _log.warning(
            "duty %r failed and is tried again in %g s: %s",
            duty.name,
            duty.interval_s,
            failure,
            exc_info=None if _is_foreseen(error) else error,
        )

    def _note(self) -> None:
        runs, self._unnoted = self._unnoted, []
        if not runs:
            return
        try:
            self._connection.run(duty_runs.duties_ran(runs), patience_s=0)
        except (StokerError, RedisError) as error:
            _log.debug("runs of %s are not counted: %s", ", ".join(run.name for run in runs), error)


def for_each(items: Iterable[T], act: Callable[[T], object]) -> None:
    """Do something for every item, also for those behind one for which it fails.

    Raises:
        ExceptionGroup: what failed, when all items have had their turn.
    """
    errors = []
    for item in items:
        try:
            act(item)
        except Exception as error:  # noqa: BLE001  # raised below: one item shall not keep the others from their turn
            errors.append(error)
    if errors:
        raise ExceptionGroup("some items failed", errors)


def _is_foreseen(error: Exception) -> bool:
    errors = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
    return all(isinstance(each, StokerError) for each in errors)


def _described(error: Exception) -> str:
    """One line for a person."""
    if isinstance(error, ExceptionGroup):
        others = len(error.exceptions) - 1
        return _described(error.exceptions[0]) + (f" (and {others} more)" if others else "")
    if isinstance(error, StokerError):
        return "; ".join(error.message.splitlines())
    return f"{type(error).__name__}: {error}".splitlines()[0]
