"""Requests that are refused for want of a right, for the audit: one entry for each cause and minute, with a count.

So whoever knocks without end fills no audit: the causes are as many as there are keys, times the few statuses.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..errors import StokerError

_WINDOW_S = 60.0
_LOOK_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refusal:
    """Requests that were refused alike.

    Attributes:
        status: 401, 403 or 421.
        key: the id of the API key that was shown; "" for none that is valid.
        text: what the first of them was.
        count: how many there were.
    """

    status: int
    key: str
    text: str
    count: int = 1

    @property
    def words(self) -> str:
        """What the audit says of them."""
        return f"{self.status}: {self.text}" if self.count == 1 else f"{self.status}: {self.count:,} more like it"


Note = Callable[[Refusal], Awaitable[None]]


class Refusals:
    """Counts refused requests, and has them noted: the first of a cause at once, those of the next minute together.

    Args:
        note: notes an entry.
        clock: seconds that only grow.
    """

    def __init__(self, note: Note, clock: Callable[[], float] = time.monotonic) -> None:
        self._note = note
        self._clock = clock
        self._fresh: list[Refusal] = []
        # By status and key: until when further ones are only counted, and how many there were.
        self._counted: dict[tuple[int, str], tuple[float, int]] = {}

    def count(self, status: int, key: str, text: str) -> None:
        """Take a request into account; this waits for nothing."""
        cause = status, key
        until, count = self._counted.get(cause, (0.0, 0))
        if self._clock() < until:
            self._counted[cause] = until, count + 1
            return
        self._close(cause)
        self._fresh.append(Refusal(status, key, text))
        self._counted[cause] = self._clock() + _WINDOW_S, 0

    async def run(self) -> None:
        """Note what there is, each second, until this is cancelled; then all that is left."""
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                await self.note(self._clock())
        finally:
            await self.note(float("inf"))

    async def note(self, now: float) -> None:
        """Note what has come up to a moment; while Redis is away it waits."""
        for cause in [cause for cause, (until, _) in self._counted.items() if now >= until]:
            self._close(cause)
        while self._fresh:
            try:
                await self._note(self._fresh[0])
            except StokerError as error:
                _log.warning("what was refused is noted later: %s", error.message)
                return
            del self._fresh[0]

    def _close(self, cause: tuple[int, str]) -> None:
        """End the minute of a cause."""
        _, count = self._counted.pop(cause, (0.0, 0))
        if count:
            self._fresh.append(Refusal(*cause, "", count))
