"""A stream of server-sent events, which ends with its source, its caller or its gateway."""

import asyncio
from collections.abc import AsyncIterator
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
        counted: is entered already, and left when the stream has ended.
        ending: is set when the gateway is about to end.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self, events: AsyncIterator[Frame], counted: AbstractContextManager[None], ending: asyncio.Event
    ) -> None:
        super().__init__(_frames(events, ending), headers=_HEADERS)
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until there is no more; of a HEAD there is nothing."""
        try:
            if HEAD in scope:
                await Response(media_type=MEDIA_TYPE)(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            self._counted.__exit__(None, None, None)


async def _frames(events: AsyncIterator[Frame], ending: asyncio.Event) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % _RETRY_MS
    async with aclosing(events):  # type: ignore[type-var]  # it is an async generator
        ended = asyncio.ensure_future(ending.wait())
        coming = asyncio.ensure_future(_next(events))
        try:
            while True:
                done, _ = await asyncio.wait((coming, ended), timeout=_PING_S, return_when=asyncio.FIRST_COMPLETED)
                if coming in done:
                    event = coming.result()
                    if event is None:
                        return
                    yield _bytes(event)
                    coming = asyncio.ensure_future(_next(events))
                elif ended in done:
                    return
                else:
                    yield b": ping\n\n"
        except StokerError as error:
            yield b"event: error\ndata: %s\n\n" % of_error(error).response().body
        finally:
            for task in (coming, ended):
                task.cancel()
                with suppress(asyncio.CancelledError, StokerError):
                    await task


async def _next(events: AsyncIterator[Frame]) -> Frame | None:
    """The next event; None after the last."""
    return await anext(events, None)


def _bytes(frame: Frame) -> bytes:
    place = f"id: {frame.id}\n" if frame.id else ""
    return f"{place}event: {frame.type}\ndata: {frame.data}\n\n".encode()
