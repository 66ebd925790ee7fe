"""Sessions of people who came in by a key: a cookie in place of the key, for some hours.

A cookie names its key and its end, under an HMAC-SHA256 by the digest that is kept of the key. So every gateway that
has the key takes it, none has to remember it, and it ends with the key.
"""

import hashlib
import hmac
import secrets
import time

from .keys import ApiKey, KeyRing

COOKIE = "stoker_session"
LASTS_S = 12 * 3600
_LINK_LASTS_S = 15 * 60
_LONGEST = 256


def cookie_of(key: ApiKey) -> str:
    """A new session of a key."""
    ends = f"{key.id}.{int(time.time()) + LASTS_S}"
    return f"{ends}.{_mac(key, ends)}"


def key_of(ring: KeyRing, cookie: str) -> ApiKey | None:
    """The key of a session; None if it is over, or is none. The key itself may have ended since."""
    ends, _, mac = cookie[:_LONGEST].rpartition(".")
    key_id, _, until = ends.partition(".")
    key = ring.of_id(key_id)
    if key is None or not hmac.compare_digest(mac.encode(), _mac(key, ends).encode()):
        return None
    return key if time.time() < int(until) else None


def cookie_in(header: bytes) -> str:
    """The session's cookie in a header of cookies; "" for none."""
    # Other programs of this host set cookies as well, such as JSON, of which `http.cookies` would read none at all.
    for cookie in header.decode("latin-1").split(";"):
        name, _, value = cookie.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


class LoginLink:
    """A link by which one person comes in once, with a key that nobody has to copy.

    Args:
        key: whom it lets in as.

    Attributes:
        path: of the link, with its token.
    """

    def __init__(self, key: ApiKey) -> None:
        self._token = secrets.token_urlsafe(32)
        self.path = f"/console/login?once={self._token}"
        self._key: ApiKey | None = key
        self._until = time.monotonic() + _LINK_LASTS_S

    def take(self, token: str) -> ApiKey | None:
        """The key, the first time that the token is shown; None ever after."""
        if time.monotonic() >= self._until or not hmac.compare_digest(token.encode(), self._token.encode()):
            return None
        key, self._key = self._key, None
        return key


def _mac(key: ApiKey, ends: str) -> str:
    return hmac.new(bytes.fromhex(key.digest), f"session of {ends}".encode(), hashlib.sha256).hexdigest()
