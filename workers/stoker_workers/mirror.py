"""Copies Celery's view of jobs to the results' own Redis, where STOKER_RESULT_URL names one."""

from stoker import ledger
from stoker.connection import Call, Connection
from stoker.settings import Settings

# What celery.backends.redis does to store a result: set the key, and wake whoever waits on the channel of its name.
_TELL_KEPT_S = 7 * 24 * 3600


class ResultMirror:
    """Tells what is untold; does nothing where results stay with the ledger."""

    def __init__(self, settings: Settings, ledger_connection: Connection) -> None:
        self._ledger = ledger_connection
        url = settings.result_url
        self._results = Connection.open(settings, url) if url else None

    def start(self) -> None:
        """Ask for every state from now on."""
        if self._results:
            self._ledger.run(ledger.mirror())

    def deliver(self) -> None:
        """Copy every state that is untold."""
        if not self._results:
            return
        while states := self._ledger.run(ledger.untold()):
            for state in states:
                if state.value:
                    self._results.run(Call(("SET", state.name, state.value, "EX", _TELL_KEPT_S), lambda _: None))
                    self._results.run(Call(("PUBLISH", state.name, state.value), lambda _: None))
                self._ledger.run(ledger.told(state))
