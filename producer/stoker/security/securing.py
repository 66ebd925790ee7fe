"""Securing a home: keys, encryption and the audit for all that uses its local server."""

import json
from pathlib import Path

from ..errors import InvalidArgument
from ..local.server import make_private, write_private
from ..local.up import exclusive
from ..models.encryption import new_key
from ..origins import local_file
from ..settings import Settings
from .key_files import write_pair

_NAME = "local"
_SETTINGS = """\
# Written by `stoker up --secure`. These hold for whatever uses the local server of this home folder, and finds nothing
# else in arguments, STOKER_… variables, secrets or stoker.toml. Without this file nothing is signed or encrypted.
signing_key = {signing_key}
trusted_keys = {trusted_keys}
encryption_key = {encryption_key}
audit = true
"""


def secure(settings: Settings) -> bool:
    """Have all that uses the local server of a home sign, believe only what is signed, encrypt artifacts, and note it.

    Makes the keys that are not there yet, for this user alone. It is for good: what reads the settings of this home
    finds them, until its local.toml is removed. Gives whether the home was not secured before.

    Raises:
        InvalidArgument: the settings name another Redis, whose users' settings are not in this home.
        InvalidSettings: the packages of `stoker[secure]` are not installed.
        AlreadyRunning: a stack that is not secured runs in this home.
    """
    if settings.redis_url:
        raise InvalidArgument(
            "--secure is for the local server, and redis_url names another one "
            f"({settings.origin('redis_url')}): set keys there as docs/security.md shows, or unset it"
        )
    if (file := local_file(settings.home)).exists():
        return False
    with exclusive(settings.home):
        make_private(folder := settings.home / "keys")
        private, trusted, artifacts = folder / f"{_NAME}.pem", folder / "trusted", folder / "artifacts.key"
        if not (trusted / f"{_NAME}.toml").exists():
            # One that a crash has left without its public key, which nobody has used yet.
            private.unlink(missing_ok=True)
            write_pair(_NAME, private, trusted, "all", None, {})
        if not artifacts.exists():
            new_key(artifacts)
        paths = {"signing_key": private, "trusted_keys": trusted, "encryption_key": artifacts}
        write_private(file, _SETTINGS.format(**{name: _quoted(path) for name, path in paths.items()}))
    return True


def _quoted(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)
