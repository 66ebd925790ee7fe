"""One round trip to Redis as a value, and the two things that can make it: a thread or an event loop.

A `Call` says what to send and how to read the answer; it does no I/O. `Connection` and `AsyncConnection` run it.
So the ledger, the registry and the lanes are written once, for both kinds of client.
"""

import asyncio
import hashlib
import threading
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

from ..errors import ClientClosed, Unavailable
from ..settings import Settings
from ..urls import masked, sentinels_of
from .retries import Tries
from .scopes import PerLoop, PerProcess

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Word = str | bytes | int | float

# Long enough for a connection that broke, a server that starts again at once, or an answer that was lost.
HICCUP_S = 1.0
_LONGEST_BLOCK_S = 5.0
_MAX_CONNECTIONS = 50
# redis-py refuses what its pool has no connection for; here it waits, see `_Pool`.
_UNBOUNDED = 2**31


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


@dataclass
class _Limits:
    """What holds for a connection, in each process and event loop.

    Attributes:
        where: the URL, without its password.
        connections: how many there are at most; calls beyond wait for one of them.
        wait_s: how long they do.
    """

    where: str
    connections: int = _MAX_CONNECTIONS
    wait_s: float = 10.0

    def exhausted(self) -> Unavailable:
        """The error of a call that no connection came free for."""
        return Unavailable(
            f"all {self.connections} connections to Redis at {self.where} were in use for {self.wait_s:g} s: make "
            "fewer calls at once, or raise STOKER_MAX_CONNECTIONS"
        )


class Connection:
    """Runs calls on a pool of blocking connections; safe to share between threads, and to go on with after a fork.

    Args:
        connect: makes the pool, in each process anew.

    Attributes:
        where: the URL, without its password.
        patience_s: how long a call is tried again while Redis is away. The last try may take `socket_timeout_s` more.
        longest_block_s: how long a command may wait inside the server, so that its answer still comes in time.
    """

    def __init__(
        self,
        connect: Callable[[], redis.Redis],
        where: str,
        *,
        patience_s: float = HICCUP_S,
        longest_block_s: float = _LONGEST_BLOCK_S,
        max_connections: int = _MAX_CONNECTIONS,
        timeout_s: float = 10.0,
    ) -> None:
        self.where = where
        self.patience_s = patience_s
        self.longest_block_s = longest_block_s
        self._limits = _Limits(where, max_connections, timeout_s)
        self._pool = PerProcess(lambda: _Pool(connect(), threading.BoundedSemaphore(max_connections)))
        self._closed = False

    @classmethod
    def open(cls, settings: Settings, url: str, *, patience_s: float = HICCUP_S) -> Self:
        """Prepare connections to `url`; nothing is sent yet."""
        options = _options(settings) | {"retry": Retry(NoBackoff(), 0)}

        def connect() -> redis.Redis:
            if not (sentinels := sentinels_of(url)):
                return redis.Redis.from_url(url, **options)
            watch = redis.sentinel.Sentinel(
                sentinels.hosts,
                sentinel_kwargs=options | sentinels.sentinel_login,
                db=sentinels.database,
                **options,
                **sentinels.login,
            )
            master: redis.Redis = watch.master_for(sentinels.master_name)
            return master

        return cls(connect, masked(url), patience_s=patience_s, **_bounds(settings))

    @property
    def client(self) -> redis.Redis:
        """What this process sends with."""
        return self._pool.get().client

    def run(self, call: Call[T], *, patience_s: float | None = None) -> T:
        """Send a call and read its answer, again and again while Redis is away and patience lasts.

        Args:
            patience_s: for this call, in place of the connection's.

        Raises:
            Unavailable: the server cannot be reached, does not answer in time, takes no writes for now, or no
                connection came free.
            Unauthorized: it refuses the credentials, or they may not do this.
            ClientClosed: this connection has been closed.
            StokerError: the server answered with an error that no waiting mends.
        """
        tries = Tries(self.where, self.patience_s if patience_s is None else patience_s)
        while True:
            if self._closed:
                raise closed()
            try:
                answer = self._send(call)
                break
            except (RedisError, OSError) as error:
                time.sleep(tries.pause_s(error))
        return call.decode(answer)

    def close(self) -> None:
        """Close every connection of this process' pool; nothing can be sent any more."""
        if self._closed:
            return
        self._closed = True
        client = self.client
        client.close()
        if isinstance(client.connection_pool, redis.sentinel.SentinelConnectionPool):
            client.connection_pool.sentinel_manager.close()

    def _send(self, call: Call[T]) -> object:
        pool = self._pool.get()
        if not pool.free.acquire(timeout=self._limits.wait_s):
            raise self._limits.exhausted()
        try:
            return pool.client.execute_command(*call.command())
        except NoScriptError:
            return pool.client.execute_command(*call.command_with_source())
        finally:
            pool.free.release()


class AsyncConnection:
    """Runs calls on a pool of asyncio connections, in each event loop one; the attributes are `Connection`'s."""

    def __init__(
        self,
        connect: Callable[[], redis.asyncio.Redis],
        where: str,
        *,
        patience_s: float,
        longest_block_s: float,
        max_connections: int,
        timeout_s: float,
    ) -> None:
        self.where = where
        self.patience_s = patience_s
        self.longest_block_s = longest_block_s
        self._limits = _Limits(where, max_connections, timeout_s)
        self._pool = PerLoop(lambda: _AsyncPool(connect(), asyncio.BoundedSemaphore(max_connections)))
        self._closed = False

    @classmethod
    def open(cls, settings: Settings, url: str, *, patience_s: float = HICCUP_S) -> Self:
        """Prepare connections to `url`; nothing is sent yet."""
        options = _options(settings) | {"retry": redis.asyncio.retry.Retry(NoBackoff(), 0)}

        def connect() -> redis.asyncio.Redis:
            if not (sentinels := sentinels_of(url)):
                return redis.asyncio.Redis.from_url(url, **options)
            watch = redis.asyncio.sentinel.Sentinel(
                sentinels.hosts,
                sentinel_kwargs=options | sentinels.sentinel_login,
                db=sentinels.database,
                **options,
                **sentinels.login,
            )
            master: redis.asyncio.Redis = watch.master_for(sentinels.master_name)
            return master

        return cls(connect, masked(url), patience_s=patience_s, **_bounds(settings))

    async def run(self, call: Call[T], *, patience_s: float | None = None) -> T:
        """Send a call and read its answer; takes and raises what `Connection.run` does."""
        tries = Tries(self.where, self.patience_s if patience_s is None else patience_s)
        while True:
            if self._closed:
                raise closed()
            try:
                answer = await self._send(call)
                break
            except (RedisError, OSError) as error:
                await asyncio.sleep(tries.pause_s(error))
        return call.decode(answer)

    async def close(self) -> None:
        """Close every connection of this event loop's pool; nothing can be sent any more, in any loop."""
        if self._closed:
            return
        self._closed = True
        client = self._pool.get().client
        await client.aclose()
        if isinstance(client.connection_pool, redis.asyncio.sentinel.SentinelConnectionPool):
            await client.connection_pool.sentinel_manager.aclose()

    async def _send(self, call: Call[T]) -> object:
        pool = self._pool.get()
        try:
            async with asyncio.timeout(self._limits.wait_s if pool.free.locked() else None):
                await pool.free.acquire()
        except TimeoutError:
            raise self._limits.exhausted() from None
        try:
            return await pool.client.execute_command(*call.command())
        except NoScriptError:
            return await pool.client.execute_command(*call.command_with_source())
        finally:
            pool.free.release()


@dataclass(frozen=True)
class _Pool:
    """One process' connections; `free` is held by each call that uses one."""

    client: redis.Redis
    free: threading.BoundedSemaphore


@dataclass(frozen=True)
class _AsyncPool:
    """One event loop's connections; `free` is held by each call that uses one."""

    client: redis.asyncio.Redis
    free: asyncio.BoundedSemaphore


def closed() -> ClientClosed:
    """The error of whoever uses a client that has been closed."""
    return ClientClosed("this client has been closed: make a new one, or close it later")


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": settings.socket_timeout_s,
        "socket_connect_timeout": settings.connect_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 15,
        "max_connections": _UNBOUNDED,
    }


def _bounds(settings: Settings) -> dict[str, Any]:
    return {
        "longest_block_s": min(_LONGEST_BLOCK_S, settings.socket_timeout_s / 2),
        "max_connections": settings.max_connections,
        "timeout_s": settings.socket_timeout_s,
    }
