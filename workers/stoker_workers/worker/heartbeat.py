"""A worker's heartbeat, and the number of slots that the ledger wants of it."""

import logging
from collections.abc import Callable

from stoker.errors import StokerError
from stoker.ledger import presence
from stoker.redis.calls import Call
from stoker.redis.connection import Connection
from stoker.settings import Settings

_log = logging.getLogger(__name__)
# How often a worker reads the wanted number of slots between two heartbeats. A new slot shall serve within a second,
# forking included.
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

    def beat(self) -> None:
        """Announce the worker."""
        self._run(presence.announce(self._describe()))

    def listen(self) -> None:
        """Read the wanted number of slots; not while Redis is away, because the worker would wait for it."""
        if self._is_connected:
            self._run(presence.wanted_slots(self._name))

    def end(self) -> None:
        """Remove the worker from the ledger."""
        try:
            self._connection.run(presence.leave(self._name))
        except StokerError as error:
            _log.warning("could not say goodbye: %s", error)
        self._connection.close()

    def _run(self, call: Call[int | None]) -> None:
        try:
            wanted = self._connection.run(call)
        except StokerError as error:
            self._is_connected = False
            _log.warning("no sign of life this time: %s", error)
            return
        self._is_connected = True
        if wanted is not None and wanted != self._wanted:
            self._resize(wanted)
        self._wanted = wanted
