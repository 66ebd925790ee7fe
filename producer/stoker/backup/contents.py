"""What a backup's folder holds, and how it is described there.

| file | what |
| --- | --- |
| backup.json | when, of what, by which version, and which of these files; written last, in one step |
| redis-<time>.rdb | what Redis held |
| files-<time>.sha256 | the digest of every other file; `sha256sum --check` reads it, too |
| store/… | the files of the store, as they lie there: what is encrypted stays so |
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import InvalidArgument
from ..models.store.files import Files
from ..urls import masked

DESCRIPTION, STORE = "backup.json", "store"
_SUM = re.compile(r"(\\?)([0-9a-f]{64})  (.+)")


class Backup(BaseModel):
    """A whole backup.

    Attributes:
        at: when Redis gave its snapshot, by its clock.
        stoker: the version that took it.
        server: the server's name and version; another one must be as new to read its snapshot.
        snapshot: the file of the snapshot.
        sums: the file with the digests of all others.
        sums_digest: its own SHA-256.
        store: where the artifacts were, without a password.
        files, size: how many files of the store there are, and their bytes.
        encrypted: whether some of them are encrypted: whoever restores needs the keys.
        left_out: files of the store that are not what was once stored there, or have names that no folder can have.
        kept: files of the store that are not what was once stored there either, but an earlier backup has what was.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    stoker: str
    server: str
    snapshot: str
    store: str
    files: int
    size: int
    sums: str
    sums_digest: str
    encrypted: bool = False
    left_out: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> "Backup":
        """Read the description of a backup.

        Raises:
            InvalidArgument: there is none, or it or the list of its files has changed.
        """
        try:
            backup = cls.model_validate_json((folder / DESCRIPTION).read_bytes())
        except FileNotFoundError:
            raise InvalidArgument(
                f"{folder} has no {DESCRIPTION}: it is no backup, or one that was not finished; finish it by "
                f"`stoker backup {folder}`, or name another folder"
            ) from None
        except ValidationError:
            raise InvalidArgument(f"{folder / DESCRIPTION} is damaged: use another backup") from None
        sums = folder / backup.sums
        if not sums.exists() or sha256_of(sums) != backup.sums_digest:
            raise InvalidArgument(f"{sums} is gone, or not what it was: use another backup")
        return backup


def write_sums(path: Path, sums: Mapping[str, str]) -> None:
    """Write the digests of files by their paths, as `sha256sum` does."""
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for name, digest in sorted(sums.items()):
            escaped = name.replace("\\", "\\\\").replace("\n", "\\n")
            file.write(f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n")
        file.flush()
        os.fsync(file.fileno())


def read_sums(path: Path) -> Iterator[tuple[str, str]]:
    """The paths and digests of such a file."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for line in file:
            if match := _SUM.fullmatch(line.rstrip("\n")):
                escaped, digest, name = match.groups()
                yield re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), name) if escaped else name, digest


def sha256_of(path: Path) -> str:
    """A file's SHA-256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_apart(store: str, folder: Path) -> None:
    """See that neither of a store and a backup's folder is in the other.

    Raises:
        InvalidArgument: one is.
    """
    files = Files(store)
    root, backup = Path(files.root).resolve(), folder.resolve()
    if files.local and (root.is_relative_to(backup) or backup.is_relative_to(root)):
        raise InvalidArgument(
            f"of the backup's folder {folder} and the store {masked(store)} one is in the other: name another folder, "
            "or another store in STOKER_STORE_URL"
        )
