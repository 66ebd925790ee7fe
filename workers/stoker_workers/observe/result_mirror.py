"""Copies Celery's view of jobs to the results' own Redis, where STOKER_RESULT_URL names one."""

import time

from stoker.errors import Unavailable
from stoker.ledger import celery_results
from stoker.outages import Dependency, DependencyUnavailable, Outage
from stoker.redis.connection import Connection
from stoker.settings import Settings

# Between two tries while the results' Redis is away.
_REST_S = 5.0


class ResultMirror:
    """Copies states that are not copied yet; does nothing if results are in the ledger's Redis."""

    def __init__(self, settings: Settings, ledger_connection: Connection) -> None:
        self._ledger = ledger_connection
        self._away: DependencyUnavailable | None = None
        self._rests_until = 0.0
        url = settings.result_url
        self._results = Connection.open(settings, url) if url else None

    def start(self) -> None:
        """Have the ledger collect every state from now on."""
        if self._results:
            self._ledger.run(celery_results.mirror())

    def deliver(self) -> None:
        """Copy all collected states.

        Raises:
            DependencyUnavailable: the results' Redis is away. It is tried again only after `_REST_S`, so that not every
                job waits for its timeout.
        """
        if not self._results:
            return
        if self._away and time.monotonic() < self._rests_until:
            raise self._away
        while states := self._ledger.run(celery_results.pending()):
            for state in states:
                if state.value:
                    self._copy(self._results, state)
                self._ledger.run(celery_results.copied(state))
        self._away = None

    def _copy(self, results: Connection, state: celery_results.PendingResult) -> None:
        try:
            results.run(celery_results.copy(state))
        except Unavailable as error:
            outage = Outage(of=Dependency.RESULTS, reason=f"results are copied later: {error.message}")
            self._away, self._rests_until = DependencyUnavailable(outage), time.monotonic() + _REST_S
            raise self._away from error
