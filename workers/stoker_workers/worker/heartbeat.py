"""A worker's sign of life, and its ear for how many slots it shall have."""

import logging
from collections.abc import Callable

from stoker import ledger
from stoker.errors import StokerError
from stoker.redis.connection import Call, Connection
from stoker.settings import Settings

_log = logging.getLogger(__name__)
# How often a worker asks, between two signs of life, whether it shall have more or fewer slots: what this takes of the
# second in which a new slot shall serve is not left for forking it.
LISTEN_S = 0.25


class Presence:
    """Says that a worker is there. Redis being away makes it a line in the log, nothing more.

    Args:
        describe: gives what the worker says of itself now.
        resize: takes the number of slots wanted, whenever that has changed; what was done by hand lasts until then.
    """

    def __init__(
        self, describe: Callable[[], ledger.Worker], resize: Callable[[int], None], settings: Settings, redis_url: str
    ) -> None:
        self._describe = describe
        self._resize = resize
        self._connection = Connection.open(settings, redis_url)
        self._name = describe().name
        self._wanted: int | None = None
        self._heard = False

    def beat(self) -> None:
        """Announce the worker."""
        self._ask(ledger.announce(self._describe()))

    def listen(self) -> None:
        """Ask for the number of slots alone; not while Redis is away, which would keep the worker from other things."""
        if self._heard:
            self._ask(ledger.wanted_slots(self._name))

    def end(self) -> None:
        """Say that the worker has gone."""
        try:
            self._connection.run(ledger.leave(self._name))
        except StokerError as error:
            _log.warning("could not say goodbye: %s", error)
        self._connection.close()

    def _ask(self, call: Call[int | None]) -> None:
        try:
            wanted = self._connection.run(call)
        except StokerError as error:
            self._heard = False
            _log.warning("no sign of life this time: %s", error)
            return
        self._heard = True
        if wanted is not None and wanted != self._wanted:
            self._resize(wanted)
        self._wanted = wanted
