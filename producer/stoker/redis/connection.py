"""Two connections to Redis, which run calls: one for threads, one for asyncio."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, NoScriptError, RedisError
from redis.retry import Retry

from ..errors import ClientClosed
from ..settings import Settings
from ..urls import masked, sentinels_of, user_of
from .calls import Call, Caller
from .limits import MAX_CONNECTIONS, Limits
from .links import Links, ThreadLinks
from .origin import origin
from .retries import Tries
from .scopes import PerLoop, PerProcess

T = TypeVar("T")

# Outlasts a broken connection, a server that restarts at once, or a lost reply.
HICCUP_S = 1.0
_LONGEST_BLOCK_S = 5.0
# redis-py raises when its pool is empty; here a call waits for a connection, see `links`.
_UNBOUNDED = 2**31
_NOBODY = Caller()


class Connection:
    """Runs calls on a pool of blocking connections. Threads may share it, and it may be used after a fork.

    Args:
        connect: makes the pool, once in each process.

    Attributes:
        where: the URL, without its password.
        caller: who runs its calls.
        patience_s: how long a call is retried while Redis is away. The last try may take `socket_timeout_s` more.
        longest_block_s: how long a command may block in the server without running into the socket's timeout.
    """

    def __init__(
        self,
        connect: Callable[[], redis.Redis],
        where: str,
        *,
        patience_s: float = HICCUP_S,
        longest_block_s: float = _LONGEST_BLOCK_S,
        max_connections: int = MAX_CONNECTIONS,
        timeout_s: float = 10.0,
        caller: Caller = _NOBODY,
    ) -> None:
        self.where = where
        self.caller = caller
        self.patience_s = patience_s
        self.longest_block_s = longest_block_s
        self._limits = Limits(where, max_connections, timeout_s)
        self._links = PerProcess(lambda: ThreadLinks(connect(), self._limits))
        self._closed = False

    @classmethod
    def open(cls, settings: Settings, url: str, *, patience_s: float = HICCUP_S) -> Self:
        """Prepare connections to `url`; sends nothing."""
        options = _options(settings) | {"retry": Retry(NoBackoff(), 0)}
        return cls(lambda: _client(redis, url, options), patience_s=patience_s, **_bounds(settings, url))

    @property
    def client(self) -> redis.Redis:
        """This process' client of redis-py."""
        return self._links.get().client

    def run(self, call: Call[T], *, patience_s: float | None = None) -> T:
        """Send a call and decode the reply; retried for `patience_s` while Redis is away.

        Args:
            patience_s: replaces the connection's, for this call.

        Raises:
            Unavailable: the server cannot be reached, does not answer in time, takes no writes for now, or no
                connection was free.
            Unauthorized: it refuses the credentials or the command.
            ClientClosed: this connection has been closed.
            StokerError: the server answered with an error that a retry cannot solve.
        """
        tries = Tries(self.where, self.patience_s if patience_s is None else patience_s)
        while True:
            if self._closed:
                raise closed()
            try:
                reply = self._send(call)
                break
            except (RedisError, OSError) as error:
                time.sleep(tries.pause_s(error))
        return call.decode(reply)

    def close(self) -> None:
        """Close this process' connections; further calls raise `ClientClosed`."""
        if self._closed:
            return
        self._closed = True
        client = self.client
        client.close()
        if isinstance(client.connection_pool, redis.sentinel.SentinelConnectionPool):
            client.connection_pool.sentinel_manager.close()

    def _send(self, call: Call[T]) -> object:
        links = self._links.get()
        link = links.take()
        try:
            return links.exchange(link, call.command(self.caller))
        except NoScriptError as missing:
            try:
                links.exchange(link, call.loading())
            except NoPermissionError:
                # Somebody who may loads it soon: see stoker.access.loading.
                raise missing from None
            return links.exchange(link, call.command(self.caller))
        finally:
            links.give_back(link)


class AsyncConnection:
    """Runs calls on a pool of asyncio connections, one pool in each event loop; the attributes are `Connection`'s."""

    def __init__(
        self,
        connect: Callable[[], redis.asyncio.Redis],
        where: str,
        *,
        patience_s: float,
        longest_block_s: float,
        max_connections: int,
        timeout_s: float,
        caller: Caller = _NOBODY,
    ) -> None:
        self.where = where
        self.caller = caller
        self.patience_s = patience_s
        self.longest_block_s = longest_block_s
        self._limits = Limits(where, max_connections, timeout_s)
        self._links = PerLoop(lambda: Links(connect(), self._limits))
        self._closed = False

    @classmethod
    def open(cls, settings: Settings, url: str, *, patience_s: float = HICCUP_S) -> Self:
        """Prepare connections to `url`; sends nothing."""
        options = _options(settings) | {"retry": redis.asyncio.retry.Retry(NoBackoff(), 0)}
        return cls(lambda: _client(redis.asyncio, url, options), patience_s=patience_s, **_bounds(settings, url))

    async def run(self, call: Call[T], *, patience_s: float | None = None) -> T:
        """See `Connection.run`."""
        tries = Tries(self.where, self.patience_s if patience_s is None else patience_s)
        while True:
            if self._closed:
                raise closed()
            try:
                reply = await self._send(call)
                break
            except (RedisError, OSError) as error:
                await asyncio.sleep(tries.pause_s(error))
        return call.decode(reply)

    async def close(self) -> None:
        """Close this event loop's connections; further calls raise `ClientClosed`, in every loop."""
        if self._closed:
            return
        self._closed = True
        client = self._links.get().client
        await client.aclose()
        if isinstance(client.connection_pool, redis.asyncio.sentinel.SentinelConnectionPool):
            await client.connection_pool.sentinel_manager.aclose()

    async def _send(self, call: Call[T]) -> object:
        links = self._links.get()
        link = await links.take()
        try:
            return await links.exchange(link, call.command(self.caller))
        except NoScriptError as missing:
            try:
                await links.exchange(link, call.loading())
            except NoPermissionError:
                # Somebody who may loads it soon: see stoker.access.loading.
                raise missing from None
            return await links.exchange(link, call.command(self.caller))
        finally:
            links.give_back(link)


def closed() -> ClientClosed:
    """The error of a call on a closed client."""
    return ClientClosed("this client has been closed: make a new one, or close it later")


def _client(library: Any, url: str, options: dict[str, Any]) -> Any:
    """A client of redis-py; of sentinels, one of their master.

    Args:
        library: `redis` or `redis.asyncio`, which have the same names.
    """
    if not (sentinels := sentinels_of(url)):
        return library.Redis.from_url(url, **options)
    watch = library.sentinel.Sentinel(
        sentinels.hosts,
        sentinel_kwargs=options | sentinels.sentinel_login,
        db=sentinels.database,
        **options,
        **sentinels.login,
    )
    return watch.master_for(sentinels.master_name)


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": settings.socket_timeout_s,
        "socket_connect_timeout": settings.connect_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 15,
        "max_connections": _UNBOUNDED,
    }


def _bounds(settings: Settings, url: str) -> dict[str, Any]:
    return {
        "where": masked(url),
        "longest_block_s": min(_LONGEST_BLOCK_S, settings.socket_timeout_s / 2),
        "max_connections": settings.max_connections,
        "timeout_s": settings.socket_timeout_s,
        "caller": Caller(user_of(url), origin()),
    }
