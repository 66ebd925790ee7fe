"""Values that belong to one process or one event loop, and are made again in the next.

A fork copies sockets, locks and counters, but no threads: a child that used them would read its parent's replies, or
wait for a lock that no thread of its own will release. So they live in a `PerProcess` or a `PerLoop`. Inherited values
are left open: to close them would close them for the parent, too.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_process = object()


def _renew() -> None:
    global _process  # noqa: PLW0603 - it stands for the process, of which there is one
    _process = object()


os.register_at_fork(after_in_child=_renew)


class PerProcess(Generic[T]):
    """A value that each process makes when it first needs it; threads may share it.

    Args:
        make: has no side effects: when two threads call `get` at once, one of the two values is thrown away.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        # Without a lock, which another thread might hold during a fork: `setdefault` is one step.
        self._values: dict[object, T] = {}

    def get(self) -> T:
        """This process's value."""
        process = _process
        value = self._values.get(process)
        return self._values.setdefault(process, self._make()) if value is None else value


class PerLoop(Generic[T]):
    """A value that each event loop makes when it first needs it; those of closed loops are dropped.

    No loop outlives a fork, so this is also per process.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T:
        """The running loop's value."""
        loop = asyncio.get_running_loop()
        value = self._values.get(loop)
        if value is None:
            for known in list(self._values):
                if known.is_closed():
                    del self._values[known]
            value = self._values[loop] = self._make()
        return value
