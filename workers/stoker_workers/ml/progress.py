"""Progress events at a limited rate, and stopping on request."""

import time

from stoker.events import Progress

from .run import Run, Stopped

_INTERVAL_S = 1.0
"""Seconds between two progress events: as fast as a person can read."""


def obey_stop(run: Run) -> None:
    """Raise `Stopped` if a stop was requested."""
    if reason := run.stop_requested():
        raise Stopped(reason)


class Meter:
    """Emits `Progress` events of one stage, at most one a second.

    Args:
        rows_per_unit: rows in one unit, for the rows per second.
        total: units in the whole stage; None if unknown.
        done: units that an earlier attempt has done.
    """

    def __init__(
        self, run: Run, stage: str, *, unit: str = "rows", rows_per_unit: int = 1, total: int | None, done: int = 0
    ) -> None:
        self._run = run
        self._stage = stage
        self._unit = unit
        self._rows_per_unit = rows_per_unit
        self._total = total
        self._first = done
        self._started = self._emitted = time.monotonic()

    def at(self, done: int) -> None:
        """Report that `done` units are done."""
        now = time.monotonic()
        if now - self._emitted < _INTERVAL_S:
            return
        self._emitted = now
        units_per_s = (done - self._first) / (now - self._started)
        known = self._total is not None and units_per_s > 0
        self._run.emit(
            Progress(
                stage=self._stage,
                done=done,
                total=self._total,
                unit=self._unit,
                rows_per_s=units_per_s * self._rows_per_unit,
                eta_s=(self._total - done) / units_per_s if known and self._total is not None else None,
            )
        )
