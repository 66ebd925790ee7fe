"""A worker's heartbeat, the number of slots that the ledger wants of it, and the jobs of slots that have died."""

import logging
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from stoker.errors import StokerError
from stoker.ledger import presence, upkeep
from stoker.redis.calls import Call
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..attempt.slot import MOST_SLOTS, owners_of
from .pool import LostTask

T = TypeVar("T")
_log = logging.getLogger(__name__)
# How often a worker whose slots are all busy reads the wanted number of slots between two heartbeats. A new slot shall
# serve within a second, forking included; a worker that has room for a job may wait for its heartbeat.
LISTEN_S = 0.25


class Heartbeat:
    """Announces a worker in the ledger. While Redis is away, it only logs.

    Args:
        describe: gives the worker's announcement.
        resize: takes the wanted number of slots whenever that changes; a resize by hand lasts until then.
    """

    def __init__(
        self, describe: Callable[[], presence.Worker], resize: Callable[[int], None], settings: Settings, redis_url: str
    ) -> None:
        self._describe = describe
        self._resize = resize
        self._connection = Connection.open(settings, redis_url)
        self._name = describe().name
        self._wanted: int | None = None
        self._is_connected = False
        # Whose jobs are to be taken from them. Those of which Redis hears too late are known by their leases.
        self._lost: deque[LostTask] = deque(maxlen=MOST_SLOTS)

    def beat(self) -> None:
        """Announce the worker."""
        self._follow(presence.announce(self._describe()))
        self._reclaim()

    def listen(self) -> None:
        """Read the wanted number of slots; not while Redis is away, because the worker would wait for it."""
        if self._is_connected:
            self._follow(presence.wanted_slots(self._name))

    def lost(self, task: LostTask) -> None:
        """Take the job of a slot that has died from it, so that nobody waits for the end of its lease."""
        self._lost.append(task)
        self._reclaim()

    def end(self) -> None:
        """Remove the worker from the ledger."""
        try:
            self._connection.run(presence.leave(self._name))
        except StokerError as error:
            _log.warning("could not say goodbye: %s", error)
        self._connection.close()

    def _follow(self, call: Call[int | None]) -> None:
        wanted = self._run(call)
        if self._is_connected:
            if wanted is not None and wanted != self._wanted:
                self._resize(wanted)
            self._wanted = wanted

    def _reclaim(self) -> None:
        while self._lost and self._is_connected:
            job_id, pid, how = self._lost[0]
            state = self._run(
                upkeep.reclaim_from_slot(job_id, owners_of(self._name, pid), f"its slot of {self._name} ended: {how}")
            )
            if self._is_connected:
                self._lost.popleft()
            if state:
                _log.warning("job %s: its slot, process %d, ended by itself: %s; now %s", job_id, pid, how, state)

    def _run(self, call: Call[T]) -> T | None:
        try:
            answer = self._connection.run(call)
        except StokerError as error:
            self._is_connected = False
            _log.warning("no sign of life this time: %s", error)
            return None
        self._is_connected = True
        return answer
