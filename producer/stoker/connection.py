"""One round trip to Redis as a value, and the two things that can make it: a thread or an event loop.

A `Call` says what to send and how to read the answer; it does no I/O. `Connection` and `AsyncConnection` run it.
So the ledger, the registry and the lanes are written once, for both kinds of client.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Self, TypeVar

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from .address import masked, sentinels_of
from .patience import Tries
from .settings import Settings

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Word = str | bytes | int | float

# Long enough for a connection that broke, a server that starts again at once, or an answer that was lost.
HICCUP_S = 1.0
_LONGEST_BLOCK_S = 5.0


@dataclass(frozen=True)
class Script:
    """A Lua script with its SHA-1, by which the server knows it."""

    source: str

    @cached_property
    def sha(self) -> str:
        """The name the server gives to the loaded script."""
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Call(Generic[T_co]):
    """One command or script call, and how to read its answer.

    Every call may be sent twice: a connection repeats it when the answer was lost.

    Attributes:
        words: the command with its arguments, or only the arguments of `script`.
        decode: turns the server's answer into what the caller wants.
        script: the Lua script to run instead of a command.
    """

    words: tuple[Word, ...]
    decode: Callable[[Any], T_co]
    script: Script | None = None

    def command(self) -> tuple[Word, ...]:
        """What to send first: the script by name, if it is one."""
        return ("EVALSHA", self.script.sha, 0, *self.words) if self.script else self.words

    def command_with_source(self) -> tuple[Word, ...]:
        """What to send when the server does not know the script yet."""
        return ("EVAL", self.script.source, 0, *self.words) if self.script else self.words


Steps = Generator[Call[Any], Any, T]
"""Several round trips, one depending on the other: yields calls, is sent their answers, returns what comes of them."""


class Connection:
    """Runs calls on a pool of blocking connections; safe to share between threads.

    Attributes:
        where: the URL, without its password.
        patience_s: how long a call is tried again while Redis is away. The last try may take `socket_timeout_s` more.
        longest_block_s: how long a command may wait inside the server, so that its answer still comes in time.
    """

    def __init__(
        self,
        client: redis.Redis,
        where: str,
        *,
        patience_s: float = HICCUP_S,
        longest_block_s: float = _LONGEST_BLOCK_S,
    ) -> None:
        self.client = client
        self.where = where
        self.patience_s = patience_s
        self.longest_block_s = longest_block_s

    @classmethod
    def open(cls, settings: Settings, url: str, *, patience_s: float = HICCUP_S) -> Self:
        """Prepare connections to `url`; nothing is sent yet."""
        options = _options(settings) | {"retry": Retry(NoBackoff(), 0)}
        if sentinels := sentinels_of(url):
            watch = redis.sentinel.Sentinel(
                sentinels.hosts,
                sentinel_kwargs=options | sentinels.sentinel_login,
                db=sentinels.database,
                **options,
                **sentinels.login,
            )
            client = watch.master_for(sentinels.master_name)
        else:
            client = redis.Redis.from_url(url, **options)
        return cls(client, masked(url), patience_s=patience_s, longest_block_s=_longest_block_s(settings))

    def run(self, call: Call[T], *, patience_s: float | None = None) -> T:
        """Send a call and read its answer, again and again while Redis is away and patience lasts.

        Args:
            patience_s: for this call, in place of the connection's.

        Raises:
            Unavailable: the server cannot be reached, does not answer in time, or takes no writes for now.
            Unauthorized: it refuses the credentials, or they may not do this.
        """
        tries = Tries(self.where, self.patience_s if patience_s is None else patience_s)
        while True:
            try:
                answer = self._send(call)
                break
            except (RedisError, OSError) as error:
                time.sleep(tries.pause_s(error))
        return call.decode(answer)

    def close(self) -> None:
        """Close every connection of the pool."""
        pool = self.client.connection_pool
        self.client.close()
        if isinstance(pool, redis.sentinel.SentinelConnectionPool):
            pool.sentinel_manager.close()

    def _send(self, call: Call[T]) -> object:
        try:
            return self.client.execute_command(*call.command())
        except NoScriptError:
            return self.client.execute_command(*call.command_with_source())


class AsyncConnection:
    """Runs calls on a pool of asyncio connections, within one event loop; the attributes are `Connection`'s."""

    def __init__(self, client: redis.asyncio.Redis, where: str, *, patience_s: float, longest_block_s: float) -> None:
        self.client = client
        self.where = where
        self.patience_s = patience_s
        self.longest_block_s = longest_block_s

    @classmethod
    def open(cls, settings: Settings, url: str, *, patience_s: float = HICCUP_S) -> Self:
        """Prepare connections to `url`; nothing is sent yet."""
        options = _options(settings) | {"retry": redis.asyncio.retry.Retry(NoBackoff(), 0)}
        if sentinels := sentinels_of(url):
            watch = redis.asyncio.sentinel.Sentinel(
                sentinels.hosts,
                sentinel_kwargs=options | sentinels.sentinel_login,
                db=sentinels.database,
                **options,
                **sentinels.login,
            )
            client = watch.master_for(sentinels.master_name)
        else:
            client = redis.asyncio.Redis.from_url(url, **options)
        return cls(client, masked(url), patience_s=patience_s, longest_block_s=_longest_block_s(settings))

    async def run(self, call: Call[T], *, patience_s: float | None = None) -> T:
        """Send a call and read its answer; takes and raises what `Connection.run` does."""
        tries = Tries(self.where, self.patience_s if patience_s is None else patience_s)
        while True:
            try:
                answer = await self._send(call)
                break
            except (RedisError, OSError) as error:
                await asyncio.sleep(tries.pause_s(error))
        return call.decode(answer)

    async def close(self) -> None:
        """Close every connection of the pool."""
        pool = self.client.connection_pool
        await self.client.aclose()
        if isinstance(pool, redis.asyncio.sentinel.SentinelConnectionPool):
            await pool.sentinel_manager.aclose()

    async def _send(self, call: Call[T]) -> object:
        try:
            return await self.client.execute_command(*call.command())
        except NoScriptError:
            return await self.client.execute_command(*call.command_with_source())


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": settings.socket_timeout_s,
        "socket_connect_timeout": settings.connect_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 15,
    }


def _longest_block_s(settings: Settings) -> float:
    return min(_LONGEST_BLOCK_S, settings.socket_timeout_s / 2)
