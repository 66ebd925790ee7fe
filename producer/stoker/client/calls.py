"""What each part of a client stands on: a connection, and steps that are driven over it."""

from typing import TypeVar

from ..redis.calls import Call, Steps, drive, drive_async
from ..redis.connection import AsyncConnection, Connection
from ..settings import Settings

T = TypeVar("T")


class Calls:
    """A part of the blocking client."""

    settings: Settings
    _connection: Connection

    def _run(self, call: Call[T]) -> T:
        return self._connection.run(call)

    def _drive(self, steps: Steps[T]) -> T:
        return drive(steps, self._run)


class AsyncCalls:
    """A part of the asyncio client."""

    settings: Settings
    _connection: AsyncConnection

    async def _run(self, call: Call[T]) -> T:
        return await self._connection.run(call)

    async def _drive(self, steps: Steps[T]) -> T:
        return await drive_async(steps, self._run)
