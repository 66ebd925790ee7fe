"""Connections to Redis, each lent to one call at a time: those of a process, and those of an event loop.

redis-py itself takes one from its pool and puts it back for each call, keeps statistics of that, and, for asyncio, sets
a clock for writing and another for reading: twice the time of all else that a call costs.
"""

import asyncio
from collections.abc import Sequence

import redis
import redis.asyncio

from .calls import Word
from .limits import Limits
from .turns import Turns

Link = redis.asyncio.Connection
ThreadLink = redis.connection.ConnectionInterface
_PARTS = 4


class ThreadLinks:
    """Lends connections of a redis-py client to threads.

    Args:
        client: connects.

    Attributes:
        client: the same.
    """

    def __init__(self, client: redis.Redis, limits: Limits) -> None:
        self.client = client
        self._limits = limits
        self._turns = Turns(limits.connections)
        # The one that was used last is the next.
        self._idle: list[ThreadLink] = []

    def take(self) -> ThreadLink:
        """A connection for one call after another, until it is given back.

        Raises:
            RedisUnavailable: none was free in time.
            RedisError, OSError: Redis cannot be reached.
        """
        if not self._turns.acquire(timeout=self._limits.wait_s):
            raise self._limits.exhausted()
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return self.client.connection_pool.get_connection()
        except BaseException:
            self._turns.release()
            raise

    def give_back(self, link: ThreadLink) -> None:
        """Take back a connection, in whatever state it is."""
        self._idle.append(link)
        self._turns.release()

    def exchange(self, link: ThreadLink, words: Sequence[Word]) -> object:
        """Send a command, and read the reply; connects first where the connection was lost.

        Raises:
            RedisError, OSError: Redis cannot be reached, or answers with an error.
        """
        link.connect()
        if _is_spoilt(link):
            link.disconnect()
            link.connect()
        link.send_command(*words)
        return self.client.parse_response(link, words[0])


def _is_spoilt(link: ThreadLink) -> bool:
    """Whether there is something to read before anything was sent: the end, as a rule."""
    try:
        return bool(link.can_read())
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        return True


class Links:
    """Lends connections of a redis-py client to tasks. One clock runs for a call.

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
            async with asyncio.timeout(None) as limit:
                clock = _Clock(limit, self._limits.wait_s)
                try:
                    await link.send_command(*words)
                    return await self.client.parse_response(link, str(words[0]))
                finally:
                    clock.stop()
        except TimeoutError:
            raise redis.TimeoutError(f"no answer within {self._limits.wait_s:g} s") from None


class _Clock:
    """Lets a limit run out after so many seconds of the loop's own time.

    While a loop stands still, the limit runs out and the answer comes: what had been popped would be lost. So its time
    is counted in parts, of which such a moment is one.
    """

    def __init__(self, limit: asyncio.Timeout, seconds: float) -> None:
        self._limit = limit
        self._part_s = seconds / _PARTS
        self._left = _PARTS
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._part_s, self._tick)

    def stop(self) -> None:
        """Stop counting."""
        self._timer.cancel()

    def _tick(self) -> None:
        self._left -= 1
        if self._left:
            self._timer = self._loop.call_later(self._part_s, self._tick)
        else:
            self._limit.reschedule(self._loop.time())
