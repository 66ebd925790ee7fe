"""Keys of Ed25519: private ones in files of their own, public ones in TOML with what each may.

    [alice]
    public = "3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    role = "client"
    expires = 2027-11-28T00:00:00Z
    kinds = ["train", "evaluate"]
    tenants = ["research"]

What a key signs names it by its id, which comes from the public key alone: so several are valid at once, and a name
says nothing to anybody but people.
"""

import base64
import hashlib
import os
import stat
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ..errors import InvalidSettings
from ..kinds.problems import sentence

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Role = Literal["client", "worker", "controller", "all"]
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
# By these a key may be held to less than all.
SCOPES = ("kinds", "functions", "models", "aliases", "tenants", "devices")
_ID_DIGITS = 16
_RAW_BYTES = 32
_INSTALL = "signing needs the package cryptography: pip install 'stoker[secure]'"


def _is_public(text: str) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != _RAW_BYTES:
        raise ValueError("expected the 32 bytes of a public key of Ed25519 in base64, as `stoker keys new` writes them")
    return text


Patterns = Annotated[tuple[str, ...], Field(max_length=256)]


class Terms(BaseModel):
    """What the owner of a key may, and until when.

    Attributes:
        name: what people call it.
        expires: from then on, nothing new of it is believed; None for never.
        revoked: since when nothing of it is believed any more; None if it is not.
        kinds, functions, models, aliases, tenants, devices: what its jobs may be and name, as patterns such as
            "shop.*"; a job without a tenant has the tenant "".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None
    kinds: Patterns = ("*",)
    functions: Patterns = ("*",)
    models: Patterns = ("*",)
    aliases: Patterns = ("*",)
    tenants: Patterns = ("*",)
    devices: Patterns = ("*",)

    @property
    def id(self) -> str:
        """What it is called where its name may be anybody's."""
        raise NotImplementedError

    def has_expired(self, moment: datetime) -> bool:
        """Whether it had at a moment."""
        return self.expires is not None and moment >= self.expires


class TrustedKey(Terms):
    """A public key, and what is believed if its owner says so.

    Attributes:
        public: its 32 bytes, in base64.
        role: a "client" signs jobs and schedules; a "worker" what it makes (results, models, checkpoints) and the
            children of its jobs; a "controller" the jobs that schedules start; "all" is for one machine,
            whose parties share their settings.
        revoked: nothing of it is believed then, whenever it was signed.
    """

    public: Annotated[str, AfterValidator(_is_public)]
    role: Role

    @property
    def id(self) -> str:
        """What signatures call it: the first digits of the public key's SHA-256."""
        return key_id(base64.b64decode(self.public))

    def signs(self, role: Role) -> bool:
        """Whether it signs what a key of a role does."""
        return self.role in (role, "all")


def key_id(public: bytes) -> str:
    """The id of a public key."""
    return hashlib.sha256(public).hexdigest()[:_ID_DIGITS]


def read_trusted(path: Path) -> dict[str, TrustedKey]:
    """The keys of a file, or of all `*.toml` files of a folder, by id.

    Raises:
        InvalidSettings: there is none, or one of them cannot be read.
    """
    keys: dict[str, TrustedKey] = {}
    for file in files_of(path):
        for name, table in tables_of(file).items():
            key = key_of(file, name, table)
            if key.id in keys:
                raise InvalidSettings(f"{file}: [{name}] is the same key as [{keys[key.id].name}]: leave one of them")
            keys[key.id] = key
    if not keys:
        raise InvalidSettings(f"trusted_keys is {path}, and there is no key: make one by `stoker keys new NAME`")
    return keys


def files_of(path: Path, setting: str = "trusted_keys") -> list[Path]:
    """The files with keys that a setting names: one, or those of a folder."""
    try:
        return sorted(path.glob("*.toml")) if path.is_dir() else [path]
    except OSError as error:
        raise InvalidSettings(f"{setting} cannot be read: {error}") from None


def tables_of(file: Path, setting: str = "trusted_keys") -> Mapping[str, object]:
    """The tables of a file, by the names of the keys; raises what `read_trusted` does."""
    try:
        mode, text = file.stat().st_mode, file.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"{setting}: {file} cannot be read: {error}") from None
    if mode & stat.S_IWOTH:
        raise InvalidSettings(
            f"{setting}: anybody here may add keys to {file} (mode {stat.S_IMODE(mode):04o}): chmod o-w {file}"
        )
    return tables


def key_of(file: Path, name: str, table: object) -> TrustedKey:
    """The key of a table; raises what `read_trusted` does."""
    try:
        return TrustedKey.model_validate({**table, "name": name} if isinstance(table, dict) else table)
    except ValidationError as error:
        problem = sentence(error, table, f"[{name}]", TrustedKey.model_fields)
        raise InvalidSettings(f"trusted_keys: {file}: {problem}") from None


def changes_of(path: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells whether trusted keys have changed: of each file its name, time of change in ns and size."""
    known = []
    with suppress(OSError):
        # It is asked for every signature: a glob of paths takes as long as half of checking that.
        if not path.is_dir():
            seen = path.stat()
            return ((path.name, seen.st_mtime_ns, seen.st_size),)
        with os.scandir(path) as files:
            for file in files:
                if file.name.endswith(".toml"):
                    seen = file.stat()
                    known.append((file.name, seen.st_mtime_ns, seen.st_size))
    return tuple(sorted(known))


def read_private(path: Path) -> "Ed25519PrivateKey":
    """A private key from its file.

    Raises:
        InvalidSettings: it is not there, others may read it, or it is no private key of Ed25519.
    """
    pem, curve = serialization(), ed25519()
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm  # there is `cryptography`, by now

    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise InvalidSettings(f"signing_key cannot be read: {error}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidSettings(
            f"signing_key {path} may be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}"
        )
    try:
        key = pem.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        key = None
    if not isinstance(key, curve.Ed25519PrivateKey):
        raise InvalidSettings(f"signing_key {path} is no private key of Ed25519 in PEM: make one by `stoker keys new`")
    private: Ed25519PrivateKey = key
    return private


def read_public(public: str) -> "Ed25519PublicKey":
    """The public key of a `TrustedKey` as `cryptography` has it."""
    key: Ed25519PublicKey = ed25519().Ed25519PublicKey.from_public_bytes(base64.b64decode(public))
    return key


def public_bytes(private: "Ed25519PrivateKey") -> bytes:
    """The public key of a private one."""
    return private.public_key().public_bytes_raw()


def ed25519() -> ModuleType:
    """The part of `cryptography` that has Ed25519.

    Raises:
        InvalidSettings: it is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise InvalidSettings(_INSTALL) from None
    return ed25519


def serialization() -> ModuleType:
    """The part of `cryptography` that reads and writes PEM; raises what `ed25519` does."""
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError:
        raise InvalidSettings(_INSTALL) from None
    return serialization
