"""The check of the artifact store."""

from ...errors import StokerError
from ...models.store import Store
from ...urls import masked
from .check import Check, Finding, System, fail, ok


def _store(system: System) -> Finding:
    url = system.settings.store
    where = masked(url)
    try:
        Store(url).probe()
    except StokerError as error:
        return fail(error.message)
    return ok(f"{where} can be written and read")


CHECKS = (Check("store", _store),)
