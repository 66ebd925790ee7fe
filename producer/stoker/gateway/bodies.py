"""What a request carries: read within bounds, and JSON that means one thing."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, NoReturn, Self

from starlette.requests import ClientDisconnect, Request

from .auth.admission import Scope
from .door import WHOLE, Message, Receive
from .encodings import MOST_AT_ONCE_BYTES, Data, inflated
from .problems import Problem, too_large

# A body that is kept in memory has to be here by then; of any other something has to come within the second.
_WHOLE_S, _CHUNK_S = 60.0, 10.0
# So long a body is read whatever else there is: it costs no more than its headers do.
_SHORT_BYTES = 64 << 10
_JSON = "application/json"


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
    """The body of one request, in memory for the length of a with block.

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
        self._taken_bytes = 0

    async def read(self, scope: Scope, receive: Receive) -> Data:
        """All of it, in one piece.

        Raises:
            Problem: 413 for one that is too long, 408 for one that does not come, 400 for one whose caller has gone,
                503 for one beyond the room.
        """
        if WHOLE in scope:
            # Most are short, and here when their request is: no clock has to run for them.
            return self._taken(await receive())
        try:
            async with asyncio.timeout(_WHOLE_S):
                # Chunks may be tiny: together they take what they hold, and not an object each.
                whole, more = bytearray(), True
                while more:
                    message = await receive()
                    whole += self._taken(message)
                    more = bool(message.get("more_body"))
        except TimeoutError:
            raise _too_slow() from None
        return whole

    async def inflated(self, body: Data, encoding: str) -> Data:
        """A body as it was before its Content-Encoding; raises what `encodings.inflated` does, and 503 as `read`."""
        whole = await inflated(body, encoding, self._most_bytes)
        if whole is not body:
            self._take(len(whole))
        return whole

    def _taken(self, message: Message) -> bytes:
        if message["type"] == "http.disconnect":
            raise _incomplete()
        chunk: bytes = message.get("body", b"")
        if self._taken_bytes + len(chunk) > self._most_bytes:
            raise too_large(self._most_bytes)
        self._take(len(chunk))
        return chunk

    def _take(self, size: int) -> None:
        self._room.grow(self._taken_bytes, size)
        self._taken_bytes += size


class BoundedRequest(Request):
    """A request whose body is read with limits on its size and its time.

    Args:
        body: where it is kept.
    """

    def __init__(self, request: Request, body: Body) -> None:
        super().__init__(request.scope, request.receive)
        self._bounded = body
        self._whole: bytes | None = None

    async def body(self) -> bytes:
        """The whole body; raises what `Body.read` does."""
        if self._whole is None:
            self._whole = bytes(await self._bounded.read(self.scope, self.receive))
        return self._whole

    async def json(self) -> Any:
        """The body as JSON; raises what `body` and `read_json` do."""
        body = await self.body()
        return read_json(body) if len(body) <= MOST_AT_ONCE_BYTES else await asyncio.to_thread(read_json, body)

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
            raise _incomplete() from None
        if chunk is None:
            return
        total += len(chunk)
        if total > most_bytes:
            raise too_large(most_bytes)
        yield chunk


def _incomplete() -> Problem:
    return Problem(400, "Incomplete", "the caller has gone before the end of the body")


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
