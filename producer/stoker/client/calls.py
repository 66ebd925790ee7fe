"""What each part of a client stands on: a connection, and steps that are driven over it."""

from typing import TypeVar

from ..redis.calls import Call, Steps, drive, drive_async
from ..redis.connection import AsyncConnection, Connection
from ..security.signatures import signatures_of
from ..security.signing import Signer
from ..settings import Settings

T = TypeVar("T")


class _Signed:
    """How a client signs what it submits, and checks what it is given."""

    settings: Settings

    @property
    def _signer(self) -> Signer | None:
        return signatures_of(self.settings).signer

    def _check_result(self, job_id: str, document: bytes) -> None:
        signatures_of(self.settings).check("result", job_id, document)

    def _sign_version(self, ref: str, document: str) -> str:
        return self._signer.sign_document("model", ref, document) if self._signer else document

    def _check_version(self, ref: str, document: bytes) -> None:
        signatures_of(self.settings).check("model", ref, document)


class Calls(_Signed):
    """A part of the blocking client."""

    _connection: Connection

    def _run(self, call: Call[T]) -> T:
        return self._connection.run(call)

    def _drive(self, steps: Steps[T]) -> T:
        return drive(steps, self._run)


class AsyncCalls(_Signed):
    """A part of the asyncio client."""

    _connection: AsyncConnection

    async def _run(self, call: Call[T]) -> T:
        return await self._connection.run(call)

    async def _drive(self, steps: Steps[T]) -> T:
        return await drive_async(steps, self._run)
