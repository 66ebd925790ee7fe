"""An event loop's connections to Redis, each lent to one call at a time."""

import asyncio
from collections.abc import Sequence

import redis
import redis.asyncio

from .calls import Word
from .limits import Limits

Link = redis.asyncio.Connection


class Links:
    """Lends connections of a redis-py client.

    redis-py itself takes one from its pool and puts it back for each call, keeps statistics of that, and sets a clock
    for writing and another for reading: twice the time of all else that a call costs. Here one clock runs for a call.

    Args:
        client: connects; nothing else uses its pool.

    Attributes:
        client: the same.
    """

    def __init__(self, client: redis.asyncio.Redis, limits: Limits) -> None:
        self.client = client
        self._limits = limits
        self._turns = asyncio.BoundedSemaphore(limits.connections)
        # The one that was used last is the next.
        self._idle: list[Link] = []

    async def take(self) -> Link:
        """A connection for one call after another, until it is given back.

        Raises:
            RedisUnavailable: none was free in time.
            RedisError, OSError: Redis cannot be reached.
        """
        if self._turns.locked():
            try:
                async with asyncio.timeout(self._limits.wait_s):
                    await self._turns.acquire()
            except TimeoutError:
                raise self._limits.exhausted() from None
        else:
            await self._turns.acquire()
        if self._idle:
            return self._idle.pop()
        try:
            link: Link = await self.client.connection_pool.get_connection()
        except BaseException:
            self._turns.release()
            raise
        return link

    def give_back(self, link: Link) -> None:
        """Take back a connection, in whatever state it is."""
        self._idle.append(link)
        self._turns.release()

    async def exchange(self, link: Link, words: Sequence[Word]) -> object:
        """Send a command, and read the reply; connects first where the connection was lost.

        Raises:
            RedisError, OSError: Redis cannot be reached, or answers with an error.
        """
        # To connect is a few exchanges, each of which redis-py bounds by itself.
        link.socket_timeout = self._limits.wait_s
        await self.client.connection_pool.ensure_connection(link)
        link.socket_timeout = None
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await link.send_command(*words)
                return await self.client.parse_response(link, str(words[0]))
        except TimeoutError:
            raise redis.TimeoutError(f"no answer within {self._limits.wait_s:g} s") from None
