"""The files of the store that hold the audit's chains: a folder for each tenant, a file for what is sealed at once."""

import hashlib
import io
from urllib.parse import quote

from ...models.store.files import Files
from ...outages import Dependency, needing
from ...urls import masked
from . import chain
from .chain import Batch

_LONGEST_NAME = 128


class SealedFiles:
    """The folder `audit` of a store. Nothing there is written twice, and nothing is removed.

    Every method raises `DependencyUnavailable` if the store is away, full or read-only.
    """

    def __init__(self, store_url: str) -> None:
        self._store = f"the artifact store {masked(store_url)}"
        self._files = Files(store_url)
        self._root = f"{self._files.root}/audit"

    def folders(self) -> list[str]:
        """The folders of all tenants."""
        with needing(Dependency.STORE, self._store):
            return sorted(self._files.names(self._root))

    def names(self, folder: str) -> list[str]:
        """The names of a tenant's files, in the order of their entries; others are left out."""
        with needing(Dependency.STORE, self._store):
            return sorted(name for name in self._files.names(f"{self._root}/{folder}") if chain.first_of(name))

    def read(self, folder: str, name: str) -> list[bytes]:
        """The lines of a file."""
        with needing(Dependency.STORE, self._store):
            return chain.lines_of(self._files.read(f"{self._root}/{folder}/{name}"))

    def write(self, tenant: str, batch: Batch) -> None:
        """Write a file; of two controllers that write at once, each has its own."""
        path = f"{self._root}/{folder_of(tenant)}/{batch.name}"
        with needing(Dependency.STORE, self._store):
            self._files.write(path, io.BytesIO(chain.lines_to(batch)))


def folder_of(tenant: str) -> str:
    """The folder of a tenant; its name is any text."""
    quoted = quote(tenant, safe="")
    if len(quoted) > _LONGEST_NAME:
        quoted = hashlib.sha256(tenant.encode()).hexdigest()
    return f"tenant-{quoted}"
