"""What a worker's parent does every few seconds: say that it is there, and see to what others left undone."""

import logging

from stoker import ledger
from stoker.connection import Connection
from stoker.errors import StokerError
from stoker.settings import Settings

from .mirror import ResultMirror

_log = logging.getLogger(__name__)


class Presence:
    """A worker's sign of life. Redis being away makes it a line in the log, nothing more."""

    def __init__(self, worker: ledger.Worker, settings: Settings, redis_url: str) -> None:
        self._worker = worker
        self._connection = Connection.open(settings, redis_url)
        self._results = ResultMirror(settings, self._connection)

    def beat(self) -> None:
        """Announce the worker, hand back the jobs of silent ones, copy results that were missed."""
        try:
            self._connection.run(ledger.announce(self._worker))
            for lost in self._connection.run(ledger.expired()):
                _log.warning("job %s: worker %s went silent, back to %s", lost.job_id, lost.worker, lost.queue)
                self._connection.run(ledger.reclaim(lost))
            self._results.start()
            self._results.deliver()
        except StokerError as error:
            _log.warning("no sign of life this time: %s", error)

    def end(self) -> None:
        """Say that the worker has gone."""
        try:
            self._connection.run(ledger.leave(self._worker.name))
        except StokerError as error:
            _log.warning("could not say goodbye: %s", error)
        self._connection.close()
