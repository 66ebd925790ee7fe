"""A file that comes as the body of a request: onto this machine's disk, whole and verified, before it is stored."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.requests import Request

from ...outages import Dependency, needing, temporary_folder
from ..bodies import chunks
from ..problems import Problem

# Written at once, by a thread.
_BLOCK_BYTES = 1 << 20
# A body that comes slower holds its place, its disk and its connection for too little.
_FEWEST_BYTES_A_S = 16 << 10
_START_S = 30.0


class Received:
    """A file that is being received.

    Attributes:
        path: where it is.
        size: bytes that have been written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256()
        self._what = temporary_folder()

    @property
    def digest(self) -> str:
        """The SHA-256 of what has been written, in hex."""
        return self._hash.hexdigest()

    async def take(self, blocks: AsyncIterator[bytes], most_bytes: int) -> None:
        """Write all blocks behind what there is.

        Raises:
            Problem: 413, together they are more than there may be.
            Unavailable: this machine's disk is full.
        """
        waiting = bytearray()
        async for block in blocks:
            waiting += block
            if self.size + len(waiting) > most_bytes:
                raise Problem(
                    413,
                    "ContentTooLarge",
                    f"a file may have {most_bytes:,} bytes here: write longer ones to a bucket that workers read",
                )
            if len(waiting) >= _BLOCK_BYTES:
                await asyncio.to_thread(self._write, waiting)
                waiting = bytearray()
        await asyncio.to_thread(self._write, waiting)

    def require(self, digest: str | None) -> None:
        """Check that the file is what its sender says; None says nothing.

        Raises:
            Problem: 422, it has another digest.
        """
        if digest is not None and digest != self.digest:
            raise Problem(
                422,
                "Corrupt",
                f"what came has the SHA-256 {self.digest}, not {digest}: it was changed on its way, or before; send it "
                "again",
            )

    def _write(self, block: bytearray) -> None:
        with needing(Dependency.DISK, self._what), self.path.open("ab") as file:
            file.write(block)
        self._hash.update(block)
        self.size += len(block)


@asynccontextmanager
async def receiving() -> AsyncIterator[Received]:
    """Room for a file, for the length of a with block."""
    with needing(Dependency.DISK, temporary_folder()):
        folder = tempfile.TemporaryDirectory(prefix="stoker-gateway-")
    try:
        yield Received(Path(folder.name) / "data")
    finally:
        await asyncio.to_thread(folder.cleanup)


async def body(request: Request, most_bytes: int) -> AsyncIterator[bytes]:
    """The body of a request, as it comes.

    Raises:
        Problem: 413 for more than it may be, 408 for one that comes too slowly, 400 for one whose caller has gone.
    """
    began, size = time.monotonic(), 0
    async for chunk in chunks(request, most_bytes):
        yield chunk
        size += len(chunk)
        if time.monotonic() - began > _START_S + size / _FEWEST_BYTES_A_S:
            raise Problem(
                408,
                "RequestTimeout",
                f"the body came at less than {_FEWEST_BYTES_A_S:,} bytes a second: send it again, in parts",
                headers={"Connection": "close"},
            )
