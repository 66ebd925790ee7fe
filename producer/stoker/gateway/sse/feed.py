"""What changes in all jobs, for whoever watches many of them by one stream.

A gateway looks once a second, and only while somebody watches: at all open jobs, at those that were submitted since,
and at those that are open no more. What it has found stays for a while, so that a caller who lost the connection goes
on behind the last that it had. Where it cannot, it is told to read its lists anew: "resync".
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from ...client.aio import AsyncClient
from ...errors import JobNotFound, StokerError
from ...events import OPEN, JobState
from ...status import JobStatus
from ..auth.keys import ApiKey
from ..auth.scopes import sees
from .stream import Frame

_LOOK_S = 1.0
# Who comes back within that time finds what has changed meanwhile.
_LINGER_S = 60.0
_KEPT = 10_000
# The newest of each open state are watched; older ones wait, and are noticed when they run.
_MOST_OPEN = 1_000
_PAGE = 500
# Jobs that have come and gone between two looks; clocks of two machines may differ by as much.
_OVERLAP = timedelta(seconds=5)
_log = logging.getLogger(__name__)


class Feed:
    """The newest changes of jobs, numbered by this gateway.

    Args:
        look_s: seconds from look to look.
    """

    def __init__(self, client: AsyncClient, look_s: float = _LOOK_S) -> None:
        self._client = client
        self._look_s = look_s
        # Numbers of other gateways, and of one that was started anew, are not this one's.
        self._name = secrets.token_hex(4)
        self._changes: deque[tuple[int, JobStatus, str]] = deque(maxlen=_KEPT)
        self._newest = 0
        self._known: dict[str, JobStatus] | None = None
        self._looked_at = datetime.now(UTC)
        self._watchers = 0
        self._news = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        # Is set while it is known how jobs were at the last look.
        self._begun = asyncio.Event()

    async def follow(self, key: ApiKey, after: str | None) -> AsyncIterator[Frame]:
        """What changes in the jobs that a key sees, behind the frame of an id, without an end.

        The first frame says "resync", unless all that has changed since that one is still here.
        """
        self._watchers += 1
        try:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look_on())
            # Who reads lists before the first look would miss what changes in between.
            await self._begun.wait()
            place = self._place(after)
            if place is None:
                place = self._newest
                yield Frame(self._id(place), "resync", "{}")
            while True:
                news = self._news
                if self._changes and place < self._changes[0][0] - 1:
                    place = self._newest
                    yield Frame(self._id(place), "resync", "{}")
                for number, status, document in self._behind(place):
                    place = number
                    if sees(key, status):
                        yield Frame(self._id(number), "job", document)
                await news.wait()
        finally:
            self._watchers -= 1

    async def close(self) -> None:
        """Look no more."""
        if self._looking:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    def _behind(self, place: int) -> list[tuple[int, JobStatus, str]]:
        """The changes behind a place, the oldest first."""
        count = min(self._newest - place, len(self._changes))
        newest = [self._changes[-1 - back] for back in range(count)]
        return newest[::-1]

    def _id(self, number: int) -> str:
        return f"{self._name}-{number}"

    def _place(self, after: str | None) -> int | None:
        """The number behind which a caller goes on; None where what followed it is not known."""
        name, _, number = (after or "").partition("-")
        if name != self._name or not (number.isascii() and number.isdigit()):
            return None
        place = int(number[:18])
        oldest = self._changes[0][0] if self._changes else self._newest + 1
        return place if oldest - 1 <= place <= self._newest else None

    async def _look_on(self) -> None:
        """Look, until nobody has watched for a while."""
        watched_at = time.monotonic()
        try:
            while self._watchers or time.monotonic() - watched_at < _LINGER_S:
                if self._watchers:
                    watched_at = time.monotonic()
                try:
                    self._note(await self._statuses())
                except StokerError as error:
                    _log.warning("jobs cannot be watched now: %s", error.message)
                await asyncio.sleep(self._look_s)
        finally:
            # What changes from now on is not known.
            self._known = None
            self._begun.clear()

    def _note(self, statuses: dict[str, JobStatus]) -> None:
        """Number what has changed since the last look; the first only says how it was."""
        known, self._known = self._known, statuses
        if known is None:
            # What has changed before is behind nobody's place.
            self._changes.clear()
            self._newest += 1
            self._begun.set()
            return
        changed = [status for status in statuses.values() if known.get(status.id) != status]
        for status in sorted(changed, key=lambda status: status.submitted_at):
            self._newest += 1
            # Written once, for however many watch.
            self._changes.append((self._newest, status, status.model_dump_json()))
        if changed:
            self._news.set()
            self._news = asyncio.Event()

    async def _statuses(self) -> dict[str, JobStatus]:
        """The jobs that are open, have just been submitted, or were open at the last look; by id."""
        since, self._looked_at = self._looked_at - _OVERLAP, datetime.now(UTC)
        statuses = {status.id: status for status in await self._listed(None, since)}
        for state in OPEN:
            statuses |= {status.id: status for status in await self._listed(state, None)}
        known = self._known or {}
        gone = [status.id for status in known.values() if not status.state.final and status.id not in statuses]
        asked = {status.id: status for status in await self._asked(gone)}
        # What is as it was is older than the newest of its state: asked for at each look, these would be ever more.
        return statuses | {job_id: status for job_id, status in asked.items() if status != known[job_id]}

    async def _listed(self, state: JobState | None, since: datetime | None) -> list[JobStatus]:
        listed: list[JobStatus] = []
        before: str | None = None
        while len(listed) < _MOST_OPEN:
            page = await self._client.jobs(state, limit=_PAGE, since=since, before=before)
            listed += page
            if len(page) < _PAGE:
                break
            before = page[-1].id
        return listed

    async def _asked(self, ids: Iterable[str]) -> list[JobStatus]:
        """The statuses of jobs, one by one; of those that are forgotten there is none."""
        asked = []
        for job_id in ids:
            with suppress(JobNotFound):
                asked.append(await (await self._client.job(job_id)).status())
        return asked
