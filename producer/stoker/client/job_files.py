"""The files that a job has made, to be read from anywhere."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from ..kinds.result import JobResult
from ..ledger.logs import KeptLog
from ..models.encryption import StorePlace
from ..models.manifest import Artifact
from ..models.store import Store
from . import downloading


class JobFile:
    """A file of a job's result, in the store.

    Attributes:
        artifact: its name, its digest and its size.
    """

    def __init__(self, artifact: Artifact, place: StorePlace) -> None:
        self.artifact = artifact
        self._place = place

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.artifact.name!r}, {self.artifact.size:,} bytes)"

    def open(self) -> IO[bytes]:
        """The file, verified and opened for reading bytes; close it.

        Raises:
            Corrupt, Missing: it has changed in the store, or is gone (`stoker.models.store`).
            Unavailable: the store is away.
        """
        return Store(self._place).open(self.artifact)

    def read(self) -> bytes:
        """Its bytes, verified; see `open`."""
        return Store(self._place).read(self.artifact)

    def download(self, to: str | os.PathLike[str] = ".", *, overwrite: bool = False) -> Path:
        """Copy it to this machine; see `Client.download`."""
        return downloading.artifact(Store(self._place), self.artifact, to, overwrite=overwrite)


class AsyncJobFile:
    """`JobFile` for asyncio."""

    def __init__(self, artifact: Artifact, place: StorePlace) -> None:
        self.artifact = artifact
        self._file = JobFile(artifact, place)

    def __repr__(self) -> str:
        return f"Async{self._file!r}"

    async def open(self) -> IO[bytes]:
        """See `JobFile.open`; what it gives is on this machine."""
        return await asyncio.to_thread(self._file.open)

    async def read(self) -> bytes:
        """See `JobFile.read`."""
        return await asyncio.to_thread(self._file.read)

    async def download(self, to: str | os.PathLike[str] = ".", *, overwrite: bool = False) -> Path:
        """See `JobFile.download`."""
        return await asyncio.to_thread(self._file.download, to, overwrite=overwrite)


def artifacts_of(result: JobResult, log: KeptLog | None) -> Mapping[str, Artifact]:
    """What a job has in the store, by name: files of its result, and what it printed."""
    return {**result.shown().files, **({log.artifact.name: log.artifact} if log else {})}
