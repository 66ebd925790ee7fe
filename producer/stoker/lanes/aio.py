"""A client's requests to lanes, for asyncio: what `blocking` does for threads, within one event loop."""

import asyncio
import logging
from collections.abc import Iterable, Sequence

from ..errors import StokerError
from ..kinds import Priority
from ..redis.connection import AsyncConnection
from ..redis.reading import TaskReader, deliver
from . import push
from .frames import Answered
from .pending import PendingRequests

_log = logging.getLogger(__name__)


class AsyncLaneClient:
    """Sends the requests that tasks make in one turn of the loop together, and gives each task its answers.

    It runs two tasks, each only while it is needed: one sends, one reads.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._pending: PendingRequests[asyncio.Future[Answered]] = PendingRequests()
        self._sender: asyncio.Task[None] | None = None
        self._reader = TaskReader(connection, self._pending)

    @property
    def client(self) -> str:
        """The id of this client, in hex."""
        return self._pending.client

    def send(
        self,
        ref: str,
        queue: str,
        priority: Priority,
        timeout_s: float,
        requests: Sequence[bytes],
        place: int | None = None,
    ) -> dict[int, asyncio.Future[Answered]]:
        """Send requests soon; gives a future for each, in order, under the number that `forget` takes.

        Args:
            place: as that of `LaneClient.send`.

        Raises:
            ClientClosed: after `close`.
        """
        self._reader.wake()
        place = self._pending.next_place() if place is None else place
        loop = asyncio.get_running_loop()
        answers: dict[int, asyncio.Future[Answered]] = {}
        for tensors in requests:
            answer: asyncio.Future[Answered] = loop.create_future()
            answers[self._pending.add(answer, ref, queue, priority, timeout_s, tensors, place)] = answer
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send())
        return answers

    def forget(self, numbers: Iterable[int]) -> None:
        """Drop requests that nobody waits for any more."""
        self._pending.forget(numbers)

    async def close(self) -> None:
        """Stop sending and reading; whoever still waits gets `ClientClosed`."""
        await self._reader.close()
        if self._sender and not self._sender.done():
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _send(self) -> None:
        while lanes := self._pending.outgoing():
            try:
                refusals = await self._connection.run(push(lanes.values()))
            except StokerError as error:
                self._refuse(lanes, error)
                continue
            except Exception as error:  # noqa: BLE001  # the edge of this task: no waiter may wait in vain
                _log.warning("requests could not be sent", exc_info=True)
                self._refuse(lanes, StokerError(f"requests could not be sent: {type(error).__name__}: {error}"))
                continue
            for numbers, refused in zip(lanes, refusals, strict=True):
                if refused:
                    deliver(self._pending.refuse(numbers[refused.first :], refused.error))

    def _refuse(self, lanes: Iterable[tuple[int, ...]], error: StokerError) -> None:
        for numbers in lanes:
            deliver(self._pending.refuse(numbers, error))
