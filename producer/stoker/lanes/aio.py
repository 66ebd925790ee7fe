"""A client's lanes for asyncio: what `switchboard` does for threads, within one event loop."""

import asyncio
from collections.abc import Iterable, Sequence

from ..errors import StokerError
from ..kinds import Priority
from ..redis.connection import AsyncConnection
from ..redis.reading import TaskReader, settle
from . import push
from .exchange import Exchange, lane_full

Answer = asyncio.Future[bytes]


class AsyncSwitchboard:
    """Sends what the loop's tasks ask in the same turn together, and hands each its answer.

    Two tasks of its own run only while they are needed: one sends, one reads.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._exchange: Exchange[Answer] = Exchange()
        self._sender: asyncio.Task[None] | None = None
        self._reader = TaskReader(connection, self._exchange)

    def ask(
        self, ref: str, queue: str, priority: Priority, timeout_s: float, requests: Sequence[bytes]
    ) -> dict[int, Answer]:
        """Send requests soon; gives where their answers will be, by the numbers that `forget` takes, in order.

        Raises:
            ClientClosed: after `close`.
        """
        self._reader.begin()
        loop = asyncio.get_running_loop()
        answers: dict[int, Answer] = {}
        for tensors in requests:
            answer: Answer = loop.create_future()
            answers[self._exchange.add(answer, ref, queue, priority, timeout_s, tensors)] = answer
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send())
        return answers

    def forget(self, numbers: Iterable[int]) -> None:
        """Nobody waits for these answers any more."""
        self._exchange.forget(numbers)

    async def close(self) -> None:
        """Stop sending and reading; whoever still waits is told."""
        await self._reader.close()
        if self._sender and not self._sender.done():
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _send(self) -> None:
        while lanes := self._exchange.outgoing():
            try:
                depths = await self._connection.run(push(lanes.values()))
            except StokerError as error:
                for numbers in lanes:
                    settle(self._exchange.refused(numbers, error))
                continue
            for (numbers, lane), depth in zip(lanes.items(), depths, strict=True):
                if depth is not None:
                    settle(self._exchange.refused(numbers, lane_full(lane.ref, depth)))
