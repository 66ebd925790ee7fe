"""A stream of server-sent events, which ends with its source, its caller or its gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing, suppress
from typing import NamedTuple

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ...errors import StokerError
from ..door import HEAD
from ..problems import of_error

MEDIA_TYPE = "text/event-stream"
# Callers reconnect after so long, and hear something at least so often: else proxies take a quiet stream for dead.
_RETRY_MS = 2000
_PING_S = 15.0
# So many are sent together at most.
_AHEAD = 64
_HEADERS = {"X-Accel-Buffering": "no"}


class Frame(NamedTuple):
    """One event of a stream.

    Attributes:
        id: behind which a caller goes on; "" leaves that as it was.
        type: what sort of event it is.
        data: JSON, in one line.
    """

    id: str
    type: str
    data: str


class EventStream(StreamingResponse):
    """The answer that streams.

    Args:
        events: what is sent.
        counted: is entered while it streams; it may refuse to be.
        ending: is set when the gateway is about to end.
        holds: whether its caller would be let in now as they were; where not, the stream ends, and the next one is
            refused, or told what the key may by then.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        events: AsyncIterator[Frame],
        counted: AbstractContextManager[None],
        ending: asyncio.Event,
        holds: Callable[[], bool],
    ) -> None:
        super().__init__(_frames(events, ending, holds), headers=_HEADERS)
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until there is no more; of a HEAD there is nothing."""
        with self._counted:
            if HEAD in scope:
                await Response(media_type=MEDIA_TYPE)(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)


class _Ahead:
    """Frames that have come, to be sent together; a caller who reads slowly keeps few of them waiting.

    Attributes:
        news: is set when there is something to send, or to end.
        is_over: whether nothing more comes.
    """

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.is_over = False
        self._frames: list[bytes] = []
        self._room = asyncio.Event()

    async def fill(self, events: AsyncIterator[Frame]) -> None:
        """Read events, to the last."""
        try:
            async with aclosing(events):  # type: ignore[type-var]  # it is an async generator
                async for event in events:
                    await self._put(_bytes(event))
        except StokerError as error:
            await self._put(b"event: error\ndata: %s\n\n" % of_error(error).response().body)
        finally:
            self.end()

    def end(self) -> None:
        """Let nothing more come."""
        self.is_over = True
        self.news.set()

    def take(self) -> bytes:
        """All that has come."""
        self.news.clear()
        self._room.set()
        frames = b"".join(self._frames)
        self._frames.clear()
        return frames

    async def _put(self, frame: bytes) -> None:
        self._frames.append(frame)
        self.news.set()
        if len(self._frames) >= _AHEAD:
            self._room.clear()
            await self._room.wait()


async def _frames(
    events: AsyncIterator[Frame], ending: asyncio.Event, holds: Callable[[], bool]
) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % _RETRY_MS
    ahead = _Ahead()
    filling = asyncio.ensure_future(ahead.fill(events))
    ended = asyncio.ensure_future(ending.wait())
    ended.add_done_callback(lambda _: ahead.end())
    try:
        is_over = False
        while not is_over:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PING_S):
                    await ahead.news.wait()
            if not holds():
                return
            is_over = ahead.is_over
            frames = ahead.take()
            if frames or not is_over:
                yield frames or b": ping\n\n"
        if filling.done():
            filling.result()
    finally:
        for task in (filling, ended):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _bytes(frame: Frame) -> bytes:
    place = f"id: {frame.id}\n" if frame.id else ""
    return f"{place}event: {frame.type}\ndata: {frame.data}\n\n".encode()
