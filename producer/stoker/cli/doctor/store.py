"""The check of the artifact store."""

from pathlib import Path

from ...errors import StokerError
from ...models.store import Store
from ...urls import masked
from .check import Check, Finding, System, fail, ok, warn


def _is_missing(folder: Path) -> bool:
    try:
        folder.stat()
    except FileNotFoundError:
        return True
    except OSError:
        # The probe says what is wrong with it.
        return False
    return False


def _store(system: System) -> Finding:
    url = system.settings.store
    where = masked(url)
    try:
        store = Store(system.settings.store_place)
        # What looks must not make it: workers would take that for the store that they wait for.
        if store.folder and _is_missing(store.folder):
            return warn(
                f"the store's folder {where} is not there: mount it, if it ever was; else whoever writes first makes it"
            )
        store.probe()
    except StokerError as error:
        return fail(error.message)
    return ok(f"{where} can be written and read")


CHECKS = (Check("store", _store),)
