"""Connections that a ledger in memory answers."""

import asyncio
from functools import partial
from typing import NoReturn, TypeVar

from ..redis.calls import Call
from ..redis.connection import AsyncConnection, Connection, closed
from .ledger import Ledger

T = TypeVar("T")
_WHERE = "memory"


class MemoryConnection(Connection):
    """`Connection` to a `Ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(_no_pool, _WHERE)
        self._ledger = ledger

    def run(self, call: Call[T], *, patience_s: float | None = None) -> T:  # noqa: ARG002  # memory is never away
        """See `Connection.run`."""
        if self._closed:
            raise closed()
        return call.decode(self._ledger.answer_in_time(call))

    def close(self) -> None:
        """Refuse further calls."""
        self._closed = True


class AsyncMemoryConnection(AsyncConnection):
    """`AsyncConnection` to a `Ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(_no_pool, _WHERE, patience_s=1.0, longest_block_s=5.0, max_connections=1, timeout_s=1.0)
        self._ledger = ledger

    async def run(self, call: Call[T], *, patience_s: float | None = None) -> T:  # noqa: ARG002
        """See `Connection.run`."""
        if self._closed:
            raise closed()
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        with self._ledger.calling(partial(loop.call_soon_threadsafe, news.set)):
            try:
                async with asyncio.timeout(self._ledger.block_s(call)):
                    while (answer := self._ledger.answer(call)) is None and self._ledger.block_s(call):
                        await news.wait()
                        news.clear()
            except TimeoutError:
                answer = None
        return call.decode(answer)

    async def close(self) -> None:
        """Refuse further calls."""
        self._closed = True


def _no_pool() -> NoReturn:
    raise AssertionError("a client in memory opens no connection")
