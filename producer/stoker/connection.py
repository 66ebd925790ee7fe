"""One round trip to Redis as a value, and the two things that can make it: a thread or an event loop.

A `Call` says what to send and how to read the answer; it does no I/O. `Connection` and `AsyncConnection` run it.
So the ledger, the registry and the inference requests are written once, for both kinds of client.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import redis
import redis.asyncio
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
)
from redis.retry import Retry

from .errors import Unauthorized, Unavailable
from .settings import Settings, masked

T = TypeVar("T")
Word = str | bytes | int | float


@dataclass(frozen=True)
class Script:
    """A Lua script with its SHA-1, by which the server knows it."""

    source: str

    @property
    def sha(self) -> str:
        """The name the server gives to the loaded script."""
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Call(Generic[T]):
    """One command or script call, and how to read its answer.

    Every call may be sent twice: a connection repeats it when the answer was lost.

    Attributes:
        words: the command with its arguments, or only the arguments of `script`.
        decode: turns the server's answer into what the caller wants.
        script: the Lua script to run instead of a command.
    """

    words: tuple[Word, ...]
    decode: Callable[[Any], T]
    script: Script | None = None

    def command(self) -> tuple[Word, ...]:
        """What to send first: the script by name, if it is one."""
        return ("EVALSHA", self.script.sha, 0, *self.words) if self.script else self.words

    def command_with_source(self) -> tuple[Word, ...]:
        """What to send when the server does not know the script yet."""
        return ("EVAL", self.script.source, 0, *self.words) if self.script else self.words


class Connection:
    """Runs calls on a pool of blocking connections; safe to share between threads."""

    def __init__(self, client: redis.Redis, where: str) -> None:
        self.client = client
        self.where = where

    @classmethod
    def open(cls, settings: Settings, url: str) -> Self:
        """Prepare connections to `url`; nothing is sent yet."""
        retry = Retry(ExponentialBackoff(cap=0.5, base=0.02), retries=3)
        return cls(redis.Redis.from_url(url, retry=retry, **_options(settings)), masked(url))

    def run(self, call: Call[T]) -> T:
        """Send a call and read its answer.

        Raises:
            Unavailable: the server cannot be reached or does not answer in time.
            Unauthorized: it refuses the credentials, or they may not do this.
        """
        with _translated(self.where):
            try:
                answer = self.client.execute_command(*call.command())
            except NoScriptError:
                answer = self.client.execute_command(*call.command_with_source())
        return call.decode(answer)

    def close(self) -> None:
        """Close every connection of the pool."""
        self.client.close()


class AsyncConnection:
    """Runs calls on a pool of asyncio connections, within one event loop."""

    def __init__(self, client: redis.asyncio.Redis, where: str) -> None:
        self.client = client
        self.where = where

    @classmethod
    def open(cls, settings: Settings, url: str) -> Self:
        """Prepare connections to `url`; nothing is sent yet."""
        retry = redis.asyncio.retry.Retry(ExponentialBackoff(cap=0.5, base=0.02), retries=3)
        return cls(redis.asyncio.Redis.from_url(url, retry=retry, **_options(settings)), masked(url))

    async def run(self, call: Call[T]) -> T:
        """Send a call and read its answer; raises what `Connection.run` does."""
        with _translated(self.where):
            try:
                answer = await self.client.execute_command(*call.command())
            except NoScriptError:
                answer = await self.client.execute_command(*call.command_with_source())
        return call.decode(answer)

    async def close(self) -> None:
        """Close every connection of the pool."""
        await self.client.aclose()


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": settings.socket_timeout_s,
        "socket_connect_timeout": settings.connect_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 15,
    }


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Turn redis-py's errors into Stoker's, in one sentence each."""
    try:
        yield
    except (AuthenticationError, AuthenticationWrongNumberOfArgsError, AuthorizationError) as error:
        raise Unauthorized(f"{where} refused the login: {error}; check the user and password in the URL") from error
    except NoPermissionError as error:
        raise Unauthorized(
            f"{where} forbids this user a command: {error}; give the user that command in its ACL"
        ) from error
    except (redis.ConnectionError, redis.TimeoutError, BusyLoadingError, ReadOnlyError, OSError) as error:
        raise Unavailable(
            f"Redis at {where} cannot be reached: {error}; start it with `stoker up`, or check STOKER_REDIS_URL"
        ) from error
