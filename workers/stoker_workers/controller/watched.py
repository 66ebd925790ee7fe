"""The controller's connection, which knows for how long workers could not renew leases: for so long none runs out."""

import math
import threading
import time
from collections import deque
from typing import Any, TypeVar

from stoker.errors import Unavailable
from stoker.redis.calls import Call
from stoker.redis.connection import HICCUP_S, Connection

T = TypeVar("T")

# So many gaps are remembered. Leases last for less time than so many outages.
_MOST_GAPS = 1000


class WatchedConnection(Connection):
    """A connection that notes when Redis was away, or took no writes.

    Such a gap begins with a call that fails, and ends when `takes_writes` is called: other calls may succeed meanwhile,
    for a server without memory still answers those that only read. A call that takes long is a gap of its own.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._gaps = Gaps()

    def run(self, call: Call[T], *, patience_s: float | None = None) -> T:
        """Run a call as `Connection` does."""
        started = time.monotonic()
        try:
            answer = super().run(call, patience_s=patience_s)
        except Unavailable:
            self._gaps.begin(started)
            raise
        if time.monotonic() - started > HICCUP_S:
            self._gaps.add(started, time.monotonic())
        return answer

    def takes_writes(self) -> None:
        """Note that Redis takes writes now."""
        self._gaps.end(time.monotonic())

    def away_s(self, last_s: float) -> float:
        """For how many of the last seconds no lease could be renewed."""
        now = time.monotonic()
        return self._gaps.within(now - last_s, now)


class Gaps:
    """Stretches of time, one after the other, which threads may begin and end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: deque[tuple[float, float]] = deque(maxlen=_MOST_GAPS)
        self._begun: float | None = None

    def begin(self, at: float) -> None:
        """Begin one, unless one has begun; not before the end of the last."""
        with self._lock:
            if self._begun is None:
                self._begun = max(at, self._last_end)

    def end(self, at: float) -> None:
        """End the one that has begun, if one has."""
        with self._lock:
            if self._begun is not None:
                self._ended.append((self._begun, at))
                self._begun = None

    def add(self, begin: float, end: float) -> None:
        """Add a whole one, or what of it lies behind the last, unless one has begun."""
        with self._lock:
            if self._begun is None and end > self._last_end:
                self._ended.append((max(begin, self._last_end), end))

    @property
    def _last_end(self) -> float:
        return self._ended[-1][1] if self._ended else -math.inf

    def within(self, since: float, until: float) -> float:
        """How much of this time lies in gaps."""
        with self._lock:
            gaps = [*self._ended, *([] if self._begun is None else [(self._begun, until)])]
        return sum(max(0.0, min(end, until) - max(begin, since)) for begin, end in gaps)
