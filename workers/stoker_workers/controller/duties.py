"""Duties: what a controller does again and again. Each is guarded, timed and counted, so that none stops another."""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from redis.exceptions import RedisError

from stoker.errors import StokerError
from stoker.ledger import duty_runs
from stoker.ledger.duty_runs import DutyRun
from stoker.redis.connection import Connection

T = TypeVar("T")
_log = logging.getLogger(__name__)

# How often runs are noted as long as none fails.
_NOTE_S = 5.0


def _nothing() -> None:
    """What most duties do where another controller leads."""


@dataclass(frozen=True)
class Duty:
    """Something that the leading controller does regularly.

    It may raise whatever it likes. Two controllers may run it at the same moment, and it may end at any point.

    Attributes:
        name: what it is called in logs, metrics and by `stoker doctor`: a verb and what it is about.
        interval_s: seconds between the end of one run and the start of the next, while there is something to do: while
            its runs fail or return what counts as true, or are woken.
        run: does it; returns whether there may be more to do.
        stand_by: what a controller does instead that does not lead.
        rest_s: seconds between two runs while there is nothing to do; as `interval_s` by default.
        due, kept: keys of Redis that say whether there is something to do: see `upkeep.look`.
    """

    name: str
    interval_s: float
    run: Callable[[], object]
    stand_by: Callable[[], object] = _nothing
    rest_s: float | None = None
    due: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


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
        # Guards what other threads change, which is the end and when each duty is next.
        self._changed = threading.Condition()
        self._is_ending = False
        self._next = dict.fromkeys(duties, -math.inf)
        self._failures: dict[Duty, str] = {}
        self._unnoted: list[DutyRun] = []
        self._has_news, self._noted_at = False, -math.inf
        # Before a pause of so long, the runs since the last one are noted, together.
        self._pause_s = min(duty.interval_s for duty in duties) / 10

    def run(self) -> None:
        """Run every duty when its time has come, until `end`."""
        while duty := self._await_next():
            more = self._run(duty)
            rest_s = duty.interval_s if more or duty.rest_s is None else duty.rest_s
            with self._changed:
                # It may have been woken meanwhile.
                self._next[duty] = min(self._next[duty], time.monotonic() + rest_s)
                pause_s = min(self._next.values()) - time.monotonic()
            if pause_s > self._pause_s and (self._has_news or time.monotonic() > self._noted_at + _NOTE_S):
                self._note()
        self._note()

    def wake(self, found: Collection[str] | None = None) -> None:
        """Run those duties now that a look has found something for; all of them if that is not known."""
        now = time.monotonic()
        with self._changed:
            for duty in self._duties:
                if found is None or any(name in found for name in duty.due + duty.kept):
                    # Behind those that wait already: what is woken again and again keeps none from its turn.
                    self._next[duty] = min(self._next[duty], now)
            self._changed.notify()

    def end(self) -> None:
        """Start no duty any more."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()

    def _await_next(self) -> Duty | None:
        """Wait for the time of the next duty; None at the end."""
        with self._changed:
            while not self._is_ending:
                duty = min(self._next, key=self._next.__getitem__)
                pause_s = self._next[duty] - time.monotonic()
                if pause_s <= 0:
                    self._next[duty] = math.inf
                    return duty
                self._changed.wait(pause_s)
        return None

    def _run(self, duty: Duty) -> bool:
        """Run a duty; gives whether there may be more to do."""
        leads, started, failure, more = self._leads(), time.monotonic(), None, True
        try:
            more = bool((duty.run if leads else duty.stand_by)())
        except Exception as error:  # noqa: BLE001  # the edge of a duty: whatever fails here stops no other duty
            failure = _described(error)
            self._log_failure(duty, failure, error)
        else:
            if self._failures.pop(duty, None):
                self._has_news = True
                _log.info("duty %r works again", duty.name)
        if leads:
            self._has_news |= failure is not None
            self._unnoted.append(DutyRun(duty.name, time.monotonic() - started, failure))
        return more

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
        self._has_news, self._noted_at = False, time.monotonic()
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
