"""A worker's sign of life, which its parent gives every few seconds."""

import logging

from stoker import ledger
from stoker.connection import Connection
from stoker.errors import StokerError
from stoker.settings import Settings

_log = logging.getLogger(__name__)


class Presence:
    """Says that a worker is there. Redis being away makes it a line in the log, nothing more."""

    def __init__(self, worker: ledger.Worker, settings: Settings, redis_url: str) -> None:
        self._worker = worker
        self._connection = Connection.open(settings, redis_url)

    def beat(self) -> None:
        """Announce the worker."""
        try:
            self._connection.run(ledger.announce(self._worker))
        except StokerError as error:
            _log.warning("no sign of life this time: %s", error)

    def end(self) -> None:
        """Say that the worker has gone."""
        try:
            self._connection.run(ledger.leave(self._worker.name))
        except StokerError as error:
            _log.warning("could not say goodbye: %s", error)
        self._connection.close()
