"""API keys: what callers show, and what each may.

    [shop]
    key_id = "4f3a9c21d07be815"
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    role = "client"
    expires = 2027-11-28T00:00:00Z
    tenants = ["research"]
    per_minute = 600

A key is `stk_`, its id, `_` and 32 random bytes. So many cannot be guessed, and one round of SHA-256 keeps them: the
file has the digest of the whole alone.
"""

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from ...errors import InvalidSettings
from ...kinds.problems import sentence
from ...security.keys import Patterns, Terms, changes_of, files_of, tables_of

KeyRole = Literal["viewer", "predictor", "client", "operator"]
Need = Literal["any", "read", "predict", "submit", "operate"]
"""What a route asks of a key: to be one; to read; to predict; to submit and act on jobs; to change what is shared."""

ROLES: Mapping[KeyRole, frozenset[Need]] = {
    "viewer": frozenset(("any", "read")),
    "predictor": frozenset(("any", "predict")),
    "client": frozenset(("any", "read", "predict", "submit")),
    "operator": frozenset(("any", "read", "predict", "submit", "operate")),
}
SETTING = "gateway_keys"
HOME_KEYS = Path("keys", "api")
"""Where they are in a home folder, if the setting names no other place."""
_PREFIX = "stk"
_ID_BYTES, _SECRET_BYTES = 8, 32
# Longer than any key: what is longer is not looked at.
_LONGEST = 256
_MOST_SHOWN = 1_000
# A key that nobody knows is looked for sooner, but costs no more than some looks a second.
_LOOK_S, _SOON_S = 1.0, 0.1
_log = logging.getLogger(__name__)


class ApiKey(Terms):
    """A key of a caller, as the file of keys has it.

    Attributes:
        key_id: stands in the key itself, and may be shown.
        digest: SHA-256 of the whole key, in 64 hex digits.
        role: a "viewer" reads, a "predictor" predicts, a "client" does both and submits jobs; an "operator" also
            changes what all share: aliases, versions, fleets.
        approves: the roles for which its owner may approve deployments.
        per_minute, per_day: how many requests all gateways together take of it; None for any number.
        streams: how many streams of events it may follow, files move, and requests let wait, at once, of each gateway.
    """

    key_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    role: KeyRole = "client"
    approves: Patterns = ()
    per_minute: int | None = Field(default=None, ge=1)
    per_day: int | None = Field(default=None, ge=1)
    streams: int = Field(default=32, ge=1, le=10_000)

    @property
    def id(self) -> str:
        """See `Terms.id`."""
        return self.key_id

    def may(self, need: Need) -> bool:
        """Whether its role is enough for what a route asks."""
        return need in ROLES[self.role]


def new_key() -> tuple[str, str, str]:
    """A new key, its id, and its digest."""
    key_id = secrets.token_hex(_ID_BYTES)
    text = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return text, key_id, digest_of(text.encode())


def digest_of(text: bytes) -> str:
    """What is kept of a key."""
    return hashlib.sha256(text).hexdigest()


def read_keys(path: Path) -> dict[str, ApiKey]:
    """The keys of a file, or of all `*.toml` files of a folder, by id.

    Raises:
        InvalidSettings: there is none, or one of them cannot be read.
    """
    keys: dict[str, ApiKey] = {}
    for file in files_of(path, SETTING):
        for name, table in tables_of(file, SETTING).items():
            key = key_of(file, name, table)
            if key.id in keys:
                raise InvalidSettings(f"{SETTING}: {file}: [{name}] is the same key as [{keys[key.id].name}]")
            keys[key.id] = key
    if not keys:
        raise InvalidSettings(f"{SETTING} is {path}, and there is no key: make one by `stoker gateway new-key NAME`")
    return keys


def key_of(file: Path, name: str, table: object) -> ApiKey:
    """The key of a table; raises what `read_keys` does."""
    try:
        return ApiKey.model_validate({**table, "name": name} if isinstance(table, dict) else table)
    except ValidationError as error:
        problem = sentence(error, table, f"[{name}]", ApiKey.model_fields)
        raise InvalidSettings(f"{SETTING}: {file}: {problem}") from None


class KeyRing:
    """The keys that are valid here, followed as their file changes.

    Args:
        own: by id; those that no file has.
        path: the file or folder of the others; None if there are none.

    Raises:
        InvalidSettings: what is there cannot be read, or holds no key.
    """

    def __init__(self, own: Mapping[str, ApiKey], path: Path | None = None) -> None:
        self._own = own
        self._path = path
        self._changes = changes_of(path) if path else ()
        self._keys = {**own, **(read_keys(path) if path and self._changes else {})}
        # What callers have shown, and was a key: by the digest alone, each request would have to make it again.
        self._shown: dict[bytes, ApiKey] = {}
        self._looked = time.monotonic()
        self._told = ""

    @classmethod
    def read(cls, path: Path) -> "KeyRing":
        """The keys of a file or folder, in which there must be one; raises what `read_keys` does."""
        read_keys(path)
        return cls({}, path)

    def key(self, shown: bytes) -> ApiKey | None:
        """The key that a caller shows, if it is one; it may have expired."""
        self._look_again(_LOOK_S)
        if known := self._shown.get(shown):
            return known
        # "stk_", the id, "_" and the rest: nothing that follows depends on the secret but the last line.
        key = self.of_id(shown[4:20].decode("latin-1")) if len(shown) <= _LONGEST else None
        if key is None or not hmac.compare_digest(key.digest, digest_of(shown)):
            return None
        if len(self._shown) >= _MOST_SHOWN:
            self._shown.clear()
        self._shown[shown] = key
        return key

    def of_id(self, key_id: str) -> ApiKey | None:
        """The key with an id; it may have expired."""
        self._look_again(_LOOK_S)
        if key_id not in self._keys:
            # It may have been made just now.
            self._look_again(_SOON_S)
        return self._keys.get(key_id)

    def _look_again(self, after_s: float) -> None:
        """Look whether the keys have changed, if that was done so long ago."""
        if self._path and time.monotonic() - self._looked >= after_s:
            self._look()

    def _look(self) -> None:
        """Read the keys again, if their file has changed.

        What cannot be read is told of, and the old ones hold; where there is no file any more nobody comes in.
        """
        assert self._path is not None
        self._looked = time.monotonic()
        try:
            changes = changes_of(self._path)
            if changes != self._changes:
                read = read_keys(self._path) if changes else {}
                self._keys, self._changes = {**self._own, **read}, changes
                self._shown.clear()
            self._told = ""
        except InvalidSettings as error:
            # Requests have it looked at again and again.
            if str(error) != self._told:
                _log.error("the API keys are those of before: %s", error)
            self._told = str(error)


def is_valid(key: ApiKey) -> bool:
    """Whether a key still counts: it is not revoked, and has not expired."""
    return not key.revoked and not (key.expires and key.has_expired(datetime.now(UTC)))
