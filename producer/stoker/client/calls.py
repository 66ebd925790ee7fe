"""What each part of a client stands on: a connection, and steps that are driven over it."""

from functools import partial
from typing import TypeVar

from ..kinds import Result
from ..ledger import results
from ..redis.calls import Call, Steps, drive, drive_async
from ..redis.connection import AsyncConnection, Connection
from ..security.signatures import Signatures, signatures_of
from ..security.signing import Signer
from ..settings import Settings

T = TypeVar("T")


class _Signed:
    """How a client signs what it submits, and checks what it is given."""

    settings: Settings

    @property
    def _signatures(self) -> Signatures:
        return signatures_of(self.settings)

    @property
    def _signer(self) -> Signer | None:
        return self._signatures.signer

    def _result_of(self, job_id: str, spec: str) -> Call[Result | None]:
        """A job's result, if who has signed it is trusted; `spec` is the digest of what was asked for, "" for any."""
        check = partial(self._signatures.check, "result", spec=spec)
        return results.result(job_id, check, partial(self._signatures.doubt, spec=spec))

    def _sign_version(self, ref: str, document: str) -> str:
        """A version's document, signed if this party signs; refused where it would not be believed then."""
        signed = self._signer.sign_document("model", ref, document) if self._signer else document
        self._check_version(ref, signed.encode())
        return signed

    def _check_version(self, ref: str, document: bytes) -> None:
        self._signatures.check("model", ref, document)


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
