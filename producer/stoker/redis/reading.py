"""One reader for all who wait: a thread or an asyncio task that asks Redis again as long as anybody waits.

What it asks and who gets which answer is a `Desk`, which does no I/O and takes no lock. A reader does not die of an
error: those who wait are told of it, and the next answer is asked for.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from ..errors import StokerError, Unavailable
from .connection import AsyncConnection, Call, Connection, closed

_log = logging.getLogger(__name__)
# Between an error and the next try.
_PAUSE_S = 0.2

T = TypeVar("T")
W_co = TypeVar("W_co", bound="Waiter", covariant=True)


class Waiter(Protocol):
    """Where an answer is left: what the futures of threads and of asyncio have in common."""

    def done(self) -> bool:
        """Whether there is an answer, or nobody waits any more."""

    def set_result(self, result: Any, /) -> None:
        """Leave an answer."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Leave an error."""


class Desk(Protocol[W_co]):
    """Knows who waits for what."""

    @property
    def waits(self) -> bool:
        """Whether anybody does."""

    def next_call(self, block_s: float) -> Call[Any]:
        """What to ask Redis now, which may wait so long for an answer."""

    def answered(self, answer: Any) -> "Iterable[tuple[W_co, object]]":
        """Who is to be told what; a `StokerError` is raised where it is waited for."""

    def give_up(self, error: StokerError) -> "Iterable[tuple[W_co, object]]":
        """Nothing can be read, or no longer: who is to be told what."""


def settle(outcomes: "Iterable[tuple[Waiter, object]]") -> None:
    """Leave answers, each where it is waited for."""
    for waiter, outcome in outcomes:
        if waiter.done():
            continue
        if isinstance(outcome, StokerError):
            # Each of them raises an error of its own: a traceback grows with every frame that an error passes.
            waiter.set_exception(type(outcome)(outcome.message))
        else:
            waiter.set_result(outcome)


class ThreadReader:
    """Reads in a thread of its own, which starts when somebody waits first.

    Args:
        lock: guards the desk.
    """

    def __init__(self, connection: Connection, desk: Desk[Waiter], lock: threading.Lock, name: str) -> None:
        self._connection = connection
        self._desk = desk
        self._changed = threading.Condition(lock)
        self._name = name
        self._thread: threading.Thread | None = None
        self._closed = False

    def begin(self) -> None:
        """Somebody waits from now on; the lock must be held.

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
        """Stop reading, and tell all who still wait.

        Args:
            interrupt: what ends the wait inside the server.
        """
        with self._changed:
            self._closed = True
            outcomes = list(self._desk.give_up(closed()))
            self._changed.notify()
        settle(outcomes)
        if self._thread and self._thread.is_alive():
            try:
                self._connection.run(interrupt)
            except StokerError:
                # It ends by itself when that wait is over.
                return
            self._thread.join()

    def _read(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._desk.waits or self._closed)
                if self._closed:
                    return
            try:
                outcomes = self._next_outcomes()
            except Unavailable:
                # Each of those who wait has a time limit of its own.
                time.sleep(_PAUSE_S)
            except StokerError as error:
                self._give_up(error)
            except Exception as error:  # noqa: BLE001 - the edge of this thread: whoever waits must not wait in vain
                _log.warning("an answer of Redis could not be read", exc_info=True)
                self._give_up(_unreadable(error))
            else:
                settle(outcomes)

    def _next_outcomes(self) -> list[tuple[Waiter, object]]:
        with self._changed:
            call = self._desk.next_call(self._connection.longest_block_s)
        answer = self._connection.run(call)
        with self._changed:
            return list(self._desk.answered(answer))

    def _give_up(self, error: StokerError) -> None:
        with self._changed:
            outcomes = list(self._desk.give_up(error))
        settle(outcomes)
        time.sleep(_PAUSE_S)


class TaskReader:
    """Reads in a task of its own, which runs only while somebody waits, within one event loop."""

    def __init__(self, connection: AsyncConnection, desk: Desk[Waiter]) -> None:
        self._connection = connection
        self._desk = desk
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def begin(self) -> None:
        """Somebody waits from now on; raises what `ThreadReader.begin` does."""
        if self._closed:
            raise closed()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._read())

    async def close(self) -> None:
        """Stop reading, and tell all who still wait."""
        self._closed = True
        settle(list(self._desk.give_up(closed())))
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        while self._desk.waits:
            try:
                answer = await self._connection.run(self._desk.next_call(self._connection.longest_block_s))
                outcomes = list(self._desk.answered(answer))
            except Unavailable:
                await asyncio.sleep(_PAUSE_S)
            except StokerError as error:
                await self._give_up(error)
            except Exception as error:  # noqa: BLE001 - as in `ThreadReader`
                _log.warning("an answer of Redis could not be read", exc_info=True)
                await self._give_up(_unreadable(error))
            else:
                settle(outcomes)

    async def _give_up(self, error: StokerError) -> None:
        settle(list(self._desk.give_up(error)))
        await asyncio.sleep(_PAUSE_S)


def _unreadable(error: Exception) -> StokerError:
    return StokerError(
        f"an answer in Redis could not be read: {type(error).__name__}: {error}; something else than Stoker has "
        "written it, or a newer version of it"
    )
