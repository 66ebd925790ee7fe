"""uvicorn's protocol, with what it lacks: limits on how long a request's head may be, and may take."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .door import HOLD, MOST_HEAD_BYTES, MOST_PATH_BYTES, WHOLE

HEAD_S = 10.0
# Connections beyond those that are served: for callers that are told so, and probes.
_SPARE = 64
# With its line, and what stands between headers.
_HEAD_BYTES = 2 * (MOST_HEAD_BYTES + MOST_PATH_BYTES)
_TOO_LARGE, _TIMEOUT = 431, 408


class HeadBoundProtocol(HttpToolsProtocol):
    """A connection that closes where the head of a request does not end.

    uvicorn waits for ever for the first byte of a connection and the last byte of a head, and keeps all that comes.
    """

    most_connections = 1024
    head_s = HEAD_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # uvicorn would log queries, too, wherever the root has a handler; the door logs requests.
        self.access_log = False
        # How many bytes of a head have come that has not ended; None within a body, and between requests.
        self._head: int | None = 0
        # Whether a body goes on: its request may have been answered before its end.
        self._in_body = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a head."""
        self._cuttable = _Cuttable(transport)
        super().connection_made(cast(asyncio.Transport, self._cuttable))
        if len(self.connections) > self.most_connections + _SPARE:
            transport.abort()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and refuse a head that does not end."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if self._head is None and is_idle and not self._in_body:
            # The first bytes of a further request.
            self._head = 0
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > _HEAD_BYTES and self.transport and not self.transport.is_closing():
            self._refuse(_TOO_LARGE, f"the head of a request may have {_HEAD_BYTES:,} bytes")
        elif not self._timer and (self._head is not None or (is_idle and self._in_body)):
            # The rest of a head; or of a body that was refused, which has as long to end.
            self._wait()

    def on_message_begin(self) -> None:
        """Begin with a head, perhaps one behind another request."""
        if self._head is None:
            self._head = 0
        super().on_message_begin()
        cast(dict[str, object], self.scope)[HOLD] = self._cuttable.hold

    def on_headers_complete(self) -> None:
        """A head has ended."""
        self._head = None
        self._in_body = True
        self._stop()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A body has ended, if only that of no bytes."""
        self._in_body = False
        self._stop()
        cast(dict[str, object], self.scope)[WHOLE] = True
        super().on_message_complete()
        if self.cycle and self.cycle.response_complete:
            # uvicorn waits for a further request from the answer on, and the body has ended that.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _wait(self) -> None:
        self._stop()
        self._timer = self.loop.call_later(self.head_s, self._expire)

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(_TIMEOUT, f"the head of a request has to be here within {self.head_s:g} s")

    def _refuse(self, status: int, why: str) -> None:
        """Answer without a request, and close; where there is a request whose answer this would stain, close alone."""
        if self._in_body or not (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
            return
        head = STATUS_LINE[status] + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
        text = why.encode()
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(text) + text)
        self.transport.close()


class _Cuttable:
    """A transport that a caller may cut at any time: what is written to it from then on is dropped.

    uvloop raises at a write between the moment that it notices the cut and the one that it tells uvicorn.
    """

    __slots__ = ("_head", "_holds", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._holds = False
        self._head = b""
        self.is_closing = transport.is_closing

    def hold(self) -> None:
        """Send what is written next together with what follows it: a head with its body."""
        self._holds = True

    def write(self, data: bytes) -> None:
        if self._holds:
            self._holds, self._head = False, data
            return
        if self._head:
            data, self._head = self._head + data, b""
        if not self.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        if self._head:
            self.write(b"")
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
