"""Values that belong to one process, or to one event loop, and are made anew in the next.

A fork copies sockets, locks and counters, but no threads: a child that went on with them would read its parent's
answers, or wait for a lock whose thread it does not have. So nothing that is used by one side alone is kept but in one
of these. What was inherited is left as it is, for closing it would close it for the parent too.
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
    """A value that each process makes for itself, when it first asks; safe to share between threads.

    Args:
        make: has no effect outside what it makes: of two threads that ask at once, one's is thrown away.
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
    """A value that each event loop makes for itself, when it first asks; what was made for a closed one is forgotten.

    A loop does not outlive a fork, so this is also per process.
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
