"""The look for something to do: one cheap question to Redis each round, so that duties without any may rest."""

import logging
import threading
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError

from stoker.errors import StokerError
from stoker.ledger import upkeep

from .duties import Duty, DutyThread
from .watched import WatchedConnection

_log = logging.getLogger(__name__)


class Look(threading.Thread):
    """Wakes the duties that have something to do, each round; all of them when the lead has changed.

    Where the look fails, nobody knows what there is, and each duty has its turn. A controller that stands by looks,
    too: so it knows, once it leads, for how long leases could not be renewed.
    """

    def __init__(
        self,
        duties: Sequence[Duty],
        threads: Sequence[DutyThread],
        leads: Callable[[], bool],
        connection: WatchedConnection,
        round_s: float,
    ) -> None:
        super().__init__(name="look", daemon=True)
        due = {name for duty in duties for name in duty.due}
        kept = {name for duty in duties for name in duty.kept}
        self._look = upkeep.look(sorted(due), sorted(kept))
        self._threads = threads
        self._leads = leads
        self._connection = connection
        self._round_s = round_s
        self._has_led = False
        self._ending = threading.Event()

    def run(self) -> None:
        """Look again and again, until `end`."""
        while not self._ending.wait(self._round_s):
            found = self._found()
            leads = self._leads()
            if leads != self._has_led or found is None:
                self.wake_all()
            elif leads and found:
                for thread in self._threads:
                    thread.wake(found)
            self._has_led = leads

    def wake_all(self) -> None:
        """Give every duty its turn."""
        for thread in self._threads:
            thread.wake()

    def end(self) -> None:
        """Look no more."""
        self._ending.set()

    def _found(self) -> frozenset[str] | None:
        try:
            found = self._connection.run(self._look)
        except (StokerError, RedisError) as error:
            _log.debug("what there is to do is not known: %s", error)
            return None
        self._connection.takes_writes()
        return found
