"""Who comes in: one question for every route, asked before anything of a request is read."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from ..headers import Headers, headers_in
from ..problems import Problem
from .keys import ApiKey, KeyRing, Need, is_valid
from .rates import Rate, Rates
from .sessions import cookie_in, key_of

Scope = MutableMapping[str, Any]
"""A request, as ASGI has it."""

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""
KEY, RATES = "stoker.key", "stoker.rates"
_BEARER = b"bearer "
_SHOW = "show an API key as `Authorization: Bearer stk_…`"


class Gate:
    """Knows the keys, and counts what each of them asks for.

    Args:
        keys: those that are valid here.
    """

    def __init__(self, keys: KeyRing, rates: Rates | None = None) -> None:
        self.keys = keys
        self.rates = rates or Rates()
        self._streams: dict[str, int] = {}

    def admit(self, scope: Scope, need: Need) -> ApiKey:
        """Let a request in that may do what its route needs; gives its key, and notes that in the scope.

        It costs some microseconds and waits for nothing, so that a route without a framework may call it, too.

        Raises:
            Problem: 401 without a valid key, 403 with one whose role is not enough, 429 beyond its limits.
        """
        key = self.identify(scope)
        if not key.may(need):
            raise Problem(
                403, "Forbidden", f"key {key.id} ({key.name}) is a {key.role}'s, and may not {need}: use another key"
            )
        rates = self.rates.count(key)
        scope[RATES] = rates
        if rates and rates[0].left < 0:
            raise _exhausted(key, rates[0])
        return key

    def identify(self, scope: Scope) -> ApiKey:
        """The key of a request; raises what `admit` does without one."""
        headers = headers_in(scope)
        shown = headers.get(b"authorization")
        if shown is None:
            return self._identify_session(scope, headers)
        if shown[:7].lower() != _BEARER or b"authorization" in headers.several:
            raise _unknown(f"there is another Authorization than one API key: {_SHOW}")
        key = self.keys.key(shown[7:].strip())
        if key is None:
            raise _unknown(f"no such key: {_SHOW}, all of it")
        if not is_valid(key):
            raise _unknown(f"key {key.id} ({key.name}) has expired or was revoked: ask for another")
        scope[KEY] = key
        return key

    def _identify_session(self, scope: Scope, headers: Headers) -> ApiKey:
        """The key of a browser that has logged in.

        A browser sends its cookie by itself, also for a page of another site: what changes something says where it
        comes from, and is refused from anywhere else.
        """
        cookie = cookie_in(headers.get(b"cookie", b""))
        if not cookie:
            raise _unknown(_SHOW)
        key = key_of(self.keys, cookie)
        if key is None or not is_valid(key):
            raise _unknown("this session has ended: log in again")
        if scope["method"] not in SAFE and not _is_own_page(headers):
            raise Problem(403, "ForeignOrigin", "a session changes things from this gateway's own pages alone")
        scope[KEY] = key
        return key

    def holds(self, scope: Scope, key: ApiKey) -> bool:
        """Whether a request would be let in now as it was: by the same key, which is what it was."""
        try:
            return self.identify(scope) == key
        except Problem:
            return False

    @contextmanager
    def wait(self, key: ApiKey, seconds: float | None) -> Iterator[float]:
        """Count a request that waits, for the length of a with block, as a stream; gives for how long it may, in s.

        Raises:
            Problem: see `stream`.
        """
        if not seconds:
            yield 0.0
            return
        with self.stream(key):
            yield seconds

    @contextmanager
    def stream(self, key: ApiKey) -> Iterator[None]:
        """Count a stream that a key follows, for the length of a with block.

        Raises:
            Problem: 429, it follows as many as it may.
        """
        count = self._streams.get(key.id, 0)
        if count >= key.streams:
            raise Problem(
                429,
                "TooManyStreams",
                f"key {key.id} ({key.name}) follows, moves or waits for {count} things, as many as it may: end one",
                headers={"Retry-After": "5"},
            )
        self._streams[key.id] = count + 1
        try:
            yield
        finally:
            self._streams[key.id] -= 1


def _is_own_page(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser says that a page of this very gateway sends a request."""
    if (site := headers.get(b"sec-fetch-site")) is not None:
        return site == b"same-origin"
    origin, host = headers.get(b"origin", b""), headers.get(b"host", b"")
    return bool(host) and origin.partition(b"://")[2].lower() == host.lower()


def _unknown(why: str) -> Problem:
    return Problem(401, "Unauthorized", why, headers={"WWW-Authenticate": 'Bearer realm="stoker"'})


def _exhausted(key: ApiKey, rate: Rate) -> Problem:
    return Problem(
        429,
        "TooManyRequests",
        f"key {key.id} ({key.name}) has had its {rate.most} requests of this {rate.name}: try again in "
        f"{rate.reset_s} s",
        headers={"Retry-After": str(rate.reset_s)},
    )
