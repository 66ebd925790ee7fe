"""The check of the artifact store."""

import uuid

from ...address import masked
from ...errors import StokerError
from ...store import Store
from .check import Check, Finding, System, fail, ok


def _store(system: System) -> Finding:
    url = system.settings.store
    where = masked(url)
    try:
        store = Store(url)
        written = store.put_bytes(uuid.uuid4().bytes, "doctor")
        store.read(written)
        store.delete(written)
    except StokerError as error:
        return fail(error.message)
    return ok(f"{where} can be written and read")


CHECKS = (Check("store", _store),)
