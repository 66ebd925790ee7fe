"""Making keys and revoking them, in their files."""

import base64
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ..errors import InvalidArgument
from .keys import (
    NAME,
    SCOPES,
    Role,
    Terms,
    TrustedKey,
    ed25519,
    files_of,
    key_of,
    public_bytes,
    read_trusted,
    serialization,
    tables_of,
)


def write_pair(
    name: str, private: Path, trusted: Path, role: Role, expires: datetime | None, scopes: Mapping[str, tuple[str, ...]]
) -> TrustedKey:
    """Make a key: a private one in a file that only its owner can read, and its entry among the trusted ones.

    Args:
        private: the file to write; it must not be there.
        trusted: a folder for a new file, or a file of keys, which gets a table more.

    Raises:
        InvalidArgument: the name is none, or there is such a key or file already.
    """
    if not re.fullmatch(NAME, name):
        raise InvalidArgument(f"{name!r} is no name of a key: write letters, digits, _ and -, at most 64")
    file = trusted if trusted.suffix == ".toml" else trusted / f"{name}.toml"
    formats = serialization()
    made = ed25519().Ed25519PrivateKey.generate()
    public = base64.b64encode(public_bytes(made)).decode()
    key = TrustedKey(name=name, public=public, role=role, expires=expires, **dict(scopes))
    pem = made.private_bytes(formats.Encoding.PEM, formats.PrivateFormat.PKCS8, formats.NoEncryption())
    make_private(private.parent)
    file.parent.mkdir(parents=True, exist_ok=True)
    with alone_in(file.parent):
        if file.exists() and name in tables_of(file):
            raise InvalidArgument(f"there is a key {name} in {file} already: choose another name, or remove that table")
        try:
            descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise InvalidArgument(f"there is {private} already: choose another name, for it may be in use") from None
        with os.fdopen(descriptor, "wb") as out:
            out.write(pem)
        add_table(file, [f"[{key.name}]", f'public = "{key.public}"', f'role = "{key.role}"', *lines_of(key)])
    return key


def make_private(folder: Path) -> None:
    """Make a folder if there is none, and those above it: for this user alone, as a home's are, which may be new."""
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep others from changing the keys of a folder, for the length of a with block; those who read do not wait."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def add_table(file: Path, lines: Iterable[str], mode: int = 0o644) -> None:
    """Write a table of a key behind those of a file; whoever reads it meanwhile sees the old one or the new one.

    Args:
        mode: who may read a new file; one that is there stays as it is.
    """
    before = file.read_text(encoding="utf-8").rstrip() if file.exists() else ""
    _replace(file, before + "\n\n" * bool(before) + "\n".join(lines) + "\n", mode)


def lines_of(key: Terms) -> Iterator[str]:
    """What a key's owner may, and until when, as lines of its table."""
    if key.expires:
        yield f"expires = {_moment(key.expires)}"
    for scope in SCOPES:
        patterns: tuple[str, ...] = getattr(key, scope)
        if patterns != ("*",):
            yield f"{scope} = [{', '.join(json.dumps(pattern) for pattern in patterns)}]"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def revoke(path: Path, which: str) -> TrustedKey:
    """Note in its file that a key is not trusted any more, from now on; gives it.

    Args:
        path: the trusted keys.
        which: its id, or its name if no other has that.

    Raises:
        InvalidArgument: there is none, or there are several.
    """
    found = [
        (file, key)
        for file in files_of(path)
        for name, table in tables_of(file).items()
        if which in ((key := key_of(file, name, table)).id, name)
    ]
    if len(found) != 1:
        listed = ", ".join(f"{key.id} ({key.name})" for key in read_trusted(path).values())
        how_many = "several keys are" if found else "no key is"
        raise InvalidArgument(f"{how_many} called {which!r}: name one of {listed}")
    [(file, key)] = found
    if key.revoked:
        return key
    return key.model_copy(update={"revoked": mark_revoked(file, key.name)})


def mark_revoked(file: Path, name: str) -> datetime:
    """Write into the table of a name that its key is revoked, from now on; gives since when that is.

    Raises:
        InvalidArgument: the table's beginning is not found.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    header = re.compile(rf'^[ \t]*\[[ \t]*"?{re.escape(name)}"?[ \t]*\].*$', re.MULTILINE)
    with alone_in(file.parent):
        text, count = header.subn(
            lambda match: f"{match[0]}\nrevoked = {_moment(now)}", file.read_text("utf-8"), count=1
        )
        if not count:
            raise InvalidArgument(f"{file} has no line [{name}]: write revoked = {_moment(now)} into its table by hand")
        _replace(file, text)
    return now


def _replace(file: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that whoever reads it meanwhile sees the old one or the new one; its owner and mode stay."""
    new = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        before = file.stat() if file.exists() else None
        if before and os.geteuid() == 0:
            os.fchown(out.fileno(), before.st_uid, before.st_gid)
        os.fchmod(out.fileno(), stat.S_IMODE(before.st_mode) if before else mode)
        out.write(text)
    new.replace(file)
