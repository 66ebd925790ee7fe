"""One reader for many waiters: a thread or an asyncio task that reads from Redis as long as anybody waits.

A `Dispatcher` decides what to read next and which waiter gets which result; it does no I/O and takes no lock. A reader
survives errors: it passes them to the waiters and reads on.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from ..errors import StokerError, Unavailable
from .calls import Call
from .connection import AsyncConnection, Connection, closed

_log = logging.getLogger(__name__)
# Between an error and the next try.
_PAUSE_S = 0.2

T = TypeVar("T")
W_co = TypeVar("W_co", bound="Waiter", covariant=True)


class Waiter(Protocol):
    """What `concurrent.futures.Future` and `asyncio.Future` have in common."""

    def done(self) -> bool: ...

    def set_result(self, result: Any, /) -> None: ...

    def set_exception(self, exception: BaseException, /) -> None: ...


class Dispatcher(Protocol[W_co]):
    """Knows who waits for what."""

    @property
    def has_waiters(self) -> bool:
        """Whether anybody waits."""

    def next_call(self, block_s: float) -> Call[Any]:
        """The next read, which may block in Redis for `block_s`."""

    def dispatch(self, read: Any) -> "Iterable[tuple[W_co, object]]":
        """The waiters that a read concerns, each with its result; a `StokerError` is raised to the waiter."""

    def fail(self, error: StokerError) -> "Iterable[tuple[W_co, object]]":
        """The waiters of a read that failed, each with its result."""


def deliver(results: "Iterable[tuple[Waiter, object]]") -> None:
    """Give each waiter its result or error."""
    for waiter, result in results:
        if waiter.done():
            continue
        if isinstance(result, StokerError):
            # One error for each waiter: a traceback grows with every frame that the error passes.
            waiter.set_exception(type(result)(result.message))
        else:
            waiter.set_result(result)


class ThreadReader:
    """Reads in a thread of its own, which starts with the first waiter.

    Args:
        lock: guards the dispatcher.
        name: the thread's name.
    """

    def __init__(self, connection: Connection, dispatcher: Dispatcher[Waiter], lock: threading.Lock, name: str) -> None:
        self._connection = connection
        self._dispatcher = dispatcher
        self._changed = threading.Condition(lock)
        self._name = name
        self._thread: threading.Thread | None = None
        self._closed = False

    def wake(self) -> None:
        """Read for a new waiter; the caller holds the lock.

        Raises:
            ClientClosed: after `close`.
        """
        if self._closed:
            raise closed()
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name=self._name, daemon=True)
            self._thread.start()
        self._changed.notify()

    def close(self, interrupt: Call[Any]) -> None:
        """Stop reading; whoever still waits gets `ClientClosed`.

        Args:
            interrupt: ends the blocking read in Redis.
        """
        with self._changed:
            self._closed = True
            results = list(self._dispatcher.fail(closed()))
            self._changed.notify()
        deliver(results)
        if self._thread and self._thread.is_alive():
            try:
                self._connection.run(interrupt)
            except StokerError:
                # The thread ends by itself when its read times out.
                return
            self._thread.join()

    def _read(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._dispatcher.has_waiters or self._closed)
                if self._closed:
                    return
            try:
                results = self._read_once()
            except Unavailable:
                # Every waiter has a timeout of its own.
                time.sleep(_PAUSE_S)
            except StokerError as error:
                self._fail(error)
            except Exception as error:  # noqa: BLE001 - the edge of this thread: no waiter may wait in vain
                _log.warning("an answer of Redis could not be read", exc_info=True)
                self._fail(_unreadable(error))
            else:
                deliver(results)

    def _read_once(self) -> list[tuple[Waiter, object]]:
        with self._changed:
            call = self._dispatcher.next_call(self._connection.longest_block_s)
        read = self._connection.run(call)
        with self._changed:
            return list(self._dispatcher.dispatch(read))

    def _fail(self, error: StokerError) -> None:
        with self._changed:
            results = list(self._dispatcher.fail(error))
        deliver(results)
        time.sleep(_PAUSE_S)


class TaskReader:
    """Reads in a task of one event loop, which runs only while somebody waits."""

    def __init__(self, connection: AsyncConnection, dispatcher: Dispatcher[Waiter]) -> None:
        self._connection = connection
        self._dispatcher = dispatcher
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def wake(self) -> None:
        """Read for a new waiter; raises what `ThreadReader.wake` does."""
        if self._closed:
            raise closed()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._read())

    async def close(self) -> None:
        """Stop reading; whoever still waits gets `ClientClosed`."""
        self._closed = True
        deliver(list(self._dispatcher.fail(closed())))
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        while self._dispatcher.has_waiters:
            try:
                read = await self._connection.run(self._dispatcher.next_call(self._connection.longest_block_s))
                results = list(self._dispatcher.dispatch(read))
            except Unavailable:
                await asyncio.sleep(_PAUSE_S)
            except StokerError as error:
                await self._fail(error)
            except Exception as error:  # noqa: BLE001 - as in `ThreadReader`
                _log.warning("an answer of Redis could not be read", exc_info=True)
                await self._fail(_unreadable(error))
            else:
                deliver(results)

    async def _fail(self, error: StokerError) -> None:
        deliver(list(self._dispatcher.fail(error)))
        await asyncio.sleep(_PAUSE_S)


def _unreadable(error: Exception) -> StokerError:
    return StokerError(
        f"an answer in Redis could not be read: {type(error).__name__}: {error}; something else than Stoker has "
        "written it, or a newer version of it"
    )
