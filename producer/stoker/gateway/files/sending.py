"""A file of the store as an answer: all of it, or a range; and whether its caller has it already."""

import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, aclosing, contextmanager

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ...client.stored import AsyncStoredFile
from ...errors import StokerError
from ...models.store import Corrupt, Locked, Missing
from ..door import HEAD
from ..problems import Problem

_log = logging.getLogger(__name__)
MEDIA_TYPE = "application/octet-stream"
_RANGE = re.compile(r"bytes=(?:(?P<start>[0-9]{1,18})-(?P<last>[0-9]{0,18})|-(?P<suffix>[0-9]{1,18}))", re.IGNORECASE)
_BINARY = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
RESPONSES: dict[int | str, dict[str, object]] = {
    200: {**_BINARY, "description": "The file; `ETag` is the SHA-256 of all of it."},
    206: {**_BINARY, "description": "The part that `Range` asks for."},
    304: {"description": "The caller has it: `If-None-Match`."},
    410: {"description": "It was there once, and its bytes are gone from the store."},
    416: {"description": "There is no such part."},
}


def answer(request: Request, file: AsyncStoredFile, counted: AbstractContextManager[None]) -> Response:
    """A file, or the part that its caller asks for.

    It is a file to be saved, whatever is in it: a page of a report that a browser opened from here would act for who
    is logged in.

    Args:
        counted: is entered while it is read; it may refuse to be.

    Raises:
        Problem: 416 for a part that it has not. The answer itself raises 410 for a file that is gone, and 502 for one
            that cannot be read, before any of it is sent.
    """
    artifact = file.artifact
    tag = f'"{artifact.digest}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{artifact.name}"',
        "Content-Security-Policy": "sandbox",
    }
    if tag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    status, start, stop = 200, 0, artifact.size
    if (part := _part(request.headers, tag, artifact.size)) is not None:
        status, (start, stop) = 206, part
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{artifact.size}"
    headers["Content-Length"] = str(stop - start)
    return _FileResponse(file, start, stop, status, headers, counted)


class _FileResponse(StreamingResponse):
    """The answer that streams; what goes wrong on its way breaks the connection off, before the last byte."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        file: AsyncStoredFile,
        start: int,
        stop: int,
        status: int,
        headers: Mapping[str, str],
        counted: AbstractContextManager[None],
    ) -> None:
        self._blocks = file.blocks(start, stop)
        super().__init__(self._blocks, status, headers)
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, once its first block is there; of a HEAD nothing but that it is."""
        with self._counted:
            async with aclosing(self._blocks):  # type: ignore[type-var]  # it is an async generator
                with readable():
                    first = await anext(self._blocks, b"")
                if HEAD in scope:
                    headers = dict(self.headers)
                    await Response(None, self.status_code, headers)(scope, receive, send)
                    return
                self.body_iterator = _all(first, self._blocks)
                try:
                    await super().__call__(scope, receive, send)
                except StokerError as error:
                    # The status has been sent: that the length is wrong is all that can be told.
                    _log.error("a file broke off: %s", error.message)


async def _all(first: bytes, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for block in blocks:
        yield block


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _part(headers: Mapping[str, str], tag: str, size: int) -> tuple[int, int] | None:
    """The part that is asked for, as the first byte and the one behind its last; None for all.

    Several parts at once are answered by all, as are those of another content (If-Range), and what is no range.

    Raises:
        Problem: 416: there is no such part.
    """
    asked = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if asked is None or headers.get("if-range", tag) != tag:
        return None
    if asked["suffix"]:
        start, stop = max(0, size - int(asked["suffix"])), size
    else:
        start, stop = int(asked["start"]), min(size, int(asked["last"] or size - 1) + 1)
        if asked["last"] and int(asked["last"]) < start:
            return None
    if start >= stop:
        raise Problem(
            416,
            "RangeNotSatisfiable",
            f"the file has {size:,} bytes: ask for a part of these",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, stop


@contextmanager
def readable() -> Iterator[None]:
    """Say of what of the store cannot be read what a caller may know.

    Raises:
        Problem: 410 for a file that is gone, 502 for one that cannot be read.
    """
    try:
        yield
    except Missing:
        raise Problem(410, "Missing", "its bytes are gone from the store: make it again, or upload it again") from None
    except Corrupt:
        raise Problem(502, "Corrupt", "it has changed in the store: make it again, or upload it again") from None
    except Locked:
        raise Problem(502, "Locked", "it is encrypted for a key that this gateway does not have") from None
