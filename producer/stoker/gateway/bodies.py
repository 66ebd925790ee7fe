"""What a request carries: read within bounds, and JSON that means one thing."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from .oip.bodies import MOST_AT_ONCE_BYTES, Room
from .problems import Problem

# A body of JSON has to be here by then, and something of any body within the second.
_WHOLE_S, _CHUNK_S = 30.0, 10.0
_JSON = "application/json"


class BoundedRequest(Request):
    """A request whose body is read with limits on its size and its time.

    Args:
        most_bytes: how long the body may be.
        room: for all bodies that are in hand at once; `release` gives back what this one has taken.
    """

    def __init__(self, request: Request, most_bytes: int, room: Room) -> None:
        super().__init__(request.scope, request.receive)
        self._most_bytes = most_bytes
        self._room = room
        self._taken_bytes = 0
        self._whole: bytes | None = None

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            Problem: 413 for one that is too long, 408 for one that does not come, 503 for one beyond the room.
        """
        if self._whole is None:
            whole = bytearray()
            try:
                async with asyncio.timeout(_WHOLE_S):
                    async for chunk in chunks(self, self._most_bytes):
                        self._room.grow(self._taken_bytes, len(chunk))
                        self._taken_bytes += len(chunk)
                        whole += chunk
            except TimeoutError:
                raise _too_slow() from None
            self._whole = bytes(whole)
        return self._whole

    async def json(self) -> Any:
        """The body as JSON; raises what `body` and `read_json` do."""
        body = await self.body()
        return read_json(body) if len(body) <= MOST_AT_ONCE_BYTES else await asyncio.to_thread(read_json, body)

    def release(self) -> None:
        """Give back the room of the body."""
        self._room.leave(self._taken_bytes)
        self._taken_bytes = 0

    def require_json(self) -> None:
        """Refuse a body that says it is something else.

        Raises:
            Problem: 415.
        """
        media = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != _JSON and not (media.startswith("application/") and media.endswith("+json")):
            raise Problem(415, "UnsupportedMediaType", "this takes JSON: send Content-Type: application/json")
        refuse_encoding(self)


def refuse_encoding(request: Request) -> None:
    """Refuse a body that is compressed: what it holds may be far more than what is sent.

    Raises:
        Problem: 415.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem(
            415, "UnsupportedMediaType", "this takes no compressed bodies: send it as it is, without Content-Encoding"
        )


async def chunks(request: Request, most_bytes: int) -> AsyncIterator[bytes]:
    """A request's body, as it comes.

    Raises:
        Problem: 413 for more than it may be, 408 for one that does not go on.
    """
    total = 0
    stream = Request(request.scope, request.receive).stream()
    while True:
        try:
            async with asyncio.timeout(_CHUNK_S):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise _too_slow() from None
        except ClientDisconnect:
            raise Problem(400, "Incomplete", "the caller has gone before the end of the body") from None
        if chunk is None:
            return
        total += len(chunk)
        if total > most_bytes:
            raise too_large(most_bytes)
        yield chunk


def too_large(most_bytes: int) -> Problem:
    """The answer to a body of more bytes than it may have; the rest of it is not read."""
    return Problem(
        413,
        "ContentTooLarge",
        f"the body may be {most_bytes:,} bytes: put larger data where workers read it, and name that",
    )


def _too_slow() -> Problem:
    why = "the body did not come in time: send it again"
    return Problem(408, "RequestTimeout", why, headers={"Connection": "close"})


def read_json(body: bytes) -> Any:
    """A document of JSON.

    Raises:
        Problem: 400: it is none, has a name twice in one object, or a number that JSON has not.
    """
    try:
        return json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise _invalid(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _invalid(f"{error.msg}, at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _invalid("it is nested too deep") from None
    except ValueError as error:
        # A whole number of thousands of digits, or what the two functions below refuse.
        raise _invalid(str(error).partition(";")[0]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        [(twice, _)] = counts.most_common(1)
        raise ValueError(f"an object has the name {json.dumps(twice[:80])} twice")
    return read


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number that JSON has")


def _invalid(why: str) -> Problem:
    return Problem(400, "InvalidJSON", f"the body is no JSON: {why}")
