"""The check of the artifact store."""

from ...errors import StokerError
from ...models.store import Store
from ...urls import masked
from .check import Check, Finding, System, fail, ok


def _store(system: System) -> Finding:
    url = system.settings.store
    where = masked(url)
    try:
        store = Store(url)
        # What looks must not make it: workers would take that for the store that they wait for.
        if store.folder and not store.folder.exists():
            return fail(f"the store's folder {where} is not there: mount it, or make it")
        store.probe()
    except StokerError as error:
        return fail(error.message)
    return ok(f"{where} can be written and read")


CHECKS = (Check("store", _store),)
