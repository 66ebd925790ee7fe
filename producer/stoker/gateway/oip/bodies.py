"""Bodies of requests, read and inflated within bounds, and bodies of answers, compressed where that is asked for."""

import asyncio
import gzip
import zlib
from functools import lru_cache
from typing import Self

from ..door import Receive
from ..problems import Problem
from .datatypes import Data

# All of a body has to be here by then.
_WHOLE_S = 60.0
# So long a body is read whatever else there is: it costs no more than its headers do.
_SHORT_BYTES = 64 << 10
# Below, an answer is sent as it is: there is little to gain.
_FEWEST_COMPRESSED_BYTES = 1 << 10
MOST_AT_ONCE_BYTES = 64 << 10
"""Above, to read, inflate or deflate it would keep other requests waiting: a thread does it."""
_LEVEL = 1
# Tells gzip and zlib apart by their first bytes, which "deflate" means.
_EITHER = zlib.MAX_WBITS | 32
ENCODINGS = ("gzip", "deflate")


class Room:
    """The memory for all bodies that are in hand at once.

    Args:
        most_bytes: how much there is; short bodies are taken all the same.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.taken_bytes = 0

    def grow(self, body_bytes: int, more_bytes: int) -> None:
        """Take memory for more of a body.

        Args:
            body_bytes: how much has been taken for it before.

        Raises:
            Problem: 503: there is not so much left.
        """
        taken = self.taken_bytes + more_bytes
        if taken > self._most_bytes and body_bytes + more_bytes > _SHORT_BYTES:
            raise Problem(
                503,
                "Unavailable",
                f"requests of {self.taken_bytes:,} bytes are in hand, and {self._most_bytes:,} is the limit: try again",
                headers={"Retry-After": "1", "Connection": "close"},
            )
        self.taken_bytes = taken

    def leave(self, body_bytes: int) -> None:
        """Give back what was taken for a body."""
        self.taken_bytes -= body_bytes


class Body:
    """The body of one request, for the length of a with block.

    Args:
        most_bytes: how long it may be, also when it is inflated.
    """

    __slots__ = ("_most_bytes", "_room", "_taken_bytes")

    def __init__(self, room: Room, most_bytes: int) -> None:
        self._room = room
        self._most_bytes = most_bytes
        self._taken_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._room.leave(self._taken_bytes)

    async def read(self, receive: Receive) -> Data:
        """All of it, in one piece.

        Raises:
            Problem: 413 for one that is too long, 408 for one that does not come, 400 for one whose caller has gone.
        """
        try:
            async with asyncio.timeout(_WHOLE_S):
                first, more = await self._chunk(receive)
                if not more:
                    return first
                # Chunks may be tiny: together they take what they hold, and not an object each.
                whole = bytearray(first)
                while more:
                    chunk, more = await self._chunk(receive)
                    whole += chunk
        except TimeoutError:
            raise Problem(
                408,
                "RequestTimeout",
                f"the body did not come within {_WHOLE_S:g} s: send it again",
                headers={"Connection": "close"},
            ) from None
        return whole

    async def inflated(self, body: Data, encoding: str) -> Data:
        """A body as it was before its Content-Encoding.

        Raises:
            Problem: 415 for an encoding that is not known, 400 for bytes that are none, 413 for more than there may be.
        """
        if encoding in ("", "identity"):
            return body
        if encoding not in ENCODINGS:
            raise Problem(
                415,
                "UnsupportedMediaType",
                f"the Content-Encoding is {encoding[:40]!r}; expected gzip, deflate or none",
                headers={"Accept-Encoding": ", ".join(ENCODINGS)},
            )
        if len(body) <= MOST_AT_ONCE_BYTES:
            whole = _inflated(body, self._most_bytes)
        else:
            whole = await asyncio.to_thread(_inflated, body, self._most_bytes)
        self._take(len(whole))
        return whole

    async def _chunk(self, receive: Receive) -> tuple[bytes, bool]:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "Incomplete", "the caller has gone before the end of the body")
        chunk: bytes = message.get("body", b"")
        self._take(len(chunk))
        if self._taken_bytes > self._most_bytes:
            raise too_large(self._most_bytes)
        return chunk, bool(message.get("more_body"))

    def _take(self, size: int) -> None:
        self._room.grow(self._taken_bytes, size)
        self._taken_bytes += size


async def deflated(body: bytes, accepted: str) -> tuple[bytes, str | None]:
    """A body compressed as a caller's Accept-Encoding asks for, and that encoding; None for one sent as it is."""
    encoding = wanted_encoding(accepted)
    if encoding is None or len(body) < _FEWEST_COMPRESSED_BYTES:
        return body, None
    if len(body) <= MOST_AT_ONCE_BYTES:
        return _deflated(body, encoding), encoding
    return await asyncio.to_thread(_deflated, body, encoding), encoding


@lru_cache(256)
def wanted_encoding(accepted: str) -> str | None:
    """The encoding that an Accept-Encoding asks for most; None if it is none of ours."""
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip().lower()] = _weight(parameter)
    best = max(ENCODINGS, key=lambda name: weights.get(name, 0.0))
    return best if weights.get(best, 0.0) > 0 else None


def too_large(most_bytes: int) -> Problem:
    """The answer to a body of more bytes than it may have; the rest of it is not read."""
    return Problem(
        413,
        "ContentTooLarge",
        f"the body may be {most_bytes:,} bytes, also before it was compressed: send fewer rows at once, or submit an "
        "`Infer` job for a whole data set",
        headers={"Connection": "close"},
    )


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    try:
        return float(value) if name.strip().lower() == "q" else 1.0
    except ValueError:
        return 0.0


def _inflated(body: Data, most_bytes: int) -> bytes:
    inflater = zlib.decompressobj(_EITHER)
    try:
        whole = inflater.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise Problem(400, "InvalidBody", f"the body is not what its Content-Encoding says: {error}") from None
    if len(whole) > most_bytes:
        raise too_large(most_bytes)
    if not inflater.eof or inflater.unused_data:
        what = "ends too early" if not inflater.eof else "goes on behind its end"
        raise Problem(400, "InvalidBody", f"the compressed body {what}")
    return whole


def _deflated(body: bytes, encoding: str) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0) if encoding == "gzip" else zlib.compress(body, _LEVEL)
