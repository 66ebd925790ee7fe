"""The lead among controllers, kept by a thread of its own, so that no duty that takes long costs it."""

import logging
import os
import platform
import threading
import uuid
from collections.abc import Sequence

from redis.exceptions import RedisError

from stoker.errors import StokerError
from stoker.ledger import duty_runs, upkeep
from stoker.redis.connection import Connection

_log = logging.getLogger(__name__)

# A leader that dies is replaced when its lease runs out; it renews it three times as often.
LEAD_S = 5.0


class Lead(threading.Thread):
    """Takes the lead when nobody has it, and keeps it until `resign`.

    While Redis does not answer, the controller that led goes on as if it still did: there is nothing that it could do
    to the ledger, and two leaders for a moment do no harm.

    Args:
        duties: names of what this controller does while it leads; what is known of others is forgotten.
    """

    def __init__(self, connection: Connection, duties: Sequence[str]) -> None:
        super().__init__(name="lead", daemon=True)
        self._connection = connection
        self._duties = duties
        self._controller = f"{platform.node()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._resigning = threading.Event()
        self.leads = False

    def run(self) -> None:
        """Ask for the lead again and again."""
        while not self._resigning.is_set():
            try:
                self._ask()
            except (StokerError, RedisError) as error:
                _log.warning("nobody knows who leads: %s", error)
            self._resigning.wait(LEAD_S / 3)

    def resign(self) -> None:
        """Give the lead up, for another controller to take it at once."""
        self._resigning.set()
        self.join()
        try:
            self._connection.run(upkeep.resign(self._controller))
        except (StokerError, RedisError) as error:
            _log.warning("another controller leads when the lease of this one has run out: %s", error)

    def _ask(self) -> None:
        leads = self._connection.run(upkeep.lead(self._controller, LEAD_S), patience_s=0)
        if leads == self.leads:
            return
        if leads:
            self._connection.run(duty_runs.keep_duties(self._duties))
        _log.info("controller %s %s", self._controller, "leads" if leads else "stands by")
        self.leads = leads
