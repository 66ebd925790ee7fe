"""A round trip to Redis as a value: what to send, and how to decode the reply. Does no I/O.

`Connection` and `AsyncConnection` run it. So the ledger, the registry and the lanes are written once for both kinds of
client.
"""

import hashlib
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
Y = TypeVar("Y")
T_co = TypeVar("T_co", covariant=True)
Word = str | bytes | int | float


@dataclass(frozen=True)
class Script:
    """A Lua script.

    Attributes:
        names_caller: whether it is told who runs it, before its own arguments: see `Caller`.
    """

    source: str
    names_caller: bool = False

    @cached_property
    def sha(self) -> str:
        """The script's SHA-1, by which EVALSHA runs it."""
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class Caller(NamedTuple):
    """Who runs a call.

    Attributes:
        user: the connection's Redis user.
        origin: the user of this process, and its machine.
    """

    user: str = "default"
    origin: str = ""


@dataclass(frozen=True)
class Call(Generic[T_co]):
    """A command or script, and how to decode the reply.

    Every call must be safe to send twice: a connection repeats it when the reply was lost.

    Attributes:
        words: the command with its arguments, or only the arguments of `script`.
        decode: turns the server's reply into the caller's result.
        script: the Lua script to run instead of a command.
    """

    words: tuple[Word, ...]
    decode: Callable[[Any], T_co]
    script: Script | None = None

    def command(self, caller: Caller) -> tuple[Word, ...]:
        """The command to send first; a script by its SHA-1."""
        return ("EVALSHA", self.script.sha, 0, *self._arguments(self.script, caller)) if self.script else self.words

    def loading(self) -> tuple[Word, ...]:
        """The command that gives the server the script; what a connection sends when it does not have it yet."""
        return ("SCRIPT", "LOAD", self.script.source) if self.script else ()

    def _arguments(self, script: Script, caller: Caller) -> tuple[Word, ...]:
        return (*caller, *self.words) if script.names_caller else self.words


Steps = Generator[Call[Any], Any, T]
"""Round trips that depend on each other: yields calls, is sent their results, returns the result of all."""


def drive(steps: Generator[Y, Any, T], run: Callable[[Y], Any]) -> T:
    """Run steps, or what else asks for one thing after the other, to their end; `run` answers what they ask for."""
    answer: Any = None
    while True:
        try:
            asked = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = run(asked)


async def drive_async(steps: Generator[Y, Any, T], run: Callable[[Y], Awaitable[Any]]) -> T:
    """See `drive`."""
    answer: Any = None
    while True:
        try:
            asked = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = await run(asked)
