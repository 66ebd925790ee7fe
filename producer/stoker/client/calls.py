"""What each part of a client stands on: a connection, and steps that are driven over it."""

import asyncio
from functools import partial
from typing import Any, TypeVar

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

    async def _drive_in_threads(self, steps: Steps[T]) -> T:
        """As `_drive`; what the steps do between their calls may take its time."""
        result = None
        while True:
            step = await asyncio.to_thread(_next, steps, result)
            if isinstance(step, _End):
                value: T = step.value
                return value
            result = await self._run(step)


class _End:
    """The end of steps: no StopIteration leaves a thread."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _next(steps: Steps[T], result: object) -> Call[Any] | _End:
    try:
        return steps.send(result)
    except StopIteration as end:
        return _End(end.value)
