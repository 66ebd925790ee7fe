"""The door: what holds for every request, whatever it asks for, before it is routed."""

import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from ..terminal.printable import printable
from .auth.admission import KEY, RATES, SAFE, Scope
from .auth.rates import headers_of
from .headers import Headers, headers_in
from .problems import Problem
from .refusals import Refusals

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PUBLIC = frozenset(("/healthz", "/readyz"))
"""Paths that everybody may ask for, under any load and by any name of the host."""
FILES = "/v1/files/"
"""Where bodies are files."""
HEAD = "stoker.head"
"""In a scope: whether only the headers of the answer are wanted."""
WHOLE = "stoker.whole"
"""In a scope, where the body of its request is here, all of it."""
HOLD = "stoker.hold"
"""In a scope: has the head of the answer sent together with what follows it."""
ANYBODY = "*"
MOST_HEAD_BYTES = 32 * 1024
MOST_PATH_BYTES = 8 * 1024
# For want of a key, of its role, of a page that may call, of a name of this host.
_NOT_LET_IN = frozenset(map(int, (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.MISDIRECTED_REQUEST)))
_FAILED = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_ALWAYS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, Range, "
    "If-None-Match, If-Range, Inference-Header-Content-Length",
    "Access-Control-Max-Age": "600",
}
_PREFLIGHT_OF = b"access-control-request-method"
_EXPOSED = (
    b"Location, RateLimit, RateLimit-Policy, Retry-After, Preference-Applied, Inference-Header-Content-Length, ETag, "
    b"Content-Range, Content-Disposition"
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::[0-9]*)?")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """What the door holds requests to.

    Attributes:
        hosts: the names by which callers may call this host; "*" for any.
        origins: the other sites whose pages may call it.
        requests: how many may be served at once.
        body_bytes: how long any body may be.
        file_bytes: how long one may be that is a file, which nobody has in memory.
    """

    hosts: frozenset[str]
    origins: frozenset[str]
    requests: int
    body_bytes: int
    file_bytes: int


class Door:
    """Wraps an app of ASGI.

    Args:
        refusals: whom it does not let in, for the audit.
    """

    def __init__(self, app: App, rules: Rules, refusals: Refusals) -> None:
        self._app = app
        self._rules = rules
        self._refusals = refusals
        self._served = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = headers_in(scope)
        origin = _only(headers, b"origin")
        answer = _Answer(scope, send, origin if origin in self._rules.origins else "")
        if scope["method"] == "HEAD":
            # The server leaves the body out by its own scope.
            scope = {**scope, "method": "GET", HEAD: True}
            answer.scope = scope
        self._served += 1
        try:
            self._refuse(scope, headers, origin)
        except Problem as problem:
            await problem.response()(scope, receive, answer.send)
        else:
            if origin and _is_preflight(scope, headers):
                await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, answer.send)
            else:
                await self._app(scope, receive, answer.send)
        finally:
            self._served -= 1
            _note(answer, time.perf_counter() - began)
            if answer.status in _NOT_LET_IN:
                self._count(answer)

    def _count(self, answer: "_Answer") -> None:
        """Have it noted that a request was not let in; its query may have a key by mistake."""
        scope = answer.scope
        key, caller = scope.get(KEY), scope.get("client")
        text = f"{scope['method']} {printable(scope['path'])[:200]} from {caller[0] if caller else 'nowhere'}"
        self._refusals.count(answer.status, key.id if key else "", text)

    def _refuse(self, scope: Scope, headers: Headers, origin: str) -> None:
        """Refuse what nothing behind the door has to look at.

        Raises:
            Problem: it is refused.
        """
        rules = self._rules
        if scope["path"] in PUBLIC:
            return
        if self._served > rules.requests:
            raise Problem(
                503,
                "TooManyRequestsAtOnce",
                f"this gateway serves {rules.requests:,} requests, as many as it may: try again",
                headers={"Retry-After": "1"},
            )
        host = _only(headers, b"host")
        if ANYBODY not in rules.hosts and _name(host) not in rules.hosts:
            raise Problem(
                421, "UnknownHost", f"this gateway is not {printable(host)[:100]!r}: name it in STOKER_GATEWAY_HOSTS"
            )
        if origin and scope["method"] not in SAFE and origin not in rules.origins and not _is_same(origin, host):
            raise Problem(
                403,
                "ForeignOrigin",
                f"pages of {printable(origin)[:100]!r} may not call this gateway: name them in STOKER_GATEWAY_ORIGINS",
            )
        if headers.size_bytes > MOST_HEAD_BYTES:
            raise Problem(431, "HeadersTooLarge", f"all headers together may have {MOST_HEAD_BYTES:,} bytes")
        if len(scope["raw_path"]) + len(scope["query_string"]) > MOST_PATH_BYTES:
            raise Problem(414, "PathTooLong", f"a path with its query may have {MOST_PATH_BYTES:,} bytes")
        length = _only(headers, b"content-length")
        if length.isdigit() and (size := int(length[:20])) > rules.body_bytes:
            most = rules.file_bytes if f"{scope['path']}/".startswith(FILES) else rules.body_bytes
            if size > most:
                raise Problem(413, "ContentTooLarge", f"no body may be longer than {most:,} bytes here")


class _Answer:
    """Sends an answer on, with the headers that all have."""

    def __init__(self, scope: Scope, send: Send, allowed: str) -> None:
        self.scope = scope
        self.status = 0
        self._send = send
        self._allowed = allowed

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ())]
            own = dict(headers)
            headers += [header for header in self._headers() if header[0] not in own]
            if self._allowed:
                # Beside one that says Accept-Encoding.
                headers.append((b"vary", b"Origin"))
            message["headers"] = headers
            if own.get(b"content-length", b"0") != b"0" and HEAD not in self.scope and HOLD in self.scope:
                # A body of a known length is there: one packet takes both.
                self.scope[HOLD]()
        await self._send(message)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        rates = self.scope.get(RATES)
        if not (rates or self._allowed):
            return _ALWAYS
        headers = [*_ALWAYS, *headers_of(rates or [])]
        if self._allowed:
            headers.append((b"access-control-allow-origin", self._allowed.encode("latin-1")))
            headers.append((b"access-control-expose-headers", _EXPOSED))
        return headers


def _note(answer: _Answer, seconds: float) -> None:
    """Log a request: never what follows the path, nor its headers, for keys may be there by mistake."""
    level = logging.INFO
    if answer.status >= _FAILED:
        level = logging.WARNING
    elif answer.scope["path"].endswith("/infer"):
        # There are thousands a second, and a line would take a tenth of the time of each.
        level = logging.DEBUG
    if not _log.isEnabledFor(level) or answer.scope["path"] in PUBLIC:
        return
    key = answer.scope.get(KEY)
    path = printable(answer.scope["path"])[:200]
    method = "HEAD" if HEAD in answer.scope else answer.scope["method"]
    who = key.name if key else "nobody"
    _log.log(level, "%s %s %d by %s in %.0f ms", method, path, answer.status, who, 1000 * seconds)


def _only(headers: Headers, name: bytes) -> str:
    """The value of a header that the door looks at; "" for none, and where there are several."""
    value = headers.get(name)
    return "" if value is None or name in headers.several else value.decode("latin-1").strip()


@lru_cache(64)
def _name(host: str) -> str:
    """The name in a Host header, without its port; "" for what is none."""
    named = _HOST.fullmatch(host)
    return named[1].lower() if named else ""


def _is_same(origin: str, host: str) -> bool:
    """Whether a page comes from this gateway itself."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        # Such as http://[, which is no address.
        return False


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return bool(scope["method"] == "OPTIONS" and _only(headers, _PREFLIGHT_OF))
