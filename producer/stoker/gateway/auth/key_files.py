"""Making API keys and revoking them, in their files."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from ...errors import InvalidArgument
from ...security.key_files import add_table, alone_in, lines_of, make_private, mark_revoked
from ...security.keys import NAME, files_of, tables_of
from .keys import SETTING, ApiKey, KeyRole, key_of, new_key, read_keys


def write_key(
    name: str,
    to: Path,
    role: KeyRole,
    expires: datetime | None,
    limits: Mapping[str, int | None],
    scopes: Mapping[str, tuple[str, ...]],
    approves: tuple[str, ...] = (),
) -> tuple[str, ApiKey]:
    """Make a key, and write its table; gives its text, which is kept nowhere, and what is kept.

    A new file is readable by its owner alone: whoever knows a digest can make sessions of the console.

    Args:
        to: a folder for a new file, or a file of keys, which gets a table more.
        limits: `per_minute` and `per_day`, or None for no limit.
        scopes: what it is held to, by the field of `Terms`.
        approves: the roles for which its owner approves deployments.

    Raises:
        InvalidArgument: the name is none, or there is such a key already.
    """
    if not re.fullmatch(NAME, name):
        raise InvalidArgument(f"{name!r} is no name of a key: write letters, digits, _ and -, at most 64")
    file = to if to.suffix == ".toml" else to / f"{name}.toml"
    text, key_id, digest = new_key()
    terms = {"name": name, "role": role, "expires": expires, "approves": approves, **limits, **scopes}
    key = ApiKey.model_validate({"key_id": key_id, "digest": digest, **terms})
    make_private(file.parent)
    own = [f"[{name}]", f'key_id = "{key_id}"', f'digest = "{digest}"', f'role = "{role}"']
    own += [f"{limit} = {most}" for limit, most in limits.items() if most is not None]
    own += [f"approves = {json.dumps(approves)}"] if approves else []
    with alone_in(file.parent):
        if file.exists() and name in tables_of(file, SETTING):
            raise InvalidArgument(f"there is a key {name} in {file} already: choose another name, or remove that table")
        add_table(file, [*own, *lines_of(key)], mode=0o600)
    return text, key


def revoke(path: Path, which: str) -> ApiKey:
    """Note in its file that a key does not come in any more; gives it.

    Args:
        which: its id, or its name if no other has that.

    Raises:
        InvalidArgument: there is none, or there are several.
    """
    found = [
        (file, key)
        for file in files_of(path, SETTING)
        for name, table in tables_of(file, SETTING).items()
        if which in ((key := key_of(file, name, table)).id, name)
    ]
    if len(found) != 1:
        listed = ", ".join(f"{key.id} ({key.name})" for key in read_keys(path).values())
        how_many = "several keys are" if found else "no key is"
        raise InvalidArgument(f"{how_many} called {which!r}: name one of {listed}")
    [(file, key)] = found
    return key if key.revoked else key.model_copy(update={"revoked": mark_revoked(file, key.name)})
