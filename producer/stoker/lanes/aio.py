"""A client's lanes for asyncio: what `switchboard` does for threads, within one event loop."""

import asyncio
from collections.abc import Iterable, Sequence

from ..connection import AsyncConnection
from ..errors import StokerError, Unavailable
from ..jobs import Priority
from . import Pushed, await_answers, push
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
        self._reader: asyncio.Task[None] | None = None

    def ask(
        self, ref: str, queue: str, priority: Priority, timeout_s: float, requests: Sequence[bytes]
    ) -> dict[int, Answer]:
        """Send requests soon; gives where their answers will be, by the numbers that `forget` takes, in order."""
        loop = asyncio.get_running_loop()
        answers: dict[int, Answer] = {}
        for tensors in requests:
            answer: Answer = loop.create_future()
            answers[self._exchange.add(answer, ref, queue, priority, timeout_s, tensors)] = answer
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send())
        if self._reader is None or self._reader.done():
            self._reader = loop.create_task(self._read())
        return answers

    def forget(self, numbers: Iterable[int]) -> None:
        """Nobody waits for these answers any more."""
        self._exchange.forget(numbers)

    async def close(self) -> None:
        """Stop sending and reading."""
        tasks = [task for task in (self._sender, self._reader) if task and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self) -> None:
        while lanes := self._exchange.outgoing():
            try:
                depths = await self._connection.run(push(lanes.values()))
            except StokerError as error:
                for numbers in lanes:
                    self._fail(numbers, error)
            else:
                self._refuse(lanes, depths)

    def _refuse(self, lanes: dict[tuple[int, ...], Pushed], depths: list[int | None]) -> None:
        for (numbers, lane), depth in zip(lanes.items(), depths, strict=True):
            if depth is not None:
                self._fail(numbers, lane_full(lane.ref, depth))

    def _fail(self, numbers: tuple[int, ...], error: StokerError) -> None:
        for answer in self._exchange.failed(numbers):
            if not answer.done():
                answer.set_exception(error)

    async def _read(self) -> None:
        while self._exchange.waits:
            try:
                entry = await self._connection.run(
                    await_answers(self._exchange.client, self._connection.longest_block_s)
                )
            except Unavailable:
                # Whoever waits has a deadline of his own; answers are kept for a minute.
                continue
            if entry is not None:
                self._deliver(entry)

    def _deliver(self, entry: bytes) -> None:
        for answer, outcome in self._exchange.incoming(entry):
            if answer.done():
                continue
            if isinstance(outcome, StokerError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)
