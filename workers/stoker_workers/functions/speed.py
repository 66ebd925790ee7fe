"""Progress of a function: how fast it is, and when it is to be told."""

import time

from stoker.events import Epoch, Progress

_INTERVAL_S = 1.0
"""Seconds between two events of one stage: as fast as a person can read."""


class Stage:
    """The progress of one stage, from its first report on."""

    def __init__(self, name: str, unit: str) -> None:
        self._name = name
        self._unit = unit
        self._first: tuple[float, int] | None = None
        self._last_at = 0.0

    def at(self, done: int, total: int | None) -> Progress | None:
        """The event for what is done; None if the last one is fresh, and this is neither the first nor the end."""
        now = time.monotonic()
        if self._first is not None and done != total and now - self._last_at < _INTERVAL_S:
            return None
        self._last_at = now
        if self._first is None:
            self._first = (now, done)
        began, before = self._first
        per_s = (done - before) / (now - began) if now > began else 0.0
        eta_s = (total - done) / per_s if total is not None and per_s > 0 else None
        return Progress(stage=self._name, done=done, total=total, unit=self._unit, eta_s=eta_s)


class Epochs:
    """The epochs of a function, from when it began."""

    def __init__(self) -> None:
        self._began = self._last_at = time.monotonic()
        self._before: int | None = None

    def ended(self, epoch: int, metrics: dict[str, float], epochs: int | None, rows: int | None) -> Epoch:
        """The event for an epoch that has ended.

        Args:
            epochs: how many there will be; None if that is unknown.
            rows: how many were trained on in it.
        """
        now = time.monotonic()
        if self._before is None:
            self._before = epoch - 1
        each_s = (now - self._began) / max(epoch - self._before, 1)
        took_s, self._last_at = now - self._last_at, now
        return Epoch(
            epoch=epoch,
            epochs=epochs,
            metrics=metrics,
            rows_per_s=None if rows is None else rows / max(took_s, 1e-9),
            eta_s=None if epochs is None else each_s * max(epochs - epoch, 0),
        )
